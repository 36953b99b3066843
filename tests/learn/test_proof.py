"""On real weights and real intents: exact in any order, and as accurate as training jointly.

A part of Banking77, so that the tests stay short; the figures of all of it are bench/learn.py's.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pytest

from edgebert.bundle import Bundle
from edgebert.learn.encoder import FrozenEncoder
from edgebert.learn.features import FeatureMap, Grid
from edgebert.learn.head import choose_head, probabilities_of
from edgebert.learn.left_out import left_out_lda
from edgebert.learn.solve import HeadKind, Penalty, moments_of, solve_ridge
from edgebert.learn.state import AddClass, Forget, Learn, Setting, State

pytestmark = [pytest.mark.export, pytest.mark.realmodel]

LEARNT, TESTED = 1540, 600
MAPS = {
    "tiny": FeatureMap(1, 384, 0, 0),
    "small": FeatureMap(3, 384, 0, 0),
    "base": FeatureMap(3, 384, 2000, 0),
}


class Intents(NamedTuple):
    """Texts of Banking77 on the grid of int8 MiniLM."""

    train: Grid
    train_labels: list[str]
    test: Grid
    test_labels: list[str]
    classes: dict[str, Grid]
    encoder: FrozenEncoder
    texts: list[str]


@pytest.fixture(scope="module")
def intents(labelled_data: Path) -> Iterator[Intents]:
    from edgebert_export import Recipe, export
    from tests import checkpoints

    with TemporaryDirectory(prefix="edgebert-tests-") as folder:
        bundle = Path(folder) / "minilm"
        export(Recipe(model=checkpoints.minilm(), output=bundle, layers_out=3))
        opened = Bundle.open(bundle)
        setting = Setting(
            learner="",
            encoder=opened.fingerprint,
            features=MAPS["small"],
            prompt=None,
            multi_label=False,
        )
        encoder = FrozenEncoder(opened, setting)
        train = read(labelled_data / "banking77" / "train.csv", LEARNT)
        test = read(labelled_data / "banking77" / "test.csv", TESTED)
        names = sorted({label for _, label in train})
        grids = encoder.grids([name.replace("_", " ") for name in names])
        yield Intents(
            encoder.grids([text for text, _ in train]),
            [label for _, label in train],
            encoder.grids([text for text, _ in test]),
            [label for _, label in test],
            dict(zip(names, grids, strict=True)),
            encoder,
            [text for text, _ in test],
        )


def read(path: Path, count: int) -> list[tuple[str, str]]:
    """Read rows evenly spread over a file that is sorted by class."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = [(row["text"], row["category"]) for row in csv.DictReader(stream)]
    return [rows[place] for place in np.linspace(0, len(rows) - 1, count).astype(int)]


def state_of(intents: Intents, tier: str, *blocks: list[int]) -> State:
    """Learn rows block by block."""
    features = MAPS[tier]
    state = State.new(
        Setting(learner="x", encoder="", features=features, prompt=None, multi_label=False)
    )
    width = features.raw_width
    for name, grid in intents.classes.items():
        state.apply(AddClass(name, name, grid[:width]))
    for rows in blocks:
        labels = tuple((intents.train_labels[row],) for row in rows)
        state.apply(Learn(labels, intents.train[rows, :width]))
    return state


def accuracy(intents: Intents, state: State) -> float:
    features = state.setting.features
    values = features.apply(intents.test[:, : features.raw_width]) / features.scale
    answers = choose_head(state, None).scores(values).argmax(axis=1)
    found = [state.names[answer] for answer in answers]
    return float(np.mean([a == b for a, b in zip(found, intents.test_labels, strict=True)]))


@pytest.mark.parametrize("tier", MAPS)
def test_class_after_class_is_all_at_once(intents: Intents, tier: str) -> None:
    order = np.random.default_rng(0).permutation(LEARNT).tolist()
    by_class = [
        [row for row, label in enumerate(intents.train_labels) if label == name]
        for name in intents.classes
    ]
    one, other = state_of(intents, tier, order), state_of(intents, tier, *by_class)
    assert one.digest() == other.digest()
    assert np.array_equal(choose_head(one, None).weights, choose_head(other, None).weights)


