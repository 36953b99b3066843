"""`edgebert compare`: a table, a pick, and exit 3 where none fits the budget."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Called

pytest.importorskip("sklearn", reason="needs edgebert[eval]")
Call = Callable[..., Called]


@pytest.fixture
def given(tiny: Path, tmp_path: Path) -> tuple[object, ...]:
    path = tmp_path / "rows.csv"
    texts = ["the cat", "to seoul", "a good film", "the film"]
    rows = [f"{text},{texts[n - 1]},{n}\n" for n, text in enumerate(texts)]
    path.write_text("text,text_pair,score\n" + "".join(rows))
    bundles = (tiny / "tiny-embed", tiny / "tiny-embed-int8")
    return ("compare", *bundles, "--data", path, "--task", "sts", "--resamples", 20)


def test_each_bundle_has_a_line_and_one_is_picked(call: Call, given: tuple[object, ...]) -> None:
    result = call(*given)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["bundle", "tiny-embed", "tiny-embed-int8"]
    assert any(line.startswith("tiny-embed-int8 against tiny-embed: ") for line in lines)
    assert any(line.startswith("picked: tiny-embed") for line in lines)


def test_where_none_fits_it_is_exit_3_and_each_says_why(
    call: Call, given: tuple[object, ...]
) -> None:
    result = call(*given, "--max-memory-mb", 1)
    assert result.code == 3
    assert "picked: no bundle is within the budget" in result.out
    assert result.out.count("MB, allowed 1\n") == 2


def test_the_page_fetches_nothing(call: Call, given: tuple[object, ...], tmp_path: Path) -> None:
    page = tmp_path / "compare.html"
    assert json.loads(call(*given, "--json", "--html", page).out)["figure"] == "spearman"
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 2
    assert not [word for word in ("<script", "http:", "https:", "src=", "url(") if word in text]


@pytest.mark.parametrize("bound", ["--max-latency-ms", "--max-memory-mb", "--min-accuracy"])
@pytest.mark.parametrize("value", [0, -1, "nan"])
def test_a_bound_that_nothing_can_meet_is_refused(
    call: Call, given: tuple[object, ...], bound: str, value: object
) -> None:
    result = call(*given, f"{bound}={value}")
    assert result.code == 1
    assert "it must be above 0" in result.err


@pytest.mark.parametrize("margin", [-0.1, 1.1, "nan"])
def test_a_margin_that_is_none_is_refused(
    call: Call, given: tuple[object, ...], margin: object
) -> None:
    result = call(*given, f"--margin={margin}")
    assert result.code == 1
    assert "it must be from 0 to 1" in result.err


def test_a_bundle_that_is_not_there_is_one_line_and_exit_1(
    call: Call, given: tuple[object, ...], tmp_path: Path
) -> None:
    verb, first, _, *others = given
    result = call(verb, first, tmp_path / "absent", *others)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {tmp_path / 'absent'}: no such f")
