"""`edgebert route`: from a file of texts to certified answers."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Called
from tests.route.conftest import make_texts

Call = Callable[..., Called]


def write(path: Path, count: int, seed: int) -> Path:
    rows = zip(*make_texts(count, seed), strict=True)
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    return path


@pytest.fixture
def bundle(tiny: Path) -> Path:
    return tiny / "tiny-exits"


@pytest.fixture
def learner(call: Call, bundle: Path, tmp_path: Path) -> Path:
    path = tmp_path / "animals.learn"
    assert call("learn", bundle, path, write(tmp_path / "learnt.csv", 60, 1)).code == 0
    return path


@pytest.fixture
def built(call: Call, bundle: Path, learner: Path, tmp_path: Path) -> Path:
    path = tmp_path / "animals.route"
    options = ("--learner", learner, "--stages", "static,1")
    result = call("route", "build", bundle, path, tmp_path / "learnt.csv", "--labels", *options)
    assert (result.code, result.out) == (0, "")
    assert result.err == "fitted to 60 texts; now `edgebert route calibrate`\n"
    return path


@pytest.fixture
def calibrated(call: Call, bundle: Path, learner: Path, built: Path, tmp_path: Path) -> Path:
    rows = write(tmp_path / "rows.csv", 800, 2)
    options = ("--learner", learner, "--max-harm", 0.05, "--even-if-slower")
    result = call("route", "calibrate", bundle, built, rows, *options)
    assert (result.code, result.out) == (0, "")
    assert result.err.startswith(
        "with 95% confidence at most 5.00% of texts are answered otherwise"
    )
    return built


def test_texts_are_answered_with_their_stage(
    call: Call, bundle: Path, learner: Path, calibrated: Path, tmp_path: Path
) -> None:
    rows = write(tmp_path / "new.csv", 50, 3)
    result = call("route", "run", bundle, calibrated, rows, "--learner", learner)
    records = [json.loads(line) for line in result.out.splitlines()]
    assert len(records) == 50
    assert {"text", "label", "score", "stage", "p_in_scope", "n_tokens", "truncated"} <= set(
        records[0]
    )
    assert {record["stage"] for record in records} <= {"static", "exit 1", "full"}
    assert result.err.startswith("routed; 50 texts: ")


def test_lines_of_stdin_are_texts(
    call: Call, bundle: Path, learner: Path, calibrated: Path
) -> None:
    options = ("--learner", learner, "--top-k", 2)
    result = call("route", "run", bundle, calibrated, *options, stdin=b"the cat runs\n")
    assert len(json.loads(result.out)["labels"]) == 2


def test_an_audit_says_whether_the_certificate_holds(
    call: Call, bundle: Path, learner: Path, calibrated: Path, tmp_path: Path
) -> None:
    rows = write(tmp_path / "new.csv", 300, 4)
    result = call("route", "audit", bundle, calibrated, rows, "--learner", learner, "--labels")
    record = json.loads(result.out)
    assert result.code == 0
    assert record["holds"]
    assert record["texts"] == 300


def test_the_report_says_what_is_promised_in_rounded_figures(call: Call, calibrated: Path) -> None:
    result = call("route", "report", calibrated)
    record = json.loads(call("route", "report", calibrated, "--json").out)
    margins, [p_value] = record["thresholds"], re.findall(r"^p-value +(\S+)$", result.out, re.M)
    assert result.out.startswith("with 95% confidence at most 5.00% of texts are answered")
    assert f"static {margins['static']:.4f}, exit 1 {margins['exit 1']:.4f}" in result.out
    assert p_value == f"{record['p_value']:.4f}"
    assert not re.search(r"\d\.\d{5}", result.out)


def test_the_report_as_json_is_the_certificate(call: Call, calibrated: Path) -> None:
    record = json.loads(call("route", "report", calibrated, "--json").out)
    assert record["max_loss"] == 0.05
    assert set(record["thresholds"]) == {"static", "exit 1"}


def test_a_cascade_that_was_not_calibrated_has_none(call: Call, built: Path) -> None:
    assert call("route", "report", built, "--json").out == "null\n"
    said = call("route", "report", built).out
    assert said == "not calibrated; every text goes to the full model\n"


def test_a_cascade_without_a_certificate_cannot_be_audited(
    call: Call, bundle: Path, learner: Path, built: Path, tmp_path: Path
) -> None:
    options = ("--learner", learner)
    result = call("route", "audit", bundle, built, tmp_path / "learnt.csv", *options)
    assert (result.code, result.out) == (1, "")
    assert "not calibrated" in result.err


def test_a_mix_of_classes_is_read(
    call: Call, bundle: Path, learner: Path, built: Path, tmp_path: Path
) -> None:
    mix, rows = tmp_path / "mix.json", write(tmp_path / "rows.csv", 800, 2)
    mix.write_text('{"cat": 2, "dog": 1, "bird": 1}')
    options = ("--learner", learner, "--mix", mix, "--max-harm", 0.1, "--labels")
    assert call("route", "calibrate", bundle, built, rows, *options).code == 0
    record = json.loads(call("route", "report", built, "--json").out)
    assert "the mix of classes may be as stated" in record["assumption"]
    mix.write_text('{"cat": "much"}')
    result = call("route", "calibrate", bundle, built, rows, *options)
    assert (result.code, "cat is 'much', expected a number" in result.err) == (1, True)


def test_a_row_without_a_label_is_named(
    call: Call, bundle: Path, learner: Path, built: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "the cat", "label": "cat"}\n{"text": "the dog"}\n')
    options = ("--learner", learner, "--labels")
    result = call("route", "calibrate", bundle, built, rows, *options)
    assert result.code == 1
    assert "rows.jsonl: line 2: field 'label' is None" in result.err


def test_a_bundle_that_is_not_there_is_one_line(call: Call, tmp_path: Path) -> None:
    result = call("route", "build", tmp_path / "absent", tmp_path / "a.route")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {tmp_path / 'absent'}: no such f")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("step", ["calibrate", "run", "audit"])
def test_a_cascade_that_is_not_there_is_one_line(
    call: Call, tiny: Path, tmp_path: Path, step: str
) -> None:
    result = call("route", step, tiny / "tiny-classify", tmp_path / "a.route", tmp_path / "a.csv")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {tmp_path / 'a.route'}: cannot be read")
