"""Made-up traces of cascades whose true risk is known, and cascades on the tiny bundles."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from edgebert.learn.learner import Learner
from edgebert.manifest import Level
from edgebert.results import Ints
from edgebert.route.calibration import Trace
from edgebert.route.cascade import Cascade
from edgebert.route.gate import Gate
from edgebert.route.places import Place
from tests.make_tiny import write_checkpoint

WORDS = ("cat", "dog", "bird")
FILL = ("runs", "eats", "sleeps", "lives", "to", "good", "bad", "in", "and", "the", "a", "anna")


def make_texts(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Make texts of three classes, each told by one word of several."""
    rng = np.random.default_rng(seed)
    labels = [str(rng.choice(WORDS)) for _ in range(count)]
    texts = [
        " ".join(["the", label, *map(str, rng.choice(FILL, 5)), str(rng.integers(1000))])
        for label in labels
    ]
    return texts, labels


@pytest.fixture(scope="session")
def exits_bundle(tiny: Path) -> Path:
    """An embedding bundle of three layers with exits after the first and the second."""
    return tiny / "tiny-exits"


@pytest.fixture(scope="session")
def classifier_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of three layers with exits after the first and the second."""
    from edgebert_export import Recipe, export

    folder = tmp_path_factory.mktemp("classifier")
    checkpoint = write_checkpoint(
        folder / "checkpoint", "BertForSequenceClassification", num_hidden_layers=3
    )
    recipe = Recipe(
        model=checkpoint, output=folder / "classifier", quantize=Level.FP32, exits=(1, 2)
    )
    export(recipe)
    return recipe.output


def teach(bundle: Path) -> Learner:
    learner = Learner.create(bundle)
    learner.learn(*make_texts(60, 1), new_classes=True)
    return learner


@pytest.fixture
def taught(exits_bundle: Path) -> Learner:
    """A learner of three classes."""
    return teach(exits_bundle)


@pytest.fixture(scope="session")
def certified(exits_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a cascade of all kinds of places in one encoder."""
    texts, labels = make_texts(60, 1)
    made = Cascade.build(teach(exits_bundle), ["static", 1, 2], texts=texts, labels=labels)
    made.calibrate(make_texts(800, 2)[0], max_harm=0.05, even_if_slower=True)
    made.save(path := tmp_path_factory.mktemp("route") / "certified.route")
    return path


@pytest.fixture
def cascade(certified: Path, taught: Learner) -> Cascade:
    """A certified cascade that audits nothing."""
    return Cascade.open(certified, taught, audit_rate=0)


@dataclass(frozen=True)
class Population:
    """A cascade of one place and four classes, and how its texts come.

    The full model is right in nine of ten; the place is wrong at a rate that falls with its margin.
    """

    rng: np.random.Generator
    kind: str = "useful"  # what its margins say: "useful", "random" or "inverted"
    shares: tuple[float, ...] = (0.25, 0.25, 0.25, 0.25)
    risks: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)  # factor on a class's rate of being wrong

    def draw(self, count: int) -> tuple[Trace, Ints]:
        """Draw texts: their trace and their classes."""
        truth = self.rng.choice(4, count, p=self.shares)
        full = np.where(self.rng.random(count) < 0.9, truth, (truth + 1) % 4)
        sure = self.rng.random(count)
        rate = np.minimum(0.3 * (1 - sure) ** 2 * np.array(self.risks)[truth], 1)
        wrong = self.rng.random(count) < rate
        answers = np.where(wrong, (full + 2) % 4, full)
        shown = {"useful": sure, "random": self.rng.random(count), "inverted": 1 - sure}
        trace = Trace(
            [np.eye(4, dtype=np.float32)[answers]],
            answers[:, None],
            shown[self.kind][:, None],
            np.zeros(count, bool),
            full,
        )
        return trace, truth

    def but(self, **changes: object) -> "Population":
        return replace(self, **changes)  # type: ignore[arg-type]


@pytest.fixture
def population() -> Callable[..., Population]:
    def make(seed: int = 0, **changes: object) -> Population:
        return Population(np.random.default_rng(seed)).but(**changes)

    return make


@pytest.fixture
def gated() -> Place:
    """A place that trusts its margins, whatever they say."""
    return Place("place", gate=Gate(0.0, 6.0))
