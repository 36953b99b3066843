"""Zero-shot classification: any labels, by asking an NLI classifier whether each follows.

A text is the premise; each label, put into a template, is a hypothesis. Scores follow
transformers' zero-shot-classification pipeline. Source: Yin et al. 2019 (Benchmarking Zero-shot
Text Classification).
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from edgebert.config import RuntimeConfig, Truncation
from edgebert.engine import Engine
from edgebert.errors import InputError, TaskError
from edgebert.manifest import Task
from edgebert.results import Classification, Floats, Label
from edgebert.scores import softmax
from edgebert.tasks.classify import Window, mean_logits, read_logits
from edgebert.tokens import check_text

TEMPLATE = "This example is {}."


class ZeroShotClassifier:
    """Classifies texts by labels named at call time. May be shared between threads."""

    def __init__(self, engine: Engine) -> None:
        """Take an opened engine of a classifier trained on natural language inference.

        Raises:
            TaskError: its bundle is for another task, or has no label for entailment.
        """
        engine.require(Task.CLASSIFY)
        self._engine = engine
        self.manifest = engine.manifest
        self._entailment, self._contradiction = inference_labels(self.manifest.labels)

    @classmethod
    def load(cls, path: Path | str, config: RuntimeConfig | None = None) -> "ZeroShotClassifier":
        """Open a bundle's folder.

        Raises:
            BundleError: it cannot be used.
            TaskError: it is for another task, or no NLI classifier.
        """
        return cls(Engine.open(path, config))

    def classify(
        self,
        texts: Iterable[str],
        *,
        labels: Sequence[str],
        template: str = TEMPLATE,
        multi_label: bool = False,
    ) -> list[Classification]:
        """Classify texts by any labels.

        Args:
            texts: N strings.
            labels: L candidates.
            template: a sentence with `{}` where the label goes.
            multi_label: judge each label by itself (entailed or contradicted) instead of sharing
                one probability among all.

        Returns:
            N results in the order given, each with all labels, best first.

        Raises:
            InputError: no labels, one twice, or a template without `{}`.
        """
        return list(self.stream(texts, labels=labels, template=template, multi_label=multi_label))

    def stream(
        self,
        texts: Iterable[str],
        *,
        labels: Sequence[str],
        template: str = TEMPLATE,
        multi_label: bool = False,
    ) -> Iterator[Classification]:
        """Classify texts one result at a time in bounded memory; see `classify`."""
        _check(texts, labels, template)
        policy = self._engine.policy(None, Truncation.CUT)
        pairs = _pairs(texts, [template.replace("{}", label) for label in labels])
        read = partial(read_logits, labels=len(self.manifest.labels))
        rows = self._engine.map(pairs, read, policy)
        return self._results(rows, labels, multi_label=multi_label)

    def _results(
        self, rows: Iterator[list[Window]], labels: Sequence[str], *, multi_label: bool
    ) -> Iterator[Classification]:
        while group := list(islice(rows, len(labels))):
            scores = self._score(
                np.stack([mean_logits(windows) for windows in group]), multi_label=multi_label
            )
            best = np.argsort(-scores, kind="stable")
            tokens = [windows[0][1] for windows in group]
            yield Classification(
                tuple(Label(labels[place], float(scores[place])) for place in best),
                max(row.n_tokens for row in tokens),
                any(row.truncated for row in tokens),
            )

    def _score(self, logits: Floats, *, multi_label: bool) -> Floats:
        """Turn (L, 3) logits of L hypotheses into L scores."""
        if multi_label or len(logits) == 1:
            return softmax(logits[:, [self._contradiction, self._entailment]])[:, 1]
        return softmax(logits[:, self._entailment])


def _pairs(texts: Iterable[str], hypotheses: Sequence[str]) -> Iterator[tuple[str, str]]:
    for row, text in enumerate(texts):
        check_text(text, row)  # the engine would name the row of the pair
        for hypothesis in hypotheses:
            yield text, hypothesis


def inference_labels(labels: Sequence[str]) -> tuple[int, int]:
    """Find which outputs of an NLI classifier say "follows" and "contradicts".

    Raises:
        TaskError: no label's name begins with "entail" or none with "contra".
    """
    lowered = [label.lower() for label in labels]
    places = [
        next((place for place, label in enumerate(lowered) if label.startswith(start)), None)
        for start in ("entail", "contra")
    ]
    if places[0] is None or places[1] is None:
        raise TaskError(
            "zero-shot classification",
            "classify",
            f"zero-shot classification needs a classifier of natural language inference, whose "
            f"labels name entailment and contradiction; this bundle's are {list(labels)[:8]}",
        )
    return places[0], places[1]


def _check(texts: Iterable[str], labels: Sequence[str], template: str) -> None:
    if isinstance(texts, str) or isinstance(labels, str):
        raise InputError("a single string; give a sequence, such as [text]")
    if not labels or len(set(labels)) != len(labels):
        raise InputError(f"labels are {list(labels)!r:.80}; give one or more, none twice")
    if "{}" not in template:
        raise InputError(f"template {template!r} has no {{}} where the label goes")