@pytest.mark.parametrize("tier", MAPS)
def test_forgetting_is_never_having_learnt(intents: Intents, tier: str) -> None:
    gone = np.random.default_rng(1).permutation(LEARNT)[:500].tolist()
    state = state_of(intents, tier, list(range(LEARNT)))
    labels = tuple((intents.train_labels[row],) for row in gone)
    forget = Forget(labels, intents.train[gone, : MAPS[tier].raw_width])
    state.check(forget)
    state.apply(forget)
    kept = sorted(set(range(LEARNT)) - set(gone))
    assert state.digest() == state_of(intents, tier, kept).digest()


def test_four_shards_merged_are_the_whole(intents: Intents) -> None:
    whole = state_of(intents, "small", list(range(LEARNT)))
    merged = state_of(intents, "small", list(range(0, LEARNT, 4)))
    for first in (1, 2, 3):
        shard = state_of(intents, "small", list(range(first, LEARNT, 4)))
        shard.learners = frozenset({f"shard {first}"})
        merged = merged.merged(shard)
    assert merged.digest() == whole.digest()


def test_the_sums_give_the_joint_least_squares_solution(intents: Intents) -> None:
    state = state_of(intents, "tiny", list(range(LEARNT)))
    features = intents.train[:, :384] / 2.0**15
    centred = features - features.mean(axis=0)
    targets = np.array([[label == name for name in state.names] for label in intents.train_labels])
    away = targets - targets.mean(axis=0)
    wanted = np.linalg.solve(centred.T @ centred + 0.3 * np.eye(384), centred.T @ away)
    found = solve_ridge(moments_of(state.statistics, 2.0**15), Penalty(0.3, 0.0, 0.0)).weights
    assert np.abs(found - wanted).max() < 1e-8


def test_left_out_accuracy_foretells_the_tests(intents: Intents) -> None:
    state = state_of(intents, "tiny", list(range(LEARNT)))
    head = choose_head(state, HeadKind.LDA)
    columns = np.array([state.names.index(label) for label in intents.train_labels])
    scores = left_out_lda(
        moments_of(state.statistics, 2.0**15),
        head,
        *state.described(),
        intents.train[:, :384] / 2.0**15,
        columns,
    )
    found = float(np.mean(scores.argmax(axis=1) == columns))
    assert found == pytest.approx(accuracy(intents, state), abs=0.04)


@pytest.mark.parametrize(("tier", "least"), [("tiny", 0.82), ("small", 0.83), ("base", 0.84)])
def test_twenty_texts_a_class_are_learnt_well(intents: Intents, tier: str, least: float) -> None:
    assert accuracy(intents, state_of(intents, tier, list(range(LEARNT)))) >= least


@pytest.mark.parametrize("shots", [2, 3, 20])
def test_the_mean_score_is_about_the_share_that_is_right(intents: Intents, shots: int) -> None:
    seen = Counter[str]()
    rows = []
    for row, label in enumerate(intents.train_labels):
        seen[label] += 1
        rows += [row] if seen[label] <= shots else []
    state = state_of(intents, "tiny", rows)
    scores = probabilities_of(choose_head(state, None), state.values(intents.test[:, :384]))
    assert scores.max(axis=1).mean() == pytest.approx(accuracy(intents, state), abs=0.15)


def test_descriptions_alone_are_worth_three_answers_in_five(intents: Intents) -> None:
    assert accuracy(intents, state_of(intents, "tiny")) >= 0.57


def test_a_text_has_the_same_features_whatever_is_beside_it(intents: Intents) -> None:
    together = intents.encoder.grids(intents.texts[:40])
    alone = np.concatenate([intents.encoder.grids([text]) for text in intents.texts[:40]])
    assert np.array_equal(together, alone)
    assert np.array_equal(together, intents.test[:40])
