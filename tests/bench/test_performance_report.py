"""The page on performance is what its source and the results make."""

from typing import Any

import pytest

from bench.levers import SHIPPED
from bench.performance_report import BLOCKS, PAGE, PLACE, SOURCE, load, render
from bench.profile import KINDS, REST
from tests.bench.conftest import MACHINE


def made(name: str, results: dict[str, Any]) -> str:
    return render(f"before\n<!-- made: {name} -->\nafter\n", results)


def line_of(page: str, start: str) -> str:
    (line,) = [line for line in page.splitlines() if line.startswith(start)]
    return line


def test_the_page_is_what_its_source_and_the_results_make() -> None:
    found = render(SOURCE.read_text(encoding="utf-8"), load())
    assert PAGE.read_text(encoding="utf-8") == found, "run `python -m bench.performance_report`"


def test_every_block_has_its_place_in_the_source() -> None:
    assert sorted(PLACE.findall(SOURCE.read_text(encoding="utf-8"))) == sorted(BLOCKS)


def test_words_stay_and_places_are_filled() -> None:
    page = made("memory", {})
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    assert "<!--" not in page


@pytest.mark.parametrize(
    ("block", "command"),
    [
        ("profiles", "python -m bench.profile --model MODEL`: minilm, distilbert-base, bert-base"),
        ("levers", "python -m bench.levers --model MODEL`: minilm, distilbert-base, bert-base"),
        ("memory", "python -m bench.soak BUNDLE`"),
    ],
)
def test_what_is_not_measured_says_how_it_is(block: str, command: str) -> None:
    assert command in made(block, {})


@pytest.fixture
def profile() -> dict[str, Any]:
    shares = dict.fromkeys([*KINDS, REST], 0.1) | {"linears": 0.5}
    length = {"run_us": 1000.0, "outside_us": 80.0, "shares": shares, "tops": 0.3}
    return {
        "made": "2026-01-02",
        "machine": MACHINE,
        "model": "MiniLM",
        "foreign": 0.01,
        "peak_tops": 1.5,
        "lengths": {"16": length, "512": length | {"run_us": 20000.0, "outside_us": 100.0}},
    }


def test_a_profile_shows_the_share_of_the_peak_and_where_the_rest_goes(
    profile: dict[str, Any],
) -> None:
    page = made("profiles", {"profile-bert-base": profile})
    assert "- MiniLM: the peak is 1.50 TOP/s of one core; nothing else used over 5%" in page
    assert line_of(page, "| model") == (
        "| model | tokens | a run, ms | TOP/s | of the peak | linears beyond it | attention "
        "| activation | norms | smoothing, residuals | rest | outside, us |"
    )
    rest = "| 0.30 | 20% | 30% | 10% | 10% | 10% | 10% | 10% |"
    assert line_of(page, "| MiniLM | 16") == f"| MiniLM | 16 | 1.00 {rest} 80 |"
    assert line_of(page, "| MiniLM | 512") == f"| MiniLM | 512 | 20.00 {rest} 100 |"
    assert "MODEL`: minilm, distilbert-base, roberta-base." in page


def test_a_disturbed_profile_is_said_to_be(profile: dict[str, Any]) -> None:
    page = made("profiles", {"profile-minilm": profile | {"foreign": 0.4}})
    assert "other processes used 40% of the machine: do not trust" in page


def turn(ms: float, seconds: float) -> dict[str, Any]:
    return {
        "latency": {"16": {"p50": ms, "p99": ms, "n": 9}},
        "pass_s": seconds,
        "foreign": 0.0,
    }


@pytest.fixture
def levers() -> dict[str, Any]:
    static, few = "static scales", "static scales, 128 tokens a run"
    rows = {
        SHIPPED: {"label": SHIPPED, "ours": True, "turns": [turn(1, 2), turn(3, 6)]},
        "one worker": {"label": "one worker", "ours": True, "turns": [turn(1, 4), turn(3, 12)]},
        static: {"label": static, "ours": True, "turns": [turn(1, 1), turn(3, 3)]},
        few: {"label": few, "ours": True, "turns": [turn(2, 0.5), turn(6, 1.5)]},
        "fp32": {"label": "fp32", "ours": True, "failed": "it died"},
    }
    return {
        "made": "2026-01-02",
        "machine": MACHINE,
        "rounds": 2,
        "model": "MiniLM",
        "texts": 100,
        "rows": rows,
    }


def test_levers_are_ratios_to_what_ships_within_rounds(levers: dict[str, Any]) -> None:
    page = made("levers", {"levers-minilm": levers})
    assert line_of(page, "| as shipped") == "| as shipped | - | 2.00 ms | 33.3 texts/s |"
    assert line_of(page, "| one worker") == "| one worker | as shipped | 1.00 | 0.5 |"
    assert line_of(page, "| static scales |") == "| static scales | as shipped | 1.00 | 2.00 |"


def test_a_lever_within_another_is_set_against_that(levers: dict[str, Any]) -> None:
    page = made("levers", {"levers-minilm": levers})
    assert line_of(page, "| static scales, 128") == (
        "| static scales, 128 tokens a run | static scales | 0.5 | 2.00 |"
    )


def test_a_lever_that_failed_is_there_with_the_reason(levers: dict[str, Any]) -> None:
    page = made("levers", {"levers-minilm": levers})
    assert "| fp32 | as shipped | - | - |" in page
    assert "| fp32 | it died |" in page


def test_levers_without_what_ships_have_no_ratio_to_it(levers: dict[str, Any]) -> None:
    del levers["rows"][SHIPPED]
    page = made("levers", {"levers-minilm": levers})
    assert line_of(page, "| as shipped") == "| as shipped | - | - ms | - texts/s |"
    assert line_of(page, "| one worker") == "| one worker | as shipped | - | - |"
    assert line_of(page, "| static scales, 128").endswith("| static scales | 0.5 | 2.00 |")


def test_levers_say_whether_they_were_disturbed(levers: dict[str, Any]) -> None:
    assert "Nothing else used over 5%" in made("levers", {"levers-minilm": levers})
    levers["rows"]["one worker"]["turns"][0]["foreign"] = 0.3
    assert "do not trust" in made("levers", {"levers-minilm": levers})


def test_memory_is_told_from_the_series() -> None:
    soak = {
        "made": "2026-01-02",
        "machine": MACHINE,
        "seconds": 180.0,
        "calls": 1200,
        "texts": 2000,
        "tokens": 30000,
        "lengths": 40,
        "rss_mb": [90.0, 120.0, 121.0, 122.0],
    }
    page = made("memory", {"soak": soak})
    assert "1,200 calls with 2,000 texts, 30,000 tokens and 40 different lengths in 180 s." in page
    assert "90.0 MB with the bundle open, 120.0 MB after a quarter of the time, 122.0 MB" in page
