"""The verdicts on rows written by hand: which row stands for whom, and which targets are met."""

from typing import Any

import pytest

from bench.figures import MEASURES
from bench.rows import MODELS, ROWS
from bench.summary import alike, counted, details, faithful, judge, meets, standing
from bench.targets import ANY, DEFAULT, PEER, TARGETS, Target

NEAR = {"mean": 0.999, "min": 0.991}


def row(
    label: str, ms: float, seconds: float, *, ours: bool = False, **more: Any
) -> dict[str, Any]:
    turn = {
        "latency": {"16": {"p50": ms, "p99": ms, "n": 9}},
        "pass_s": seconds,
        "first_pass_s": seconds,
        "first_s": seconds,
        "foreign": 0.0,
    }
    return {"label": label, "ours": ours, "turns": [turn, turn], **more}


@pytest.fixture
def rows() -> dict[str, Any]:
    openvino = {"engine": "openvino"}
    return {
        "edgebert-int8": row("edgebert int8", 1.0, 2.0, ours=True, cosine=NEAR),
        "edgebert-ov": row("edgebert ov", 2.0, 1.0, ours=True, cosine=NEAR, settings=openvino),
        "raw-fp32": row("onnxruntime fp32", 4.0, 4.0),
        "fastembed": row("fastembed", 8.0, 8.0),
        "optimum-int8": row("optimum int8", 3.0, 1.8),
        "quick": row("a quick peer", 1.5, 3.0),
    }


def models_of(rows: dict[str, Any], name: str = "minilm") -> dict[str, Any]:
    model = {"label": name, "rows": rows, "texts": 100, "trained": name == "minilm"}
    return {name: model}


def lines_of(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(f"| {start}")]


def best_of_target(measure: str, against: str = PEER) -> Target:
    (found,) = (one for one in TARGETS if (one.measure, one.against) == (measure, against))
    return found


def test_each_engine_is_judged_by_its_own_target(rows: dict[str, Any]) -> None:
    # 1.8 s of the best peer over 2 s on onnxruntime, and over 1 s on OpenVINO
    default, best = lines_of(standing(models_of(rows)), "mixed texts: best peer")
    assert default == "| mixed texts: best peer | 0.9 ✗ (≥ 1.2) |"
    assert best == "| mixed texts: best peer | 1.80 ✓ (≥ 1.3) |"


def test_the_best_engine_may_be_onnxruntime(rows: dict[str, Any]) -> None:
    found = lines_of(standing(models_of(rows)), "16 tokens: best peer")
    assert found == ["| 16 tokens: best peer | 1.50 ✓ (≥ 1.4) |"] * 2


def test_each_model_is_judged_by_its_own_target(rows: dict[str, Any]) -> None:
    del rows["edgebert-ov"]  # 0.9 times the best peer's throughput is left
    models = models_of(rows) | models_of(rows, "bert-base")
    default, best = lines_of(standing(models), "mixed texts: best peer")
    assert default.endswith("| 0.9 ✗ (≥ 1.2) | 0.9 ✗ (≥ 1) |")
    assert best.endswith("| 0.9 ✗ (≥ 1.3) | 0.9 ✗ (≥ 1.2) |")


def test_what_most_people_run_is_to_be_doubled_on_either_engine(rows: dict[str, Any]) -> None:
    found = lines_of(standing(models_of(rows)), "mixed texts: optimum int8")
    assert [line.split("|")[2].strip() for line in found] == ["0.9 ✗ (≥ 2)", "1.80 ✗ (≥ 2)"]


def test_a_target_of_one_engine_has_no_line_for_the_other(rows: dict[str, Any]) -> None:
    text = standing(models_of(rows))
    assert lines_of(text, "process start") == [
        "| process start to first vector: best peer | 0.9 ✗ (≥ 1) |"
    ]
    assert lines_of(text, "mixed texts: onnxruntime fp32") == [
        "| mixed texts: onnxruntime fp32 | 4.00 ✓ (≥ 3.5) |"
    ]


def test_a_ratio_without_a_target_has_no_mark(rows: dict[str, Any]) -> None:
    models = models_of(rows) | models_of(rows, "distilbert-base")
    (line,) = lines_of(standing(models), "mixed texts: onnxruntime fp32")
    assert line.endswith("| 4.00 ✓ (≥ 3.5) | 4.00 |")
    assert "first pass: " not in standing(models)


def test_peers_that_are_too_far_from_fp32_are_no_peers_of_those_that_are_not(
    rows: dict[str, Any],
) -> None:
    rows["raw-fp32"]["cosine"] = {"mean": 1.0, "min": 1.0}
    rows["quick"]["cosine"] = {"mean": 0.9981, "min": 0.98}
    text = alike(models_of(rows))
    assert "these miss it: a quick peer (0.9981 / 0.980)." in text
    assert lines_of(text, "16 tokens") == [
        "| 16 tokens, ms | onnxruntime fp32: 4.00 | 4.00 | 4.00 |"
    ]
    assert lines_of(text, "mixed texts, texts/s") == [
        "| mixed texts, texts/s | onnxruntime fp32: 25.0 | 2.00 | 4.00 |"
    ]
    assert alike(models_of(rows, "bert-base")) == ""  # random weights are near to nothing


