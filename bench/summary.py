"""How edgebert stands against its peers, workload by workload, and which targets that meets.

Rows are chosen by their medians over the rounds, ratios are medians of the ratios within each
round, targets are those of `bench.targets`.
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from bench.figures import MEASURES, Measure, Rows, against, best_of, short, value_of
from bench.markdown import table
from bench.rows import BASELINE, POPULAR
from bench.targets import ANY, DEFAULT, ENGINES, LEAST_COSINE, MEAN_COSINE, PEER, TARGETS, Target

MET, MISSED = "✓", "✗"
BY_KEY = {measure.key: measure for measure in MEASURES}
Models = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One ratio that a target may be set for."""

    ratio: float
    least: float | None  # the target, if there is one

    @property
    def met(self) -> bool:
        """Whether there is a target, and it is reached."""
        return self.least is not None and meets(self.ratio, self.least)

    @property
    def shown(self) -> str:
        """The ratio, the mark and the target."""
        if self.least is None:
            return short(self.ratio)
        return f"{short(self.ratio)} {MET if self.met else MISSED} (≥ {self.least:g})"


def meets(ratio: float, least: float) -> bool:
    """Say whether a ratio, as it is shown, reaches a target."""
    return float(short(ratio).replace(",", "")) >= least


def faithful(models: Models) -> Set[str]:
    """Name the rows of edgebert whose vectors on trained weights are near enough to fp32's.

    A row that was not compared with fp32, or is too far from it on any trained model, is not there:
    speed bought with other vectors is no speed.
    """
    near: dict[str, bool] = {}
    for model in models.values():
        for key, row in model["rows"].items() if model["trained"] else ():
            if row["ours"] and "cosine" in row:
                near[key] = near.get(key, True) and _is_near(row)
    return {key for key, enough in near.items() if enough}


def _is_near(row: Mapping[str, Any]) -> bool:
    cosine = row.get("cosine")
    return cosine is not None and cosine["mean"] >= MEAN_COSINE and cosine["min"] >= LEAST_COSINE


def counted(rows: Rows, near: Set[str], engine: str) -> dict[str, Mapping[str, Any]]:
    """Take one model's rows of edgebert on an engine that may be called its best."""
    return {
        key: row
        for key, row in rows.items()
        if key in near and (engine == ANY or _engine(row) == "onnxruntime")
    }


def _engine(row: Mapping[str, Any]) -> str:
    return str(row.get("settings", {}).get("engine", "onnxruntime"))


def judge(
    name: str, model: Mapping[str, Any], near: Set[str], target: Target, engine: str
) -> Verdict | None:
    """Set one model's best row on an engine against an opponent; None where either is missing."""
    rows, texts, measure = model["rows"], model["texts"], BY_KEY[target.measure]
    best = best_of(counted(rows, near, engine), measure, texts, ours=True)
    to_peer = target.against == PEER
    other = best_of(rows, measure, texts, ours=False) if to_peer else target.against
    if best is None or other is None or other not in rows:
        return None
    ratio = against(rows, best, other, measure, texts)
    least = target.least.get(name, (None, None))[ENGINES.index(engine)]
    return None if ratio is None else Verdict(ratio, least)


def standing(models: Models) -> str:
    """Lay out every verdict, a table an engine and a column a model, and count the targets met."""
    near = faithful(models)
    parts = [
        "How many times better the best row of edgebert is, and in brackets the target. A row "
        f"counts if its cosine to fp32 on trained weights is at least {MEAN_COSINE} on average and "
        f"{LEAST_COSINE:.3f} at worst.{_left_out(models, near)}\n"
    ]
    for engine in ENGINES:
        lines, found = [], []
        for target in TARGETS:
            verdicts = [judge(*model, near, target, engine) for model in models.items()]
            if any(verdict and verdict.least is not None for verdict in verdicts):
                found += [one for one in verdicts if one and one.least is not None]
                shown = [verdict.shown if verdict else "-" for verdict in verdicts]
                lines.append([f"{BY_KEY[target.measure].title}: {_name(target, models)}", *shown])
        met = sum(verdict.met for verdict in found)
        parts.append(f"**{engine}**: {met} of {len(found)} targets met\n")
        parts.append(table(["workload: against", *models], lines))
    return "\n".join(parts)


