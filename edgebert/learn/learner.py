"""A classifier that learns on the device and forgets nothing, or exactly what it is told to.

On a frozen bundle's embeddings it keeps sums, and solves a head from them whenever one is asked
for. The sums are exact, so any order of learning, any split and merge, and any learning and
forgetting in between give the same bits as learning what is left at once (docs/learning.md).
"""

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Self

import numpy as np

from edgebert.bundle import Bundle
from edgebert.errors import InputError, LearnError
from edgebert.learn.encoder import FrozenEncoder
from edgebert.learn.encoding import decode_state, encode_state
from edgebert.learn.features import Grid, Tier, plan_features
from edgebert.learn.head import as_kind, choose_head, probabilities_of, rank_classes
from edgebert.learn.inputs import Labels, check_name, name_labels
from edgebert.learn.journal import write_snapshot
from edgebert.learn.receipts import Receipt, plan_forget
from edgebert.learn.report import LearnerReport, make_report
from edgebert.learn.solve import Doubles, Head, HeadKind
from edgebert.learn.state import (
    AddClass,
    Change,
    Learn,
    RemoveClass,
    Setting,
    State,
)
from edgebert.learn.store import Store
from edgebert.learn.suggest import choose_texts
from edgebert.results import Classification


class Learner:
    """Learns classes from texts. May be shared between threads.

    With a path, each change is on the disk when the call returns; `close` it, or use it in a
    `with` block, to let another process write.
    """

    def __init__(self, encoder: FrozenEncoder, store: Store, head: HeadKind | str | None) -> None:
        """Join the parts; `create` and `open` make them."""
        self._encoder = encoder
        self._store = store
        self._kind = None if head is None else as_kind(head)
        self._head: Head | None = None
        self._guard = threading.RLock()

    @classmethod
    def create(
        cls,
        bundle: Path | str,
        path: Path | str | None = None,
        *,
        tier: Tier | str = Tier.TINY,
        prompt: str | None = None,
        multi_label: bool = False,
        head: HeadKind | str | None = None,
        seed: int = 0,
    ) -> Self:
        """Make a learner that knows nothing.

        Args:
            bundle: folder of an embedding bundle; the learner is bound to it.
            path: the file it lives in, which must not exist; None: in memory alone.
            tier: "tiny", "small" or "base"; see docs/learning.md.
            prompt: name of a prefix of the bundle; None: the bundle's default.
            multi_label: a text may have any number of labels.
            head: "lda", "lda-gcv", "ridge" or "mean"; None: by the samples a class, as
                `report` says; ridge if multi_label.
            seed: of the random features; learners to be merged must share it.

        Raises:
            BundleError: the bundle cannot be used.
            TaskError: it is not for embeddings.
            LearnError: the file exists, or the bundle lacks layers that the tier needs.
        """
        if tier not in set(Tier):
            raise InputError(f"tier is {tier!r}; it must be one of: {', '.join(Tier)}")
        opened = Bundle.open(bundle)
        chosen = prompt if prompt is not None else opened.manifest.default_prompt
        setting = Setting(
            learner=token_hex(8),
            encoder=opened.fingerprint,
            features=plan_features(opened.manifest, Tier(tier), seed),
            prompt=chosen,
            multi_label=multi_label,
        )
        encoder = FrozenEncoder(opened, setting)
        where = None if path is None else Path(path)
        return cls(encoder, Store.create(State.new(setting), where), head)

    @classmethod
    def open(
        cls,
        path: Path | str,
        bundle: Path | str,
        *,
        head: HeadKind | str | None = None,
        read_only: bool = False,
    ) -> Self:
        """Open a learner's file.

        Args:
            path: the file.
            bundle: the bundle it was made on.
            head: see `create`.
            read_only: others may write meanwhile; what they learn is not seen. Changes are
                refused.

        Raises:
            BundleError: the bundle cannot be used.
            LearnError: the file is damaged, of another encoder, or being written by another
                process.
        """
        opened = Bundle.open(bundle)
        store = Store.open(Path(path), read_only=read_only)
        try:
            return cls(FrozenEncoder(opened, store.state.setting), store, head)
        except BaseException:
            store.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others write the file. The learner goes on in memory, and refuses changes."""
        with self._guard:
            self._store.close()

    @property
    def state(self) -> State:
        """All that is known; not to be changed."""
        return self._store.state

    @property
    def bundle(self) -> Bundle:
        """The bundle it was made on."""
        return self._encoder.bundle

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, sorted."""
        return tuple(self.state.names)

    def add_class(self, name: str, *, describe: str | None = None) -> None:
        """Add a class, known by its description before the first sample.

        Args:
            name: its label.
            describe: a phrase for it, which counts as one sample of its mean; None: the name,
                its underscores as spaces; "": nothing.

        Raises:
            LearnError: it is there already.
        """
        check_name(name)
        phrase = name.replace("_", " ") if describe is None else describe
        grid = self._encoder.grids([phrase])[0]
        self._change(AddClass(name, phrase, grid if phrase else np.zeros_like(grid)))

    def learn(
        self, texts: Sequence[str], labels: Labels, *, new_classes: bool = False
    ) -> list[Receipt]:
        """Learn texts: all of them, or with an error none.

        Args:
            texts: N of them; longer ones are cut at the bundle's limit.
            labels: N names of classes; with multi_label, N sequences of names.
            new_classes: add classes that are not there, with their names as descriptions.

        Returns:
            N receipts: keep them to `forget` exactly, or drop them.

        Raises:
            InputError: a text or label cannot be taken.
            LearnError: a label is unknown, or the disk is full.
        """
        named = name_labels(texts, labels, several=self._multi)
        unknown = sorted({name for names in named for name in names} - set(self.state.names))
        if unknown and not new_classes:
            raise LearnError(
                f"no class {unknown[0]!r:.80}; add it with `add_class`, or allow `new_classes`"
            )
        grids = self._encoder.grids(texts)
        with self._guard:
            for name in unknown:
                self.add_class(name)
            learner = self.state.setting.learner
            first = self.state.issued[learner].count
            self._change(Learn(tuple(named), grids))
        return [
            Receipt(learner, first + row, named[row], grids[row].astype("<i2").tobytes())
            for row in range(len(named))
        ]

    def forget(
        self,
        receipts: Sequence[Receipt] = (),
        *,
        texts: Sequence[str] = (),
        labels: Labels = (),
    ) -> None:
        """Forget samples, as if they had never been learnt: all of them, or with an error none.

        Args:
            receipts: as `learn` gave them; each once.
            texts: texts without a receipt. Exact on the encoder build that learnt them, which
                cannot be checked: of a text that was never learnt the sums would go wrong.
            labels: theirs.

        Raises:
            LearnError: a receipt is of another learner or was used, or a class has not so many
                samples.
        """
        named = name_labels(texts, labels, several=self._multi)
        self._change(plan_forget(receipts, named, self._encoder.grids(texts)))

    def remove_class(
        self,
        name: str,
        *,
        receipts: Sequence[Receipt] = (),
        texts: Sequence[str] = (),
    ) -> None:
        """Forget a class with all its samples, which must be given: no sample is kept here.

        Raises:
            LearnError: there is no such class, or these are not all its samples: then its sum
                does not come to zero, and nothing is forgotten.
        """
        with self._guard:
            column = self.state.column(name)
            given = len(receipts) + len(texts)
            learnt = int(self.state.statistics.counts[column])
            if given != learnt or any(each.labels != (name,) for each in receipts):
                raise LearnError(
                    f"class {name!r:.80} has {learnt:,} samples, {given:,} were given; give a "
                    "receipt or the text of each"
                )
            if given:
                labels = [[name]] * len(texts) if self._multi else [name] * len(texts)
                self.forget(receipts, texts=texts, labels=labels)
            self._change(RemoveClass(name))

    def merge(self, other: "Learner") -> None:
        """Take in what another learner knows; the same as having learnt its samples.

        Raises:
            LearnError: it is on another encoder or tier, or some of its samples are known
                already.
        """
        with other._guard:
            theirs = decode_state(encode_state(other.state))  # a copy, for the lock of one
        with self._guard:
            self._store.replace(self.state.merged(theirs))
            self._head = None

    def predict(self, texts: Iterable[str], *, top_k: int | None = 1) -> list[Classification]:
        """Classify texts.

        Args:
            texts: N of them.
            top_k: how many labels each result holds, best first; None: all.

        Returns:
            N results in the order given. Scores sum to 1 over all labels; with multi_label each
            is a probability of its own. Few samples a class make them too low rather than too
            high; see docs/learning.md.

        Raises:
            LearnError: there is no class yet.
        """
        if top_k is not None and top_k < 1:
            raise InputError(f"top_k is {top_k}; it must be 1 or more, or None for all labels")
        embedded = list(self._encoder.embed(texts))
        with self._guard:
            head, names = self.head(), list(self.state.names)
        features = self._features(self._encoder.stack(each.grid for each in embedded))
        scores = probabilities_of(head, features)
        return [
            Classification(
                tuple(rank_classes(row, names, top_k)), each.tokens.n_tokens, each.tokens.truncated
            )
            for row, each in zip(scores, embedded, strict=True)
        ]

    def suggest(self, unlabelled: Sequence[str], k: int) -> list[int]:
        """Say which texts to label next: unsure ones, unlike each other.

        Args:
            unlabelled: N texts.
            k: how many.

        Returns:
            Their places among the texts, the most useful first.
        """
        if k < 1:
            raise InputError(f"k is {k}; it must be 1 or more")
        grids = self._encoder.grids(unlabelled)
        head = self.head()
        scores = head.sharpness * head.scores(self._features(grids))
        return [int(row) for row in choose_texts(scores, grids.astype(np.float64), k)]

    def report(self, receipts: Sequence[Receipt] = ()) -> LearnerReport:
        """Say what is known and how well.

        Args:
            receipts: of learnt samples; with them, how each fares with a head that never saw it.
        """
        with self._guard:
            return make_report(self.state, self.head(), receipts)

    def head(self) -> Head:
        """Give the head of what is known now; solved when first asked for after a change.

        Raises:
            LearnError: there is no class yet.
        """
        with self._guard:
            if self._head is None:
                self._head = choose_head(self.state, self._kind)
            return self._head

    def save(self, path: Path | str) -> None:
        """Write a copy that `open` opens. It takes this one's receipts, and gives its own."""
        with self._guard:
            write_snapshot(Path(path), encode_state(self.state.copy_as(token_hex(8))))

    def compact(self) -> None:
        """Fold the journal into the snapshot: what was forgotten is then gone from the file."""
        with self._guard:
            self._store.compact()

    @property
    def _multi(self) -> bool:
        return self.state.setting.multi_label

    def _change(self, change: Change) -> None:
        with self._guard:
            self._store.change(change)
            self._head = None

    def _features(self, grids: Grid) -> Doubles:
        features = self.state.setting.features
        return features.apply(grids) / features.scale