def test_targets_met_are_counted_for_each_engine(rows: dict[str, Any]) -> None:
    text = standing(models_of(rows))
    assert "**onnxruntime engine (default install)**: 2 of 5 targets met" in text
    assert "**best engine installed**: 4 of 5 targets met" in text


def test_a_row_too_far_from_fp32_is_not_the_best(rows: dict[str, Any]) -> None:
    for far in ({"mean": 0.9979, "min": 0.995}, {"mean": 0.999, "min": 0.9899}):
        rows["edgebert-ov"]["cosine"] = far
        text = standing(models_of(rows))
        assert "Not counted: edgebert ov." in text
        assert lines_of(text, "mixed texts: best peer")[1].endswith("| 0.9 ✗ (≥ 1.3) |")
    rows["edgebert-ov"]["cosine"] = {"mean": 0.998, "min": 0.990}
    assert "Not counted" not in standing(models_of(rows))


def test_trained_weights_say_which_rows_count_on_random_ones(rows: dict[str, Any]) -> None:
    trained = {key: one | {"cosine": {"mean": 0.9, "min": 0.9}} for key, one in rows.items()}
    bare = {key: {k: v for k, v in one.items() if k != "cosine"} for key, one in rows.items()}
    assert faithful(models_of(rows) | models_of(bare, "bert-base")) == {
        "edgebert-int8",
        "edgebert-ov",
    }
    assert not faithful(models_of(trained) | models_of(rows, "bert-base"))
    assert not faithful(models_of(bare, "bert-base"))


def test_the_default_engine_has_no_rows_of_another(rows: dict[str, Any]) -> None:
    near = {"edgebert-int8", "edgebert-ov"}
    rows["edgebert-tuned"] = row("tuned", 1.0, 0.5, ours=True, settings={"engine": "tuned"})
    assert set(counted(rows, near, DEFAULT)) == {"edgebert-int8"}
    assert set(counted(rows, near, ANY)) == near


def test_a_row_that_failed_is_neither_best_nor_an_opponent(rows: dict[str, Any]) -> None:
    rows["quick"]["failed"] = rows["fastembed"]["failed"] = "died"
    text = standing(models_of(rows))
    assert (
        lines_of(text, "16 tokens: best peer") == ["| 16 tokens: best peer | 3.00 ✓ (≥ 1.4) |"] * 2
    )
    assert lines_of(text, "mixed texts: fastembed") == []


def test_without_a_row_of_ours_there_is_nothing_to_judge(rows: dict[str, Any]) -> None:
    peers = {key: one for key, one in rows.items() if not one["ours"]}
    model = models_of(peers)["minilm"]
    assert judge("minilm", model, set(), best_of_target("latency-16"), ANY) is None
    assert "0 of 0 targets met" in standing(models_of(peers))


def test_a_model_names_the_rows_and_both_ratios(rows: dict[str, Any]) -> None:
    text = details("minilm", models_of(rows)["minilm"], {"edgebert-int8", "edgebert-ov"})
    assert lines_of(text, "mixed texts, texts/s") == [
        "| mixed texts, texts/s | int8: 50.0 | ov: 100 | optimum int8: 55.6 "
        "| 0.9 ✗ (≥ 1.2) | 1.80 ✓ (≥ 1.3) |",
        "| mixed texts, texts/s | 4.00 ✓ (≥ 3.5) | 1.80 ✗ (≥ 2) | 8.00 ✓ (≥ 2) |",
    ]
    assert lines_of(text, "mixed texts, first pass")[0].endswith("| 0.9 | 1.80 |")


def test_a_model_without_a_second_engine_says_so(rows: dict[str, Any]) -> None:
    near, model = {"edgebert-int8", "edgebert-ov"}, models_of(rows)["minilm"]
    assert "only onnxruntime was measured" not in details("minilm", model, near)
    del rows["edgebert-ov"]
    assert "only onnxruntime was measured" in details("minilm", model, near)


def test_a_ratio_is_judged_as_it_is_shown() -> None:
    assert meets(1.396, 1.4)  # shown as 1.40
    assert not meets(1.394, 1.4)
    assert not meets(0.996, 1.0)


def test_every_target_names_a_measure_an_opponent_and_models_that_there_are() -> None:
    for target in TARGETS:
        assert target.measure in {measure.key for measure in MEASURES}
        assert target.against == PEER or target.against in ROWS
        assert set(target.least) <= set(MODELS)
