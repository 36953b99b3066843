"""From the turns of a results file to the figures that are shown. Pure: JSON in, numbers out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.rows import BASELINE

NAMED = (  # packages whose versions the page gives; the results have those of all
    "onnxruntime",
    "tokenizers",
    "numpy",
    "openvino",
    "ctranslate2",
    "torch",
    "transformers",
    "sentence-transformers",
    "optimum-onnx",
    "fastembed",
)
Turn = Mapping[str, Any]
Rows = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is measured in every turn."""

    key: str
    title: str
    unit: str
    more_is_better: bool
    value: Callable[[Turn, int], float | None]  # of a turn and the number of mixed texts


def _latency(tokens: int) -> Callable[[Turn, int], float | None]:
    def value(turn: Turn, texts: int) -> float | None:
        one = turn.get("latency", {}).get(str(tokens))
        return None if one is None else float(one["p50"])

    return value


def _rate(name: str) -> Callable[[Turn, int], float | None]:
    return lambda turn, texts: texts / turn[name] if name in turn else None


def _plain(name: str) -> Callable[[Turn, int], float | None]:
    return lambda turn, texts: turn.get(name)


SPEED = (
    Measure("latency-16", "16 tokens", "ms", False, _latency(16)),
    Measure("latency-128", "128 tokens", "ms", False, _latency(128)),
    Measure("latency-512", "512 tokens", "ms", False, _latency(512)),
    Measure("request", "request of 32 mixed texts", "ms", False, _plain("request_ms")),
    Measure("throughput", "mixed texts", "texts/s", True, _rate("pass_s")),
    Measure("first-pass", "mixed texts, first pass", "texts/s", True, _rate("first_pass_s")),
)
COST = (
    Measure("start", "process start to first vector", "s", False, _plain("first_s")),
    Measure("memory", "peak memory with one text", "MB", False, _plain("rss_mb")),
    Measure("memory-after", "peak memory after all", "MB", False, _plain("rss_after_mb")),
)
MEASURES = SPEED + COST


def value_of(row: Mapping[str, Any], measure: Measure, texts: int) -> float | None:
    """Give the median over the rounds; None where the row has no such figure."""
    values = [measure.value(turn, texts) for turn in row.get("turns", ())]
    known = [value for value in values if value is not None]
    return median(known) if known and "failed" not in row else None


def ratio_of(
    row: Mapping[str, Any], baseline: Mapping[str, Any], measure: Measure, texts: int
) -> float | None:
    """Say how many times better a row is: the median of the ratios within each round.

    What disturbs the machine in one round disturbs both, so this is steadier than the ratio of
    two medians.
    """
    if "failed" in row or "failed" in baseline:
        return None
    ratios = []
    for one, other in zip(row.get("turns", ()), baseline.get("turns", ()), strict=False):
        mine, theirs = measure.value(one, texts), measure.value(other, texts)
        if mine and theirs:
            ratios.append(mine / theirs if measure.more_is_better else theirs / mine)
    return median(ratios) if ratios else None


def best_of(rows: Rows, measure: Measure, texts: int, *, ours: bool) -> str | None:
    """Name the best row of ours, or of the peers."""
    values = {
        key: value
        for key, row in rows.items()
        if row["ours"] == ours and (value := value_of(row, measure, texts)) is not None
    }
    if not values:
        return None
    choose = max if measure.more_is_better else min
    return choose(values, key=lambda key: values[key])


def tail_of(row: Mapping[str, Any], measure: Measure) -> float | None:
    """Give the median over the rounds of a latency's p99."""
    tokens = measure.key.removeprefix("latency-")
    values = [
        turn["latency"][tokens]["p99"]
        for turn in row.get("turns", ())
        if tokens in turn.get("latency", {})
    ]
    return median(values) if values else None


def disturbed(rows: Rows, noise: float) -> tuple[int, int]:
    """Count the turns in which others used more than a share of the machine, and all turns."""
    shares = [turn["foreign"] for row in rows.values() for turn in row.get("turns", ())]
    return sum(share > noise for share in shares), len(shares)


def disturbed_points(rows: Rows, noise: float) -> tuple[int, int]:
    """Count such points of curves, and all points."""
    points = [one for row in rows.values() for key in ("texts", "cores") for one in row[key]]
    return sum(one["foreign"] > noise for one in points), len(points)


def versions_of(models: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Give the versions of the packages that were measured; two if rows had different ones."""
    found: dict[str, set[str]] = {}
    for model in models.values():
        for row in model["rows"].values():
            for name, version in row.get("versions", {}).items():
                found.setdefault(name, set()).add(version)
    return {name: " and ".join(sorted(found[name])) for name in NAMED if name in found}


def against(rows: Rows, ours: str, peer: str, measure: Measure, texts: int) -> float | None:
    """Say how many times better one row is than another."""
    return ratio_of(rows[ours], rows[peer], measure, texts)


def baseline_of(rows: Rows) -> Mapping[str, Any]:
    """Give the row that all ratios are to."""
    return rows.get(BASELINE, {"failed": "not measured"})


def short(value: float | None) -> str:
    """Write a number in three figures, or a dash."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 1 else f"{value:.{2 if value < 10 else 1}f}"


def names(rows: Rows, keys: Sequence[str | None]) -> list[str]:
    """Give labels of rows; a dash where there is none."""
    return [rows[key]["label"] if key else "-" for key in keys]
