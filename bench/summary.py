"""How edgebert stands against its peers, workload by workload, and which targets that meets.

Nothing is typed in but the targets: rows are chosen by their medians over the rounds, ratios are
medians of the ratios within each round.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from bench.figures import MEASURES, Measure, Rows, against, best_of, short, value_of
from bench.rows import BASELINE, POPULAR

BEST = 1.0  # every speed and cost, against the best peer of all
POPULAR_RATE = 2.0  # throughput, against what most people run
ENGINES = {"onnxruntime": "onnxruntime", "openvino": "OpenVINO"}
MET, MISSED = "✓", "✗"
Lines = list[list[str]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One ratio that a target is set for."""

    goal: str  # the workload, and against whom
    peer: str  # label of the row it is to
    ratio: float
    target: float

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return meets(self.ratio, self.target)


def meets(ratio: float, target: float) -> bool:
    """Say whether a ratio, as it is shown, reaches a target."""
    return round(ratio, 2) >= target


def engine_of(row: Mapping[str, Any]) -> str:
    """Give the engine that a row of edgebert's runs on."""
    return str(row.get("settings", {}).get("engine", "onnxruntime"))


def verdicts(rows: Rows, texts: int) -> Iterator[Verdict]:
    """Judge every ratio of one model that has a target."""
    for measure in MEASURES:
        ours, best = (best_of(rows, measure, texts, ours=who) for who in (True, False))
        if ours is None or best is None:
            continue
        peers = [(best, BEST, f"{measure.title}: best peer")]
        if measure.key == "throughput":
            peers += [
                (key, POPULAR_RATE, f"{measure.title}: {rows[key]['label']}")
                for key in POPULAR
                if key in rows
            ]
        for peer, target, goal in peers:
            ratio = against(rows, ours, peer, measure, texts)
            if ratio is not None:
                yield Verdict(goal, rows[peer]["label"], ratio, target)


def standing(models: Mapping[str, Mapping[str, Any]]) -> tuple[str, list[str], Lines]:
    """Say in words how many targets are met, and lay every verdict out, a column a model."""
    found = {
        name: {verdict.goal: verdict for verdict in verdicts(model["rows"], model["texts"])}
        for name, model in models.items()
    }
    everything = [verdict for column in found.values() for verdict in column.values()]
    counts = []
    for target, whom in ((BEST, "the best peer"), (POPULAR_RATE, "what most people run today")):
        some = [verdict for verdict in everything if verdict.target == target]
        met = sum(verdict.met for verdict in some)
        counts.append(f"- at least {target:g} times {whom}: met in {met} of {len(some)}\n")
    text = "How many times better the best row of edgebert is, and the targets:\n\n"
    goals = sorted({one.goal: one.target for one in everything}.items(), key=itemgetter(1))
    lines = [
        [goal, *(_verdict(column.get(goal), target) for column in found.values())]
        for goal, target in goals
    ]
    return text + "".join(counts), ["against", *found], lines


def _verdict(verdict: Verdict | None, target: float) -> str:
    """Write a ratio with its mark, and the best peer's name, which the line does not give."""
    if verdict is None:
        return "-"
    marked = _ratio(verdict.ratio, target)
    return marked if target == POPULAR_RATE else f"{marked} {verdict.peer}"


def table_of(rows: Rows, texts: int) -> tuple[list[str], Lines]:
    """Lay out the best of edgebert on each engine, the best peer, and the ratios between them."""
    engines = [name for name in ENGINES if any(_runs_on(row, name) for row in rows.values())]
    others = [key for key in (BASELINE, *POPULAR) if "turns" in rows.get(key, {})]
    heads = ["workload", *(f"edgebert on {ENGINES[name]}" for name in engines), "best peer"]
    heads += ["against it", *(f"against {rows[key]['label']}" for key in others)]
    lines = [_line(rows, measure, texts, engines, others) for measure in MEASURES]
    return heads, [line for line in lines if line]


def _runs_on(row: Mapping[str, Any], engine: str) -> bool:
    return bool(row["ours"]) and "turns" in row and engine_of(row) == engine


def _line(
    rows: Rows, measure: Measure, texts: int, engines: Sequence[str], others: Sequence[str]
) -> list[str]:
    ours, peer = (best_of(rows, measure, texts, ours=who) for who in (True, False))
    if ours is None or peer is None:
        return []
    cells = [f"{measure.title}, {measure.unit}"]
    for engine in engines:
        some = {key: row for key, row in rows.items() if _runs_on(row, engine)}
        best = best_of(some, measure, texts, ours=True)
        cell = _named(rows, best, measure, texts)
        cells.append(f"**{cell}**" if best == ours and len(engines) > 1 else cell)
    cells.append(_named(rows, peer, measure, texts))
    cells.append(_ratio(against(rows, ours, peer, measure, texts), BEST))
    for key in others:
        target = POPULAR_RATE if key in POPULAR and measure.key == "throughput" else None
        cells.append(_ratio(against(rows, ours, key, measure, texts), target))
    return cells


def _named(rows: Rows, key: str | None, measure: Measure, texts: int) -> str:
    if key is None:
        return "-"
    label = rows[key]["label"].removeprefix("edgebert ")
    return f"{label}: {short(value_of(rows[key], measure, texts))}"


def _ratio(ratio: float | None, target: float | None) -> str:
    if ratio is None or target is None:
        return short(ratio)
    return f"{short(ratio)} {MET if meets(ratio, target) else MISSED}"
