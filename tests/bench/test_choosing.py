"""docs/choosing.md is what the results make; int8 loses what is said; the sets are read whole."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.export  # the shapes are made with the export extra
report = pytest.importorskip("bench.choosing_report")
choosing = pytest.importorskip("bench.choosing")
from bench.choosing_data import SETS, write_set  # noqa: E402
from edgebert.jobs.tables import read_rows  # noqa: E402
from edgebert.labelled import read_examples  # noqa: E402

LEAST = -0.003  # of a figure: three tenths of a point
PAGE = report.PAGE.read_text(encoding="utf-8")
RESULT: dict[str, Any] = choosing.recorded()


def test_the_page_is_what_the_results_make() -> None:
    assert report.render(PAGE, RESULT) == PAGE, "run `python -m bench.choosing_report`"


def test_every_block_stands_on_the_page_once() -> None:
    assert sorted(re.findall(r"<!-- made: (\w+) -->", PAGE)) == sorted(report.BLOCKS)


def test_every_set_was_scored_with_every_model_it_is_for() -> None:
    wanted = {f"{name} {model}" for model, names in choosing.MODELS.items() for name in names}
    assert set(RESULT["scores"]) == wanted


def test_every_shape_was_measured_at_both_levels_or_none_was() -> None:
    wanted = {f"{s}-{level.value}" for s in choosing.SHAPES for level in choosing.FAMILY_LEVELS}
    assert set(RESULT["costs"]) in (set(), wanted)


@pytest.mark.parametrize("key", RESULT["scores"])
@pytest.mark.parametrize("level", ["int8", "int8-accurate"])
def test_int8_loses_at_most_three_tenths_of_a_point(key: str, level: str) -> None:
    assert RESULT["scores"][key]["differences"][level]["value"] >= LEAST


def test_a_difference_is_that_of_the_scores() -> None:
    for found in RESULT["scores"].values():
        scores = {level: each[found["figure"]]["value"] for level, each in found["levels"].items()}
        for level, gap in found["differences"].items():
            assert gap["value"] == pytest.approx(scores[level] - scores["fp32"], abs=1e-9)


def test_another_figure_makes_another_page() -> None:
    other = copy.deepcopy(RESULT)
    other["scores"]["sick minilm"]["levels"]["int8"]["spearman"]["value"] = 0.1234
    other["costs"]["bert-base-int8"] = COST
    made = report.render(PAGE, other)
    assert "| 0.1234 |" in made
    assert "| bert-base | int8 | 8.0 | 64.0 | 256.0 | 4321 | 250 | 180 | 110 |" in made
    assert "Measured on 2 cores of A CPU (int8 by vnni)" in made


COST = {
    "row": "edgebert",
    "latencies": [
        {"tokens": tokens, "p50_ms": tokens / 2, "p99_ms": 0.0, "runs": 5}
        for tokens in (16, 128, 512)
    ],
    "texts_per_s": 4321.0,
    "tokens_per_s": 0.0,
    "first_s": 0.25,
    "peak_mb": 180.4,
    "disk_mb": 110.2,
    "machine": {"cores": 2, "cpu": "A CPU", "int8_path": "vnni"},
}


def write_source(data: Path) -> None:
    """Write a row or two of each set as it was published."""
    tables = {
        "sick/test.txt": "pair_ID\tsentence_A\tsentence_B\trelatedness_score\n1\ta\tb\t3.5\n",
        "klue_sts/dev.tsv": 'sentence1\tsentence2\tscore\n"가\t나\t1.0\n',
        "banking77/test.csv": 'text,category\n"a, b",card\n',
        "banking77/train.csv": "text,category\nc,card\n",
        "pubmedqa/pqa_labeled.jsonl": "".join(
            json.dumps({"question": "q" + split, "contexts": ["a", split], "split": split}) + "\n"
            for split in ("test", "train")
        ),
        "clinc150/data_small.json": json.dumps(
            {"test": [["a", "x"]], "train": [["b", "x"]], "oos_test": [["c", "oos"]]}
        ),
        "xquad/xquad_r.en.json": json.dumps({"data": [{"paragraphs": [PARAGRAPH]}]}),
    }
    for name, text in tables.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(text, encoding="utf-8")


PARAGRAPH = {
    "sentences": ["One.", "Two three.", "Four."],
    "sentence_breaks": [[0, 4], [5, 15], [16, 21]],
    "qas": [{"question": "what", "answers": [{"text": "three", "answer_start": 9}]}],
}
ROWS = {
    "sick": [{"text": "a", "text_pair": "b", "score": 3.5}],
    "klue_sts": [{"text": '"가', "text_pair": "나", "score": 1.0}],
    "banking77": [{"text": "a, b", "label": "card"}],
    "clinc150": [{"text": "a", "label": "x"}],
    "pubmedqa": [{"query": "qtest", "text": "a test"}, {"query": "", "text": "a train"}],
    "xquad": [
        {"query": "what", "text": "Two three."},
        {"query": "", "text": "One."},
        {"query": "", "text": "Four."},
    ],
}


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_written_as_its_goal_reads_it(name: str, tmp_path: Path) -> None:
    write_source(tmp_path)
    path, fit = write_set(SETS[name], name, tmp_path, tmp_path / "made")
    assert list(read_rows(path)) == ROWS[name]
    assert read_examples(read_rows(path), SETS[name].goal)
    assert (fit is None) == (SETS[name].fit is None)
