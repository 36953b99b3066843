"""The page is what the results make, and says what it must: noise, failures, the best peer."""

import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bench.report import PAGE, ROOT, load, render

MACHINE = {
    "cpu": "A CPU",
    "flags": ["avx2"],
    "cores": 2,
    "memory_gb": 4.0,
    "kernel": "Linux 6",
    "python": "3.11.7",
}


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
    line = line_of(page_of(peers), "| 16 tokens, ms")
    assert line == "| 16 tokens, ms | int8: 2.00 | a quick peer: 1.00 | 0.5 ✗ | 2.00 |"
    assert "| 16 tokens: best peer | 0.5 ✗ a quick peer |" in page_of(peers)


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


def test_levers_are_set_against_the_runtime_as_shipped() -> None:
    rows = {
        "as shipped": make_row("as shipped", 1.0, ours=True),
        "one worker": make_row("one worker", 2.0, ours=True),
        "odd": {"label": "odd", "ours": True, "failed": "it died"},
    }
    result = {
        "kind": "levers",
        "made": "2026-01-02",
        "machine": MACHINE,
        "rounds": 2,
        "model": "MiniLM",
        "texts": 100,
        "rows": rows,
    }
    page = render({"levers": result})[PAGE]
    assert line_of(page, "| one worker").startswith("| one worker | 2.00 (0.5) |")
    assert "| odd | it died |" in page


@pytest.fixture
def scaling() -> dict[str, Any]:
    point = {
        "texts": 32,
        "tokens": 1450,
        "texts_per_s": 9.0,
        "us_per_token": 5.0,
        "peak_mb": 80.0,
        "own_mb": 70.0,
        "foreign": 0.0,
    }
    longer = point | {"texts": 1000, "us_per_token": 5.5, "own_mb": 84.0}
    row = {
        "label": "edgebert int8",
        "ours": True,
        "texts": [point | {"texts": 1, "us_per_token": 50.0}, point, longer],
        "cores": [point | {"cores": 1}, point | {"cores": 2}],
        "tokens": [{"tokens": 8, "us_per_token": 9.0}, {"tokens": 16, "us_per_token": 8.0}],
    }
    return {
        "kind": "scaling",
        "made": "2026-01-02",
        "machine": MACHINE,
        "model": "MiniLM",
        "rows": {"edgebert-int8": row, "gone": {"label": "a lost row", "failed": "it died"}},
    }


def test_scaling_draws_four_curves_and_lists_the_points(scaling: dict[str, Any]) -> None:
    files = render({"scaling": scaling})
    assert len([path for path in files if path.suffix == ".svg"]) == 4
    assert "| edgebert int8 | 1,000 | 9.00 | 5.50 | 80.0 | 84.0 |" in files[PAGE]
    assert "| a lost row | it died |" in files[PAGE]


def test_scaling_holds_long_lists_to_the_target(scaling: dict[str, Any]) -> None:
    line = line_of(render({"scaling": scaling})[PAGE], "| edgebert int8 | 10%")
    assert line == "| edgebert int8 | 10% ✓ | 20% ✗ | 1,000 |"  # one text is not among them


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
    for module in ("environments", "runner", "levers", "scaling", "report"):
        assert f"-m bench.{module}" in done.stdout
        assert find_spec(f"bench.{module}")
