"""The figures of docs/learning.md: tables and curves as results/learn.json makes them.

    python -m bench.learn_report       # bench/results/learn.json -> docs/learning*

The page's words are written by hand; what stands between `<!-- made: NAME -->` and `<!-- end -->`
is not.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.learn import OUTPUT
from bench.learn_plots import draw_curves
from bench.markdown import DOCS, fill, table, write_files

PAGE = DOCS / "learning.md"
TIERS = ("tiny", "small", "base")
NAMES = {"banking77": "Banking77", "clinc150": "CLINC150"}
STEPS = ("embed", "learn", "solve", "predict", "forget", "solve again")
Figures = Mapping[str, Any]


def main() -> int:
    """Write the page and the curves."""
    result = json.loads(OUTPUT.read_text(encoding="utf-8"))
    write_files(render(PAGE.read_text(encoding="utf-8"), result))
    return 0


def render(page: str, result: Mapping[str, Any]) -> dict[Path, str]:
    """Make the page anew, and the curves that it shows."""
    figures: Figures = result["figures"]
    made = fill(page, lambda name: BLOCKS[name](result))
    return {PAGE: made, **{DOCS / name: text for name, text in _curves(figures).items()}}


def _machine(result: Mapping[str, Any]) -> str:
    machine = result["machine"]
    return (
        f"Measured {result['made'][:10]} on {machine['cores']} cores of {machine['cpu']}, Python "
        f"{machine['python']}, one thread, the machine shared with other work.\n"
    )


def _intents(result: Mapping[str, Any]) -> str:
    return "\n".join(_rounds(result["figures"], name) for name in NAMES)


def _rounds(figures: Figures, name: str) -> str:
    rows = []
    for tier in TIERS:
        found = figures[f"{name} {tier}"]
        same = "yes" if found["same_bits_as_joint"] else "NO"
        rows.append([f"**{tier}**", *_three(found), f"{found['state_mb']:.2f}", same])
    for key, label in (
        ("nearest", "nearest text, all kept"),
        ("softmax", "softmax layer by SGD, round by round"),
    ):
        rows.append([label, *_three(figures[f"{name} {key}"]), "", ""])
    for key, label in (
        ("joint softmax", "*at once:* the same softmax layer"),
        ("joint regression", "*at once:* logistic regression (C = 10)"),
    ):
        rows.append([label, f"{figures[f'{name} {key}']:.2f}", "", "", "", ""])
    heads = [NAMES[name], "final, %", "mean over rounds, %", "forgetting, points", "state, MB"]
    return table([*heads, "same bits as at once"], rows)


def _three(found: Figures) -> list[str]:
    return [f"{found[key]:.2f}" for key in ("final", "average", "forgetting")]


def _shots(result: Mapping[str, Any]) -> str:
    figures = result["figures"]
    rows = [
        [f"{NAMES[name]}, {tier}", *(f"{value:.2f}" for value in found.values())]
        for name in NAMES
        for tier in ("tiny", "base")
        for found in [figures[f"{name} {tier} shots"]]
    ]
    return table(["texts a class", *figures["banking77 tiny shots"]], rows)


def _calibration(result: Mapping[str, Any]) -> str:
    figures = result["figures"]
    rows = [
        [NAMES[name], *(f"{value:.3f}" for value in figures[f"{name} calibration"].values())]
        for name in NAMES
    ]
    return table(["texts a class", *figures["banking77 calibration"]], rows)


def _suggest(result: Mapping[str, Any]) -> str:
    found = result["figures"]["banking77 suggest"]
    rows = [[way, *(f"{value:.1f}" for value in found[way])] for way in ("suggested", "random")]
    return table(["texts a class", *(str(place + 1) for place in range(len(rows[0]) - 1))], rows)


def _times(result: Mapping[str, Any]) -> str:
    rows = []
    for tier in TIERS:
        found = result["figures"][f"{tier} times"]
        rows.append([tier, *(f"{found[step][0]:.1f}, {found[step][1]:.1f}" for step in STEPS)])
    tiny = {step: least for step, (least, _) in result["figures"]["tiny times"].items()}
    seen = {step: tiny[step] - tiny["embed"] + tiny["solve"] for step in ("learn", "forget")}
    words = (
        f"\nWith tiny a text is learnt and seen in {seen['learn']:.1f} ms beyond embedding, "
        f"forgotten in {seen['forget']:.1f} ms (least).\n"
    )
    return table(["ms: least, median", *STEPS], rows) + words


def _korean(result: Mapping[str, Any]) -> str:
    years = result["figures"]["nsmc small"]
    rows = [
        [label, *(form.format(year[key]) for year in years)]
        for label, key, form in (
            ("texts", "texts", "{}"),
            ("accuracy, %", "accuracy", "{:.0f}"),
            ("mean recall, %", "balanced", "{:.0f}"),
        )
    ]
    return table(["year", *(year["year"] for year in years)], rows)


def _curves(figures: Figures) -> dict[str, str]:
    labels = {tier: tier for tier in TIERS} | {"nearest": "nearest text", "softmax": "softmax, SGD"}
    drawn = {
        f"learning-{name}.svg": draw_curves(
            {label: figures[f"{name} {key}"]["curve"] for key, label in labels.items()},
            f"rounds of {NAMES[name]}",
            "accuracy on all classes so far, %",
        )
        for name in NAMES
    }
    suggest = figures["banking77 suggest"]
    ways = {way: suggest[way] for way in ("suggested", "random")}
    drawn["learning-suggest.svg"] = draw_curves(ways, "labelled texts a class", "accuracy, %")
    return drawn


BLOCKS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "machine": _machine,
    "intents": _intents,
    "shots": _shots,
    "calibration": _calibration,
    "suggest": _suggest,
    "times": _times,
    "korean": _korean,
}


if __name__ == "__main__":
    sys.exit(main())
