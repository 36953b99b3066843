"""The full model of a cascade: a learner, or a classifier bundle as it is.

It says which classes there are and turns the outputs of its bundle into their probabilities, by
the same code as `Learner.predict` and `Classifier.classify`, so that a text that goes all the way
gets their answer, bit for bit where they have one text a run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebert.batching import Batch
from edgebert.bundle import Bundle
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.errors import RouteError
from edgebert.learn.head import probabilities_of
from edgebert.learn.learner import Learner
from edgebert.learn.solve import Doubles, Head, moments_of
from edgebert.manifest import Activation, Task
from edgebert.results import Floats
from edgebert.route.scope import Blend, fit_blend
from edgebert.scores import ACTIVATIONS, check_labels

Raw = NDArray[Any]  # (N, d) a learner's grid, or (N, L) logits


@dataclass(frozen=True, slots=True)
class Seen:
    """What the full model makes of N rows."""

    probabilities: Doubles  # (N, C)
    features: Doubles | None  # (N, D) of a learner


# outputs of the main graph and their batch -> what of them is kept: (B, ...)
Read = Callable[[tuple[Floats, ...], Batch], Raw]
Judge = Callable[[Raw], Seen]


@dataclass(frozen=True, slots=True)
class FullModel:
    """The full model as it is at one moment."""

    name: str
    labels: tuple[str, ...]
    identity: str  # hash of all that decides its answers
    bundle: Bundle
    engine: Engine
    prefix: str  # put before each text
    read: Read
    judge: Judge  # a row gets the same bits in any company
    learner: Learner | None  # where it is one
    head: Head | None  # the learner's, by which a change is noticed

    @property
    def current(self) -> bool:
        """Whether it still answers as it did when this was made."""
        return self.learner is None or self.learner.head() is self.head


def open_full(model: Learner | Path | str) -> FullModel:
    """Take a learner, or open a classifier bundle.

    Raises:
        BundleError: the bundle cannot be used.
        TaskError: the bundle is no classifier.
        RouteError: its texts may have several classes, or a number for one.
        LearnError: the learner knows no class yet.
    """
    return _of_learner(model) if isinstance(model, Learner) else _of_bundle(Bundle.open(model))


def _of_learner(learner: Learner) -> FullModel:
    if learner.state.setting.multi_label:
        raise RouteError("a cascade needs one class a text; this learner allows several")
    encoder, features = learner.encoder, learner.state.setting.features
    head, names, digest = learner.head(), tuple(learner.classes), learner.state.digest()
    if learner.head() is not head:  # another thread has changed it meanwhile
        return _of_learner(learner)

    def read(outputs: tuple[Floats, ...], batch: Batch) -> Raw:
        return encoder.stack(each.grid for each in encoder.read(outputs, batch))

    def judge(grid: Raw) -> Seen:
        values = features.apply(grid) / features.scale
        return Seen(probabilities_of(head, values), values)

    return FullModel(
        name=learner.bundle.manifest.name,
        labels=names,
        identity=digest,
        bundle=learner.bundle,
        engine=encoder.engine,
        prefix=encoder.prefix,
        read=read,
        judge=judge,
        learner=learner,
        head=head,
    )


def _of_bundle(bundle: Bundle) -> FullModel:
    manifest = bundle.manifest
    engine = Engine.from_parts(bundle.path, manifest, RuntimeConfig())
    engine.require(Task.CLASSIFY)
    if manifest.activation is not Activation.SOFTMAX or len(manifest.labels) < 2:
        raise RouteError(
            f"bundle {manifest.name!r} gives {manifest.activation.value} over "
            f"{len(manifest.labels)} labels; a cascade needs one class a text, of two or more"
        )

    def read(outputs: tuple[Floats, ...], _: Batch) -> Raw:
        check_labels(outputs[0], len(manifest.labels))
        return outputs[0]

    def judge(logits: Raw) -> Seen:
        softmax = ACTIVATIONS[manifest.activation]
        return Seen(np.array([softmax(row) for row in logits], np.float64), None)

    return FullModel(
        name=manifest.name,
        labels=manifest.labels,
        identity=bundle.fingerprint,
        bundle=bundle,
        engine=engine,
        prefix="",
        read=read,
        judge=judge,
        learner=None,
        head=None,
    )


def scope_of(full: FullModel) -> Blend | None:
    """Give what the texts look like that a learner has learnt; None where there is none."""
    if full.learner is None or full.learner.state.statistics.total <= len(full.labels):
        return None
    state = full.learner.state
    return fit_blend(moments_of(state.statistics, state.setting.features.scale))
