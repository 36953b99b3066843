"""Scores: beside the packages that define them, at their edges, and what their intervals hold."""

import subprocess
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sklearn = pytest.importorskip("sklearn.metrics", reason="needs edgebert[eval]")
seqeval = pytest.importorskip("seqeval.metrics", reason="needs edgebert[eval]")
from edgebert.errors import InputError  # noqa: E402
from edgebert.metrics import (  # noqa: E402
    agreement,
    bootstrap,
    bootstrap_mean,
    calibration_error,
    class_scores,
    confusion,
    entities_of,
    entity_counts,
    entity_scores,
    exact_match,
    f1_of,
    mean_f1,
    ndcg_at,
    normalize_answer,
    pearson,
    recall_at,
    reciprocal_rank,
    reliability,
    spearman,
    word_f1,
)

LABELS = ["a", "b", "c"]
PAIRS = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1)
TAGS = st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"])
TEXTS = st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=8), min_size=1, max_size=6)


@given(PAIRS)
def test_f1_of_a_confusion_matrix_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    gold, found = map(list, zip(*pairs, strict=True))
    places = (np.array([LABELS.index(label) for label in side]) for side in (gold, found))
    macro, micro = mean_f1(confusion(*places, len(LABELS)))
    assert macro == pytest.approx(sklearn.f1_score(gold, found, average="macro", zero_division=0))
    assert micro == pytest.approx(sklearn.f1_score(gold, found, average="micro"))


@given(TEXTS)
def test_entity_f1_is_that_of_seqeval(texts: list[list[tuple[str, str]]]) -> None:
    gold = [[one for one, _ in text] for text in texts]
    found = [[other for _, other in text] for text in texts]
    counts = entity_counts([entities_of(one) for one in gold], [entities_of(one) for one in found])
    assert f1_of(counts) == pytest.approx(seqeval.f1_score(gold, found, zero_division=0))


def test_a_confusion_matrix_has_a_row_for_each_right_label() -> None:
    assert confusion(np.array([0, 0, 1]), np.array([1, 0, 1]), 2).tolist() == [[1, 1], [0, 1]]


def test_entities_are_scored_type_by_type() -> None:
    gold = [entities_of(["B-X", "I-X", "O", "B-Y"])]
    found = [entities_of(["B-X", "I-X", "O", "B-X"])]
    first, second = entity_scores(gold, found)
    assert (first.name, first.precision, first.recall, first.support) == ("X", 0.5, 1.0, 1)
    assert (second.name, second.precision, second.recall, second.support) == ("Y", 0.0, 0.0, 1)


def test_a_class_that_is_never_found_scores_zero() -> None:
    rows = class_scores(["a", "b"], ["a", "a"], ["a", "b"])
    assert [(row.precision, row.recall, row.support) for row in rows] == [(0.5, 1, 1), (0, 0, 1)]


def test_confidence_that_is_right_has_no_calibration_error() -> None:
    curve = reliability(np.array([0.75] * 4), np.array([1.0, 1.0, 1.0, 0.0]))
    assert calibration_error(curve) == 0.0


def test_the_calibration_error_weighs_bins_by_their_rows() -> None:
    curve = reliability(np.array([1.0, 1.0, 1.0, 0.5]), np.array([0.0, 0.0, 0.0, 1.0]))
    assert calibration_error(curve) == pytest.approx((3 * 1.0 + 1 * 0.5) / 4)


@given(st.lists(st.floats(0, 1), min_size=1))
def test_every_answer_is_in_one_bin(confidences: list[float]) -> None:
    curve = reliability(np.array(confidences), np.ones(len(confidences)))
    assert sum(point.rows for point in curve) == len(confidences)


def test_answers_are_normalized_as_squad_does() -> None:
    assert normalize_answer("The  Denver Broncos!") == "denver broncos"


@pytest.mark.parametrize(
    ("found", "golds", "exact", "f1"),
    [
        ("the Broncos", ["Broncos", "Denver"], 1.0, 1.0),
        ("Denver Broncos", ["Broncos of Denver"], 0.0, 0.8),
        ("", ["x"], 0.0, 0.0),
        ("", [""], 1.0, 1.0),
    ],
)
def test_spans_are_scored_as_squad_does(
    found: str, golds: Sequence[str], exact: float, f1: float
) -> None:
    assert exact_match(found, golds) == exact
    assert word_f1(found, golds) == pytest.approx(f1)


@pytest.mark.parametrize("correlate", [spearman, pearson])
def test_figures_that_rise_together_correlate(correlate: Callable[..., float]) -> None:
    assert correlate(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])) == pytest.approx(1)


@pytest.mark.parametrize("correlate", [spearman, pearson])
def test_a_figure_that_never_changes_correlates_with_nothing(
    correlate: Callable[..., float],
) -> None:
    assert correlate(np.array([1.0, 2.0]), np.array([5.0, 5.0])) == 0.0


def test_a_relevant_text_at_the_second_place_is_worth_what_its_place_says() -> None:
    gains, scores = np.array([0.0, 1.0, 0.0]), np.array([0.9, 0.8, 0.1])
    assert ndcg_at(gains, scores, 10) == pytest.approx(1 / np.log2(3))
    assert reciprocal_rank(gains, scores, 10) == 0.5
    assert (recall_at(gains, scores, 1), recall_at(gains, scores, 2)) == (0.0, 1.0)


def test_a_single_candidate_is_ranked_right() -> None:
    assert ndcg_at(np.array([1.0]), np.array([0.3]), 10) == 1.0


def test_an_interval_holds_its_value_and_is_the_same_every_time() -> None:
    values = np.arange(50) % 2 * 1.0
    first, second = bootstrap_mean(values), bootstrap_mean(values)
    assert first == second
    assert first.low is not None and first.high is not None
    assert first.low < first.value == 0.5 < first.high


def test_an_interval_is_as_wide_as_theory_says() -> None:
    interval = bootstrap_mean(np.arange(1000) % 2 * 1.0)
    assert interval.low is not None and interval.high is not None
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 0.5 / 1000**0.5, rel=0.1)


def test_without_resamples_there_is_no_interval() -> None:
    interval = bootstrap_mean(np.ones(3), rounds=0)
    assert (interval.low, interval.high) == (None, None)


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(InputError, match="no rows to score"):
        bootstrap(lambda rows: 0.0, 0)


def test_agreement_is_the_share_of_equal_answers() -> None:
    assert agreement(["a", "b"], ["a", "c"]) == 0.5


def test_without_the_packages_the_pip_line_is_named(
    python: Callable[..., "subprocess.CompletedProcess[bytes]"],
) -> None:
    code = "import sys; sys.modules['sklearn'] = None; from edgebert import metrics"
    code += "; metrics.require_packages()"
    done = python("-W", "ignore", "-c", code)
    assert b"MissingExtraError" in done.stderr
    assert b"edgebert[eval]" in done.stderr
