"""The page is what the results make, and says what it must: noise, failures, the best peer."""

import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bench.report import PAGE, load, render
from tests.bench.conftest import MACHINE
from tests.conftest import ROOT


def make_row(label: str, ms: float, *, ours: bool = False, **more: Any) -> dict[str, Any]:
    turn = {
        "latency": {"16": {"p50": ms, "p99": 2 * ms, "n": 9}},
        "pass_s": ms,
        "first_s": 0.2,
        "rss_mb": 50.0,
        "foreign": 0.01,
    }
    return {
        "label": label,
        "ours": ours,
        "batch": 8,
        "disk_mb": 20.0,
        "installed_mb": 200.0,
        "turns": [turn, turn],
        "cosine": {"mean": 0.999, "min": 0.99},
        **more,
    }


@pytest.fixture
def peers() -> dict[str, Any]:
    rows = {
        "edgebert-int8": make_row("edgebert int8", 2.0, ours=True),
        "raw-fp32": make_row("onnxruntime fp32", 4.0),
        "quick": make_row("a quick peer", 1.0),
        "gone": {"label": "a lost peer", "ours": False, "failed": "pip found nothing"},
    }
    model = {"label": "MiniLM", "texts": 100, "trained": True, "rows": rows}
    return {
        "kind": "peers",
        "made": "2026-01-02T03:04:05",
        "quick": False,
        "machine": MACHINE,
        "rounds": 2,
        "models": {"minilm": model},
    }


def page_of(result: dict[str, Any]) -> str:
    return render({"peers": result})[PAGE]


def line_of(page: str, start: str) -> str:
    (line,) = [line for line in page.splitlines() if line.startswith(start)]
    return line


def test_the_page_and_charts_are_what_the_results_make() -> None:
    for path, text in render(load()).items():
        assert path.read_text(encoding="utf-8") == text, "run `python -m bench.report`"


def test_no_results_are_said_to_be_none() -> None:
    assert "No results are committed yet." in render({})[PAGE]


def test_a_cell_holds_p50_p99_and_the_ratio(peers: dict[str, Any]) -> None:
    assert "2.00 / 4.00 (2.00)" in page_of(peers)


def test_a_peer_that_wins_stays_in_and_is_marked(peers: dict[str, Any]) -> None:
    assert "**1.00 / 2.00 (4.00)**" in page_of(peers)


def test_where_a_peer_wins_the_ratio_says_so(peers: dict[str, Any]) -> None:
    page = page_of(peers)
    assert (
        "| 16 tokens, ms | int8: 2.00 | int8: 2.00 | a quick peer: 1.00 "
        "| 0.5 ✗ (≥ 1.4) | 0.5 ✗ (≥ 1.4) |"
    ) in page
    assert page.count("| 16 tokens: best peer | 0.5 ✗ (≥ 1.4) |") == 2


def test_a_peer_that_could_not_run_is_there_with_the_reason(peers: dict[str, Any]) -> None:
    assert "| a lost peer | MiniLM | pip found nothing |" in page_of(peers)


def test_a_disturbed_run_is_said_to_be(peers: dict[str, Any]) -> None:
    peers["models"]["minilm"]["rows"]["quick"]["turns"][0] |= {"foreign": 0.5}
    assert "do not trust" in page_of(peers)


def test_an_undisturbed_run_is_said_to_be(peers: dict[str, Any]) -> None:
    assert "Nothing else used over 5% of the machine in any of 6 turns." in page_of(peers)


def test_a_quick_run_is_said_to_be(peers: dict[str, Any]) -> None:
    assert "only that everything works" in page_of(peers | {"quick": True})


def test_a_run_that_broke_off_is_said_to_be(peers: dict[str, Any]) -> None:
    assert "some rounds are missing" in page_of(peers | {"finished": False})
    assert "some rounds are missing" not in page_of(peers | {"finished": True})


def test_every_chart_on_the_page_is_drawn(peers: dict[str, Any]) -> None:
    files = render({"peers": peers})
    drawn = {path.name for path in files if path.suffix == ".svg"}
    assert drawn == {"peers-minilm.svg"}
    assert all(f"(../bench/results/{name})" in files[PAGE] for name in drawn)


def test_what_is_not_measured_says_how_it_is(peers: dict[str, Any]) -> None:
    assert "Not measured yet, by `python -m bench.scaling`." in page_of(peers)


def test_results_are_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{"kind": "peers"}')
    (tmp_path / "other.json").write_text('{"kind": "of another page"}')
    (tmp_path / "chart.svg").write_text("<svg/>")
    assert load(tmp_path) == {"one": {"kind": "peers"}}


def test_the_pages_commands_are_what_make_runs() -> None:
    done = subprocess.run(
        ["make", "--dry-run", "bench"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    for module in (
        "environments",
        "runner",
        "levers",
        "profile",
        "scaling",
        "report",
        "performance_report",
    ):
        assert f"-m bench.{module}" in done.stdout
        assert find_spec(f"bench.{module}")
