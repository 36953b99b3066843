"""The figures of parity are right, and a floor that is missed stops the export."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebert.batching import Batch
from edgebert.engine import Engine
from edgebert.manifest import Activation, Level, Parity, Task
from edgebert_export import ParityError, Recipe
from edgebert_export.parity import (
    DECISION_FLOORS,
    EMBED_FLOORS,
    Floor,
    check_parity,
    collect,
    decision_of,
    floor_of,
    measure_parity,
)
from tests.fakes import FakeSession, make_engine, read_manifest

pytestmark = pytest.mark.export

TEXTS = ["the", "the cat", "the red cat"]
NO_FLOOR = Floor(None, None, None)


def giving(folder: Path, rows: Sequence[Any], **manifest: Any) -> Engine:
    """Make an engine that gives one stated output for each of TEXTS, told apart by length."""
    session = FakeSession()
    engine = make_engine(folder, session, manifest=replace(read_manifest(folder), **manifest))
    lengths = [len(row.ids) for row in engine.tokenizer.encode(TEXTS)]
    assert len(set(lengths)) == len(TEXTS)
    answers = dict(zip(lengths, rows, strict=True))

    def compute(batch: Batch) -> tuple[Any, ...]:
        return (np.stack([np.array(answers[len(row.ids)], np.float32) for row in batch.tokens]),)

    session.compute = compute
    return engine


def measure(found: Engine, wanted: Engine, floor: Floor = NO_FLOOR) -> Parity:
    return measure_parity(found, wanted, TEXTS, source="three texts", floor=floor)


@pytest.fixture
def embed(tiny: Path) -> Callable[..., Engine]:
    return lambda rows: giving(tiny / "tiny-embed", rows)


@pytest.fixture
def classify(tiny: Path) -> Callable[..., Engine]:
    return lambda rows, **manifest: giving(tiny / "tiny-classify", rows, **manifest)


UNIT = [[1, 0], [0, 1], [3, 4]]


# Figures


def test_equal_outputs_have_a_cosine_of_one_and_no_difference(embed: Any) -> None:
    parity = measure(embed(UNIT), embed(UNIT))
    assert (parity.cosine_mean, parity.cosine_min, parity.max_abs_diff) == (1.0, 1.0, 0.0)


def test_the_cosine_is_taken_text_by_text(embed: Any) -> None:
    parity = measure(embed([[1, 0], [0, 2], [4, 3]]), embed(UNIT))
    assert (parity.cosine_min, parity.cosine_mean) == (0.96, round((1 + 1 + 0.96) / 3, 6))


def test_the_difference_is_the_largest_of_any_number(embed: Any) -> None:
    assert measure(embed([[1, 0], [0, 1.25], [3, 4]]), embed(UNIT)).max_abs_diff == 0.25


def test_an_output_of_zeros_agrees_with_zeros_alone(embed: Any) -> None:
    zero = [[0, 0], *UNIT[1:]]
    assert measure(embed(zero), embed(zero)).cosine_min == 1.0
    assert measure(embed(zero), embed(UNIT)).cosine_min == 0.0


def test_the_number_of_texts_their_source_and_the_floors_are_recorded(embed: Any) -> None:
    parity = measure(embed(UNIT), embed(UNIT), Floor(0.9, 0.8, 0.7))
    assert (parity.texts, parity.source) == (3, "three texts")
    assert (parity.floor_cosine_mean, parity.floor_cosine_min) == (0.9, 0.8)


def test_embeddings_have_no_decisions_and_no_floor_for_them(embed: Any) -> None:
    parity = measure(embed(UNIT), embed(UNIT), Floor(0.9, 0.8, 0.7))
    assert (parity.agreement, parity.floor_agreement) == (None, None)


def test_agreement_is_the_share_of_equal_decisions(classify: Any) -> None:
    wanted = [[2, 1, 0], [0, 1, 0], [0, 0, 5]]
    found = [[9, 1, 0], [0.2, 0.1, 0], [0, 0, 1]]  # the second has changed its mind
    parity = measure(classify(found), classify(wanted), Floor(None, None, 0.5))
    assert (parity.agreement, parity.floor_agreement) == (0.666667, 0.5)


def test_each_label_of_a_multi_label_model_is_a_decision(classify: Any) -> None:
    wanted = [[1, 1, -1], [-1, -1, -1], [1, 1, 1]]
    found = [[1, -1, -1], [-1, -1, 1], [9, 9, 9]]
    sigmoid = {"activation": Activation.SIGMOID}
    parity = measure(classify(found, **sigmoid), classify(wanted, **sigmoid))
    assert parity.agreement == round(7 / 9, 6)


def test_regression_has_no_decisions(classify: Any) -> None:
    none = {"activation": Activation.NONE}
    assert measure(classify(UNIT, **none), classify(UNIT, **none)).agreement is None


def test_every_token_of_a_tagger_is_a_decision(tiny: Path) -> None:
    decide = decision_of(read_manifest(tiny / "tiny-tag"))
    assert decide is not None
    assert decide((np.array([[[0, 1], [1, 0], [2, 3]]], np.float32),)).tolist() == [1, 0, 1]


def test_start_and_end_of_an_answer_are_a_decision_each(tiny: Path) -> None:
    decide = decision_of(read_manifest(tiny / "tiny-answer"))
    assert decide is not None
    start, end = np.array([[0, 5, 0]], np.float32), np.array([[0, 0, 5]], np.float32)
    assert decide((start, end)).tolist() == [1, 2]


def test_texts_are_run_one_by_one(embed: Any) -> None:
    engine = embed(UNIT)
    collect(engine, [*TEXTS, *TEXTS])
    assert [len(batch.rows) for batch in engine._opened.shared.batches] == [1] * 6


def test_of_a_masked_lm_that_scores_every_token_only_the_masks_are_kept(tiny: Path) -> None:
    session = FakeSession(lambda batch: (np.stack([batch.ids, -batch.ids], -1).astype("f4"),))
    engine = make_engine(tiny / "tiny-fill", session)
    mask = engine.tokenizer.token_id("<mask>")
    (outputs,) = collect(engine, ["a <mask> b <mask>"])
    assert outputs[0].tolist() == [[mask, -mask], [mask, -mask]]


# Floors


@pytest.mark.parametrize("level", list(Level))
def test_the_floor_is_the_levels_own_for_embeddings_and_for_decisions(level: Level) -> None:
    recipe = Recipe(model=Path("m"), output=Path("o"), quantize=level)
    assert floor_of(recipe, Task.EMBED) == EMBED_FLOORS[level]
    assert floor_of(recipe, Task.TAG) == DECISION_FLOORS[level]


def test_the_floors_of_embeddings_are_those_of_the_issue() -> None:
    assert EMBED_FLOORS[Level.INT8] == Floor(0.998, 0.990, None)
    assert EMBED_FLOORS[Level.INT8_ACCURATE] == Floor(0.9988, 0.995, None)


def test_a_floor_that_the_recipe_states_replaces_the_levels() -> None:
    recipe = Recipe(model=Path("m"), output=Path("o"), min_cosine=0.5, min_agreement=0.0)
    floor = floor_of(recipe, Task.CLASSIFY)
    assert floor == Floor(DECISION_FLOORS[Level.INT8].cosine_mean, 0.5, 0.0)


def parity(**figures: Any) -> Parity:
    """Make a record that meets every floor but for what is changed."""
    values: dict[str, Any] = {
        "texts": 3,
        "source": "three texts",
        "cosine_mean": 0.99,
        "cosine_min": 0.9,
        "max_abs_diff": 0.1,
        "agreement": 0.95,
        "floor_cosine_mean": 0.99,
        "floor_cosine_min": 0.9,
        "floor_agreement": 0.95,
        "cpu": "none",
    }
    return Parity(**values | figures)


def test_figures_that_just_reach_their_floors_pass() -> None:
    check_parity(parity())


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        ({"cosine_mean": 0.98}, "mean cosine 0.9800, demanded 0.9900"),
        ({"cosine_min": 0.89}, "least cosine 0.8900, demanded 0.9000"),
        ({"agreement": 0.94}, "agreement 0.9400, demanded 0.9500"),
        ({"cosine_min": float("nan")}, "least cosine nan, demanded 0.9000"),
    ],
)
def test_a_figure_below_its_floor_is_refused_and_shown(figure: Any, shown: str) -> None:
    with pytest.raises(ParityError, match=shown):
        check_parity(parity(**figure))


def test_the_error_carries_the_figures() -> None:
    record = parity(cosine_mean=0.5)
    with pytest.raises(ParityError) as caught:
        check_parity(record)
    assert caught.value.parity is record


def test_the_error_names_every_miss_and_what_can_be_done() -> None:
    with pytest.raises(ParityError) as caught:
        check_parity(parity(cosine_mean=0.5, cosine_min=0.1, agreement=0.2))
    for part in ("mean cosine", "least cosine", "agreement", "three texts", "--min-cosine-mean"):
        assert part in str(caught.value)


@pytest.mark.parametrize("floor", ["floor_cosine_mean", "floor_cosine_min", "floor_agreement"])
def test_a_figure_without_a_floor_is_free(floor: str) -> None:
    figure = floor.removeprefix("floor_")
    check_parity(parity(**{floor: None, figure: 0.0}))