def alike(models: Models) -> str:
    """Set each model with trained weights against the peers whose vectors are as near to fp32's."""
    near, parts = faithful(models), []
    for model in models.values():
        rows, texts = model["rows"], model["texts"]
        peers = {key: row for key, row in rows.items() if not row["ours"] and _is_near(row)}
        lines = []
        for measure in MEASURES if model["trained"] else ():
            peer = best_of(peers, measure, texts, ours=False)
            best = [best_of(counted(rows, near, one), measure, texts, ours=True) for one in ENGINES]
            if peer is None or None in best:
                continue
            ratios = [short(against(rows, key, peer, measure, texts)) for key in best if key]
            title = f"{measure.title}, {measure.unit}"
            lines.append([title, _named(rows, peer, measure, texts), *ratios])
        if lines:
            heads = ["workload", "best of these peers", *(f"{one} to it" for one in ENGINES)]
            parts.append(f"on {model['label']} {_kept_out(rows)}\n\n{table(heads, lines)}")
    return "\n".join(parts)


def _kept_out(rows: Rows) -> str:
    """Name the peers that are too far from fp32."""
    far = [
        f"{row['label']} ({row['cosine']['mean']:.4f} / {row['cosine']['min']:.3f})"
        for row in rows.values()
        if not row["ours"] and "cosine" in row and not _is_near(row)
    ]
    return f"these miss it: {', '.join(far)}." if far else "no peer misses it."


def _name(target: Target, models: Models) -> str:
    for model in models.values():
        if target.against in model["rows"]:
            return str(model["rows"][target.against]["label"])
    return target.against


def _left_out(models: Models, near: Set[str]) -> str:
    ours = {
        key: row["label"]
        for model in models.values()
        for key, row in model["rows"].items()
        if row["ours"] and "turns" in row and key not in near
    }
    return f" Not counted: {', '.join(ours.values())}." if ours else ""


def details(name: str, model: Mapping[str, Any], near: Set[str]) -> str:
    """Lay out one model: who is the best at what, and the ratios between them.

    Args:
        name: the model's, by which targets are set.
        model: its part of the results.
        near: what `faithful` says of all models.
    """
    rows, texts = model["rows"], model["texts"]
    others = [key for key in (BASELINE, *POPULAR) if "turns" in rows.get(key, {})]
    first, second = [], []
    for measure in MEASURES:
        best = [
            best_of(counted(rows, near, engine), measure, texts, ours=True) for engine in ENGINES
        ]
        peer = best_of(rows, measure, texts, ours=False)
        if best[1] is None or peer is None:
            continue
        title = f"{measure.title}, {measure.unit}"
        values = [_named(rows, key, measure, texts) for key in (*best, peer)]
        first.append([title, *values, *_against(name, model, near, measure, PEER, ENGINES)])
        cells = [_against(name, model, near, measure, key, (ANY,)) for key in others]
        second.append([title, *(cell for (cell,) in cells)])
    heads = ["workload", "onnxruntime engine", "best engine", "best peer"]
    heads += ["onnxruntime engine to best peer", "best engine to best peer"]
    labels = [f"best engine to {rows[key]['label']}" for key in others]
    parts = [table(heads, first), table(["workload", *labels], second)]
    if counted(rows, near, DEFAULT).keys() == counted(rows, near, ANY).keys():
        parts.insert(0, "Of edgebert's engines only onnxruntime was measured on this model.\n")
    return "\n".join(parts)


def _against(
    name: str,
    model: Mapping[str, Any],
    near: Set[str],
    measure: Measure,
    other: str,
    engines: tuple[str, ...],
) -> Iterator[str]:
    """Write the ratios to one opponent, with their targets where there are some."""
    known = [one for one in TARGETS if (one.measure, one.against) == (measure.key, other)]
    target = known[0] if known else Target(measure.key, other, {})
    for engine in engines:
        verdict = judge(name, model, near, target, engine)
        yield verdict.shown if verdict else "-"


def _named(rows: Rows, key: str | None, measure: Measure, texts: int) -> str:
    if key is None:
        return "-"
    label = rows[key]["label"].removeprefix("edgebert ")
    return f"{label}: {short(value_of(rows[key], measure, texts))}"
