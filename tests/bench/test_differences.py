"""int8 against fp32 within the stated tolerances, task by task, and docs/accuracy.md likewise."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import examples
from bench.differences import COMPARED, DOCUMENT, Difference, compare, line, tolerance_of
from bench.subjects import SUBJECTS, spearman
from edgebert.manifest import Level
from examples.heads.held_out import Outcome, word_f1

pytestmark = pytest.mark.export

# subjects measured anew at each run of the tests, on fewer rows; the others on the page alone,
# and in tests/export
ROWS = {
    "embed": 60,
    "classify, NLI": 60,
    "zero-shot": 21,
    "rerank": 12,
    "tag, names": 60,
    "answer": 20,
}
EXAMPLES = (Path(examples.__file__).parent / "README.md").read_text(encoding="utf-8")
PAGE = [
    row.strip("| ").split(" | ")
    for row in DOCUMENT.read_text(encoding="utf-8").splitlines()
    if row.startswith("| ")
][1:]


@pytest.mark.oracle
@pytest.mark.realmodel
@pytest.mark.parametrize("name", ROWS)
def test_int8_is_as_near_to_fp32_as_stated(
    name: str, labelled_data: Path, subject_bundle: Callable[..., Path]
) -> None:
    subject = SUBJECTS[name]
    found, reference = (
        subject.run(subject_bundle(name, level), labelled_data, ROWS[name])
        for level in ("int8", "fp32")
    )
    difference = compare(found, reference)
    assert difference.within(subject.int8), difference


def test_the_page_has_every_subject_at_every_level() -> None:
    assert [(row[0], row[3]) for row in PAGE] == [
        (name, level) for name in SUBJECTS for level in COMPARED
    ]


@pytest.mark.parametrize("row", PAGE, ids=lambda row: f"{row[0]}, {row[3]}")
def test_the_page_is_within_the_stated_tolerances(row: list[str]) -> None:
    difference = Difference(*map(float, row[4:7]), None, None)
    assert difference.within(tolerance_of(SUBJECTS[row[0]], Level(row[3])))


def test_the_page_says_which_heads_are_ours() -> None:
    ours = [row[0] for row in PAGE if row[1].startswith("ours")]
    assert set(ours) == {name for name in SUBJECTS if SUBJECTS[name].weights.startswith("ours")}


def test_what_our_int8_heads_reach_stands_with_the_examples() -> None:
    for row in PAGE:
        if row[1].startswith("ours") and row[3] == Level.INT8:
            metric, _, reached = row[7].partition(" -> ")
            assert f"{metric.rsplit(' ', 1)[0]} {float(reached):.2f}" in EXAMPLES


def test_scores_that_one_level_lacks_are_not_compared() -> None:
    found = Outcome({"a": 0.5, "b": 0.9}, ["x", "y"], 1.0)
    reference = Outcome({"a": 0.25}, ["x", "z"], 0.5)
    assert compare(found, reference) == Difference(0.25, 0.25, 0.5, 1.0, 0.5)


def test_a_row_of_the_page_shows_both_metrics() -> None:
    row = line("embed", Level.INT8, Difference(0.1, 0.2, 0.9, 0.81, 0.82))
    assert row.endswith("| int8 | 0.1000 | 0.2000 | 0.900 | Spearman 0.820 -> 0.810 |")


def test_spearman_of_equal_ranks_is_that_of_their_mean_rank() -> None:
    found = spearman(np.array([1.0, 2.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert found == pytest.approx(0.9486833)  # scipy.stats.spearmanr of the same


def test_shared_words_count_in_f1_without_case_and_signs() -> None:
    assert word_f1("The 308 points.", "308 points") == pytest.approx(0.8)
