"""A classifier that learns on the device and forgets nothing, or exactly what it is told to.

On a frozen bundle's embeddings it keeps sums, and solves a head from them whenever one is asked
for. The sums are exact, so any order of learning, any split and merge, and any learning and
forgetting in between give the same bits as learning what is left at once (docs/learning.md).
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Self

from edgebert.bundle import Bundle
from edgebert.errors import InputError
from edgebert.learn.encoder import FrozenEncoder
from edgebert.learn.encoding import decode_state, encode_state
from edgebert.learn.features import Tier
from edgebert.learn.head import as_kind, choose_head, probabilities_of, rank_classes
from edgebert.learn.inputs import Labels, name_labels
from edgebert.learn.planning import (
    plan_class,
    plan_forgetting,
    plan_learning,
    plan_removal,
    plan_setting,
)
from edgebert.learn.receipts import Receipt
from edgebert.learn.report import LearnerReport, make_report
from edgebert.learn.solve import Head, HeadKind
from edgebert.learn.state import Change, State
from edgebert.learn.store import Store
from edgebert.learn.suggest import choose_texts
from edgebert.results import Classification


class Learner:
    """Learns classes from texts. May be shared between threads.

    With a path, each change is on the disk when the call returns; `close` it, or use it in a
    `with` block, to let another process write.
    """

    def __init__(self, encoder: FrozenEncoder, store: Store, kind: HeadKind | None) -> None:
        """Join the parts; `create` and `open` make them."""
        self._encoder = encoder
        self._store = store
        self._kind = kind
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
        kind, opened = as_kind(head), Bundle.open(bundle)
        setting = plan_setting(opened, tier, prompt, multi_label=multi_label, seed=seed)
        encoder = FrozenEncoder(opened, setting)
        where = None if path is None else Path(path)
        return cls(encoder, Store.create(State.new(setting), where), kind)

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
            LearnError: the file is damaged, of another encoder, or being written elsewhere.
        """
        kind, opened = as_kind(head), Bundle.open(bundle)
        store = Store.open(Path(path), read_only=read_only)
        try:
            return cls(FrozenEncoder(opened, store.state.setting), store, kind)
        except BaseException:
            store.close()
            raise

    @property
    def state(self) -> State:
        """All that is known; to be read only while no other thread learns."""
        return self._store.state

    @property
    def bundle(self) -> Bundle:
        """The bundle it was made on."""
        return self._encoder.bundle

    @property
    def encoder(self) -> FrozenEncoder:
        """What embeds its texts."""
        return self._encoder

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, sorted."""
        return tuple(self.state.names)

    def add_class(self, name: str, *, describe: str | None = None) -> None:
        """Add a class, known by its description before the first sample.

        Args:
            name: its label.
            describe: a phrase that counts as one sample; None: its name's words; "": nothing.

        Raises:
            InputError: the name is empty, or one of them is not a string.
            LearnError: it is there already.
        """
        self._change(plan_class(self._encoder, name, describe))

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
        named = name_labels(texts, labels, several=self.state.setting.multi_label)
        plan = plan_learning(self._encoder, self.classes, texts, named, new_classes=new_classes)
        with self._guard:
            there = self.state.descriptions  # another thread may have added a class meanwhile
            new = tuple(each for each in plan.new if each.name not in there)
            self._change(replace(plan, new=new))
        return [
            Receipt(names, grid.astype("<i2").tobytes())
            for names, grid in zip(plan.labels, plan.grid, strict=True)
        ]

    def forget(
        self, receipts: Sequence[Receipt] = (), *, texts: Sequence[str] = (), labels: Labels = ()
    ) -> None:
        """Forget samples, as if they had never been learnt: all of them, or with an error none.

        Args:
            receipts: as `learn` gave them; exact wherever they are used.
            texts: texts without a receipt; found only by the build that learnt them.
            labels: theirs.

        Raises:
            InputError: a text or label cannot be taken.
            LearnError: a sample is not known: never learnt so, or forgotten before.
        """
        named = name_labels(texts, labels, several=self.state.setting.multi_label)
        self._change(plan_forgetting(self._encoder, receipts, texts, named))

    def remove_class(
        self, name: str, *, receipts: Sequence[Receipt] = (), texts: Sequence[str] = ()
    ) -> None:
        """Forget a class with all its samples, which must be given: no sample is kept here.

        Raises:
            LearnError: there is no such class, or these are not all its samples, and of it alone.
        """
        self._change(plan_removal(self._encoder, name, receipts, texts))

    def merge(self, other: "Learner") -> None:
        """Take in what another learner knows; the same as having learnt its samples.

        Raises:
            LearnError: it is on another encoder or tier, or the two share samples.
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
            is a probability of its own. How far to trust them: docs/learning.md.

        Raises:
            LearnError: there is no class yet.
        """
        if top_k is not None and top_k < 1:
            raise InputError(f"top_k is {top_k}; it must be 1 or more, or None for all labels")
        embedded = list(self._encoder.embed(texts))
        with self._guard:
            head, names = self.head(), list(self.state.names)
        grid = self._encoder.stack(each.grid for each in embedded)
        ranked = rank_classes(probabilities_of(head, self.state.values(grid)), names, top_k)
        return [
            Classification(labels, each.tokens.n_tokens, each.tokens.truncated)
            for labels, each in zip(ranked, embedded, strict=True)
        ]

    def suggest(self, unlabelled: Sequence[str], k: int) -> list[int]:
        """Say which texts to label next: unsure ones, unlike each other.

        Args:
            unlabelled: N texts.
            k: how many.

        Returns:
            Their places among the texts, the most useful first.
        """
        grids = self._encoder.grids(unlabelled)
        head = self.head()
        scores = head.sharpness * head.scores(self.state.values(grids))
        return choose_texts(scores, grids, k)

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
        """Write a copy, which goes its own way, to a file that must not exist."""
        with self._guard:
            Store.create(self.state.renamed(token_hex(8)), Path(path)).close()

    def compact(self) -> None:
        """Fold the journal into the snapshot: what was forgotten is then gone from the file."""
        with self._guard:
            self._store.compact()

    def close(self) -> None:
        """Let others write the file. The learner goes on answering, and refuses changes."""
        with self._guard:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def _change(self, change: Change) -> None:
        with self._guard:
            self._store.change(change)
            self._head = None
