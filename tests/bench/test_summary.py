"""The verdicts on rows written by hand: which row stands for whom, and which targets are met."""

from typing import Any

import pytest

from bench.summary import meets, standing, table_of, verdicts


def row(
    label: str, ms: float, seconds: float, *, ours: bool = False, **more: Any
) -> dict[str, Any]:
    turn = {
        "latency": {"16": {"p50": ms, "p99": ms, "n": 9}},
        "pass_s": seconds,
        "foreign": 0.0,
    }
    return {"label": label, "ours": ours, "turns": [turn, turn], **more}


@pytest.fixture
def rows() -> dict[str, Any]:
    return {
        "edgebert-int8": row("edgebert int8", 1.0, 2.0, ours=True),
        "edgebert-ov": row("edgebert bf16", 2.0, 1.0, ours=True, settings={"engine": "openvino"}),
        "raw-fp32": row("onnxruntime fp32", 4.0, 4.0),
        "fastembed": row("fastembed", 8.0, 8.0),
        "optimum-int8": row("optimum int8", 3.0, 1.8),
        "quick": row("a quick peer", 0.8, 3.0),
    }


def test_each_engine_has_its_best_and_the_better_is_bold(rows: dict[str, Any]) -> None:
    heads, lines = table_of(rows, 100)
    assert heads[1:3] == ["edgebert on onnxruntime", "edgebert on OpenVINO"]
    assert lines[0][1:3] == ["**int8: 1.00**", "bf16: 2.00"]
    assert lines[1][1:3] == ["int8: 50.0", "**bf16: 100**"]


def test_an_engine_without_rows_has_no_column(rows: dict[str, Any]) -> None:
    del rows["edgebert-ov"]
    heads, lines = table_of(rows, 100)
    assert heads[1:3] == ["edgebert on onnxruntime", "best peer"]
    assert lines[0][1] == "int8: 1.00"


def test_ratios_are_to_the_best_peer_the_baseline_and_what_people_run(rows: dict[str, Any]) -> None:
    heads, lines = table_of(rows, 100)
    assert heads[4:] == [
        "against it",
        "against onnxruntime fp32",
        "against optimum int8",
        "against fastembed",
    ]
    assert lines[0][3:] == ["a quick peer: 0.8", "0.8 ✗", "4.00", "3.00", "8.00"]
    assert lines[1][3:] == ["optimum int8: 55.6", "1.80 ✓", "4.00", "1.80 ✗", "8.00 ✓"]


def test_targets_are_counted_and_every_verdict_is_shown(rows: dict[str, Any]) -> None:
    text, heads, lines = standing({"minilm": {"rows": rows, "texts": 100}})
    assert "- at least 1 times the best peer: met in 1 of 2\n" in text
    assert "- at least 2 times what most people run today: met in 1 of 2\n" in text
    assert heads == ["against", "minilm"]
    assert lines == [
        ["16 tokens: best peer", "0.8 ✗ a quick peer"],
        ["mixed texts: best peer", "1.80 ✓ optimum int8"],
        ["mixed texts: optimum int8", "1.80 ✗"],
        ["mixed texts: fastembed", "8.00 ✓"],
    ]


def test_a_model_without_a_row_has_a_dash_in_its_line(rows: dict[str, Any]) -> None:
    few = {key: row for key, row in rows.items() if key != "fastembed"}
    models = {"a": {"rows": rows, "texts": 100}, "b": {"rows": few, "texts": 100}}
    assert standing(models)[2][-1] == ["mixed texts: fastembed", "8.00 ✓", "-"]


def test_a_row_that_failed_is_neither_best_nor_a_target(rows: dict[str, Any]) -> None:
    rows["quick"]["failed"] = rows["fastembed"]["failed"] = "died"
    found = list(verdicts(rows, 100))
    assert {verdict.peer for verdict in found} == {"optimum int8"}
    assert [verdict.met for verdict in found] == [True, True, False]


def test_without_a_row_of_ours_there_is_nothing_to_judge(rows: dict[str, Any]) -> None:
    peers = {key: one for key, one in rows.items() if not one["ours"]}
    assert list(verdicts(peers, 100)) == []
    assert table_of(peers, 100)[1] == []


def test_a_ratio_is_judged_as_it_is_shown() -> None:
    assert meets(0.996, 1.0)
    assert not meets(0.994, 1.0)
