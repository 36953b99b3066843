"""What a learner knows, and the changes that can be made to it.

Changes are values: the learner makes one, the journal writes it down, `apply` does it, and after
a crash the same changes are done again. A change is checked whole before anything is touched.
Classes stand in the order of their names, so that the order of learning leaves no trace.

Knows no file and no engine.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgebert.errors import LearnError
from edgebert.learn.features import FeatureMap, Grid
from edgebert.learn.ledger import Ledger, empty_ledger, enter, fingerprints, strike
from edgebert.learn.solve import Doubles
from edgebert.learn.statistics import Statistics, Targets

BLOCK = 256  # samples summed up at once: bounds memory where many texts or classes come


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
    """Samples are added, and the classes of theirs that are new."""

    labels: tuple[tuple[str, ...], ...]  # of each sample
    grid: Grid  # (N, d)
    new: tuple[AddClass, ...] = ()


@dataclass(frozen=True, slots=True)
class Forget:
    """Samples are taken away."""

    labels: tuple[tuple[str, ...], ...]
    grid: Grid  # (N, d)


@dataclass(frozen=True, slots=True)
class RemoveClass:
    """A class loses its place and all its samples."""

    name: str
    grid: Grid  # (N, d) the samples


Change = AddClass | Learn | Forget | RemoveClass


@dataclass(slots=True)
class State:
    """All that a learner knows."""

    setting: Setting
    statistics: Statistics
    names: list[str] = field(default_factory=list)  # sorted
    descriptions: dict[str, tuple[str, Grid]] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=empty_ledger)
    learners: frozenset[str] = frozenset()  # ids: its own and those merged in

    @classmethod
    def new(cls, setting: Setting) -> "State":
        """Make a state that knows nothing."""
        statistics = Statistics.empty(setting.features.width)
        return cls(setting, statistics, learners=frozenset({setting.learner}))

    def check(self, change: Change) -> None:
        """Refuse a change that cannot be made.

        Raises:
            LearnError: and why; nothing was touched.
        """
        match change:
            case AddClass(name=name):
                self._check_new([name])
            case Learn(labels, grid, new):
                names = [each.name for each in new]
                self._check_new(names)
                self._check_known(labels, names)
                self.statistics.check_room(len(grid))
            case Forget(labels, grid):
                self._check_known(labels)
                strike(self.ledger, fingerprints(labels, grid))
            case RemoveClass(name, grid):
                known = int(self.statistics.counts[self.column(name)])
                if len(grid) != known:
                    raise LearnError(
                        f"class {name!r:.80} has {known:,} samples, {len(grid):,} were given; give "
                        "a receipt or the text of each"
                    )
                strike(self.ledger, fingerprints([(name,)] * len(grid), grid))

    def apply(self, change: Change) -> None:
        """Make a change that `check` has passed."""
        match change:
            case AddClass():
                self._insert([change])
            case Learn(labels, grid, new):
                self._insert(new)
                self._sum_up(1, labels, grid)
                self.ledger = enter(self.ledger, fingerprints(labels, grid))
            case Forget(labels, grid):
                self._take_away(labels, grid)
            case RemoveClass(name, grid):
                self._take_away([(name,)] * len(grid), grid)
                self.statistics.drop_class(self.column(name))
                del self.descriptions[name]
                self.names.remove(name)

    def column(self, name: str) -> int:
        """Give the place of a class.

        Raises:
            LearnError: there is no such class.
        """
        if name not in self.descriptions:
            raise LearnError(f"no class {name!r:.80}; add it with `add_class` first")
        return self.names.index(name)

    def values(self, grid: Grid) -> Doubles:
        """Give the features of (N, d) embeddings as real numbers: (N, D)."""
        features = self.setting.features
        return features.apply(grid) / features.scale

    def _insert(self, new: Sequence[AddClass]) -> None:
        added = sorted(new, key=lambda each: each.name)
        places = [bisect_left(self.names, each.name) for each in added]
        self.descriptions |= {each.name: (each.description, each.grid) for each in added}
        self.names = sorted(self.descriptions)
        self.statistics.insert_classes(places)

    def _take_away(self, labels: Sequence[Sequence[str]], grid: Grid) -> None:
        self.ledger = strike(self.ledger, fingerprints(labels, grid))
        self._sum_up(-1, labels, grid)

    def _sum_up(self, sign: int, labels: Sequence[Sequence[str]], grid: Grid) -> None:
        columns = {name: place for place, name in enumerate(self.names)}
        for start in range(0, len(grid), BLOCK):
            some = labels[start : start + BLOCK]
            targets: Targets = np.zeros((len(some), len(columns)))
            for row, names in enumerate(some):
                targets[row, [columns[name] for name in names]] = 1
            features = self.setting.features.apply(grid[start : start + BLOCK])
            self.statistics.change(sign, features, targets)

    def _check_new(self, names: Sequence[str]) -> None:
        for name in names:
            if name in self.descriptions:
                raise LearnError(f"class {name!r:.80} is there already")
        if len(set(names)) < len(names):
            raise LearnError("a new class stands twice")

    def _check_known(self, labels: Sequence[Sequence[str]], new: Sequence[str] = ()) -> None:
        for name in {name for names in labels for name in names}.difference(new):
            self.column(name)  # says what is wrong

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
        twice = self.learners & other.learners
        if twice:
            raise LearnError(
                f"both hold what learner {min(twice)} learnt; merged, it would count twice"
            )
        for name in self.descriptions.keys() & other.descriptions.keys():
            if self.descriptions[name][0] != other.descriptions[name][0]:
                raise LearnError(f"class {name!r:.80} is described differently in the two learners")
        descriptions = {**other.descriptions, **self.descriptions}
        names = sorted(descriptions)
        both = Statistics.empty(mine.features.width, len(names))
        for state in (self, other):
            both.merge(state.statistics, np.array([names.index(name) for name in state.names], int))
        ledger = enter(self.ledger, other.ledger)
        return State(mine, both, names, descriptions, ledger, self.learners | other.learners)

    def renamed(self, learner: str) -> "State":
        """Give the same under another id, as which it goes its own way."""
        setting = replace(self.setting, learner=learner)
        return replace(self, setting=setting, learners=self.learners | {learner})

    def described(self) -> tuple[Doubles, Doubles]:
        """Give the features of the descriptions (D, C), and 1 for a class that has one (C,)."""
        width = self.setting.features.raw_width
        rows = [self.descriptions[name][1] for name in self.names]
        grid = np.array(rows, np.int16).reshape(len(rows), width)
        return self.values(grid).T, (grid != 0).any(axis=1).astype(np.float64)

    def digest(self) -> str:
        """Hash all that decides a prediction: the same for the same samples in any order."""
        statistics = self.statistics
        statistics.settle()
        digest = hashlib.sha256(repr(replace(self.setting, learner="")).encode())
        for name in self.names:
            description, grid = self.descriptions[name]
            digest.update(repr((name, description)).encode() + grid.astype("<i2").tobytes())
        sums = (statistics.counts, statistics.first, statistics.sums, statistics.gram)
        for array in (*sums, self.ledger):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def counts_by_name(state: State) -> Mapping[str, int]:
    """Give the number of samples of each class."""
    counts = state.statistics.counts.tolist()
    return dict(zip(state.names, counts, strict=True))
