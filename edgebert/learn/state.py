"""What a learner knows, and the changes that can be made to it.

Changes are values: the learner makes one, the journal writes it down, `apply` does it, and after
a crash the same changes are done again. A change is checked whole before anything is touched.
Classes stand in the order of their names, so that the order of learning leaves no trace.

Knows no file and no engine.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgebert.errors import LearnError
from edgebert.learn.features import FeatureMap, Grid
from edgebert.learn.solve import Doubles
from edgebert.learn.statistics import Statistics, Targets

ReceiptName = tuple[str, int]  # learner, number


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is settled when a learner is made and never changes."""

    learner: str  # id, random
    encoder: str  # fingerprint of the bundle
    features: FeatureMap
    prompt: str | None  # name of the prefix put before texts
    multi_label: bool


@dataclass(frozen=True, slots=True)
class AddClass:
    """A class gets its place."""

    name: str
    description: str  # empty: none
    grid: Grid  # (d,) the description's embedding; zeros where there is none


@dataclass(frozen=True, slots=True)
class Learn:
    """Samples are added; they get the next numbers."""

    labels: tuple[tuple[str, ...], ...]  # of each sample
    grid: Grid  # (N, d)


@dataclass(frozen=True, slots=True)
class Forget:
    """Samples are taken away."""

    labels: tuple[tuple[str, ...], ...]
    grid: Grid  # (N, d)
    receipts: tuple[ReceiptName, ...]  # of those that came with one


@dataclass(frozen=True, slots=True)
class RemoveClass:
    """A class without samples loses its place."""

    name: str


Change = AddClass | Learn | Forget | RemoveClass


@dataclass(slots=True)
class Issued:
    """The receipts that a learner has given out."""

    count: int = 0
    forgotten: set[int] = field(default_factory=set)


@dataclass(slots=True)
class State:
    """All that a learner knows."""

    setting: Setting
    statistics: Statistics
    names: list[str] = field(default_factory=list)  # sorted
    descriptions: dict[str, tuple[str, Grid]] = field(default_factory=dict)
    issued: dict[str, Issued] = field(default_factory=dict)  # by learner: itself and those merged

    @classmethod
    def new(cls, setting: Setting) -> "State":
        """Make a state that knows nothing."""
        state = cls(setting, Statistics.empty(setting.features.width))
        state.issued[setting.learner] = Issued()
        return state

    def check(self, change: Change) -> None:
        """Refuse a change that cannot be made.

        Raises:
            LearnError: and why; nothing was touched.
        """
        match change:
            case AddClass(name=name):
                if name in self.descriptions:
                    raise LearnError(f"class {name!r:.80} is there already")
            case RemoveClass(name=name):
                left = int(self.statistics.counts[self.column(name)])
                if left:
                    raise LearnError(
                        f"class {name!r:.80} has {left:,} samples; forget them first (what a class "
                        "adds to the scatter that all share cannot be told apart without them)"
                    )
            case Learn(labels=labels):
                self._targets(labels)
                self.statistics.check_room(len(labels))
            case Forget():
                self._check_forget(change)

    def apply(self, change: Change) -> None:
        """Make a change that `check` has passed."""
        match change:
            case AddClass(name, description, grid):
                self.descriptions[name] = (description, grid)
                self.names = sorted(self.descriptions)
                self.statistics.insert_class(self.names.index(name))
            case RemoveClass(name):
                self.statistics.drop_class(self.column(name))
                del self.descriptions[name]
                self.names.remove(name)
            case Learn(labels, grid):
                self.statistics.change(1, self._features(grid), self._targets(labels))
                self.issued[self.setting.learner].count += len(labels)
            case Forget(labels, grid, receipts):
                self.statistics.change(-1, self._features(grid), self._targets(labels))
                for learner, number in receipts:
                    self.issued[learner].forgotten.add(number)

    def column(self, name: str) -> int:
        """Give the place of a class.

        Raises:
            LearnError: there is no such class.
        """
        if name not in self.descriptions:
            raise LearnError(f"no class {name!r:.80}; add it with `add_class` first")
        return self.names.index(name)

    def _features(self, grid: Grid) -> Doubles:
        return self.setting.features.apply(grid)

    def _targets(self, labels: Sequence[Sequence[str]]) -> Targets:
        columns = {name: place for place, name in enumerate(self.names)}
        targets = np.zeros((len(labels), len(self.names)))
        for row, names in enumerate(labels):
            for name in names:
                if name not in columns:
                    self.column(name)  # says what is wrong
                targets[row, columns[name]] = 1
        return targets

    def _check_forget(self, change: Forget) -> None:
        for learner, number in change.receipts:
            known = self.issued.get(learner)
            if known is None or number >= known.count:
                raise LearnError(f"receipt {number} is not of this learner, nor of one merged in")
            if number in known.forgotten:
                raise LearnError(f"receipt {number} was forgotten before")
        if len(set(change.receipts)) != len(change.receipts):
            raise LearnError("a receipt stands twice")
        self.statistics.check_removal(self._features(change.grid), self._targets(change.labels))

    def merged(self, other: "State") -> "State":
        """Give a state that knows what both know.

        Raises:
            LearnError: they do not fit, or have learnt some of the same samples already.
        """
        mine, its = self.setting, other.setting
        if replace(mine, learner="") != replace(its, learner=""):
            raise LearnError(
                "the learners differ in encoder, tier, seed, prompt or multi_label; only like "
                "learners can be merged"
            )
        twice = self.issued.keys() & other.issued.keys()
        if twice:
            raise LearnError(
                f"both hold what learner {min(twice)} learnt; merged, it would count twice"
            )
        for name in self.descriptions.keys() & other.descriptions.keys():
            if self.descriptions[name][0] != other.descriptions[name][0]:
                raise LearnError(f"class {name!r:.80} is described differently in the two learners")
        issued = {
            learner: Issued(known.count, set(known.forgotten))
            for learner, known in (self.issued | other.issued).items()
        }
        descriptions = {**other.descriptions, **self.descriptions}
        names = sorted(descriptions)
        both = Statistics.empty(mine.features.width, len(names))
        for state in (self, other):
            both.merge(state.statistics, np.array([names.index(name) for name in state.names], int))
        return State(mine, both, names, descriptions, issued)

    def copy_as(self, learner: str) -> "State":
        """Give a copy that takes this one's receipts and gives out its own."""
        setting = replace(self.setting, learner=learner)
        return replace(self, setting=setting, issued={**self.issued, learner: Issued()})

    def described(self) -> tuple[Doubles, Doubles]:
        """Give the features of the descriptions (D, C), and 1 for a class that has one (C,)."""
        width = self.setting.features.raw_width
        rows = [self.descriptions[name][1] for name in self.names]
        grid = np.array(rows, np.int16).reshape(len(rows), width)
        features = self._features(grid) / self.setting.features.scale
        return features.T, (grid != 0).any(axis=1).astype(np.float64)

    def digest(self) -> str:
        """Hash all that decides a prediction: the same for the same samples in any order."""
        statistics = self.statistics
        statistics.settle()
        digest = hashlib.sha256(repr(replace(self.setting, learner="")).encode())
        digest.update(repr([(name, self.descriptions[name][0]) for name in self.names]).encode())
        digest.update(repr(statistics.total).encode())
        for array in (statistics.counts, statistics.first, statistics.sums, statistics.gram):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def counts_by_name(state: State) -> Mapping[str, int]:
    """Give the number of samples of each class."""
    counts = state.statistics.counts.tolist()
    return dict(zip(state.names, counts, strict=True))
