"""Evaluations as JSON, as lines and as a page; how it looks is in `page.py` and `plots.py`."""

import dataclasses
import json
from typing import Any

from edgebert.evaluate import Evaluation
from edgebert.metrics import ClassScore
from edgebert.page import figure, page, paragraph, section, table
from edgebert.plots import intervals, matrix_plot, reliability_plot, say
from edgebert.scoring import Confusion

MISTAKES = 15  # of the pairs most often confused


def as_json(value: Any) -> str:
    """Write a dataclass as JSON."""
    return json.dumps(dataclasses.asdict(value), ensure_ascii=False, indent=1, allow_nan=False)


def evaluation_lines(found: Evaluation) -> list[str]:
    """Say the figures for a terminal."""
    cost = found.cost
    lines = [f"{found.bundle}: {found.goal}, {found.rows:,} rows, {cut_of(found)}"]
    lines += [f"  {name:16} {say(value)}" for name, value in found.scores.figures.items()]
    lines.append(
        f"  {cost.p50_ms:.2f} ms p50, {cost.p99_ms:.2f} ms p99, {cost.rows_per_s:,.0f} rows/s, "
        f"{cost.peak_mb:.0f} MB, start {cost.start_s * 1000:.0f} ms, disk {cost.disk_mb:.1f} MB"
    )
    return lines


def cut_of(found: Evaluation) -> str:
    """Say how many rows were too long."""
    return f"{found.cut:,} cut at {found.max_tokens} tokens"


def evaluation_page(found: Evaluation, source: str, machine: str) -> str:
    """Lay out one bundle's evaluation."""
    scores = found.scores
    figures = list(scores.figures.items())
    parts = [
        paragraph(
            f"{source}: {found.rows:,} rows, {cut_of(found)}. {found.family}, {found.level}; "
            f"measured on {machine}.",
            dim=True,
        ),
        section(
            "How good",
            [
                figure(
                    intervals(figures, low=min(0.0, *(value.value for _, value in figures))),
                    "A bar holds 95 % of the resamples (bootstrap over rows).",
                )
            ],
        ),
        section("What it costs", [cost_table(found)]),
    ]
    if scores.curve:
        parts.append(
            section(
                "Is its confidence right?",
                [
                    figure(
                        reliability_plot(scores.curve),
                        "Below the diagonal it is too sure of itself; larger dots are more rows.",
                    )
                ],
            )
        )
    if scores.confusion:
        parts.append(section("What is taken for what", confusion_parts(scores.confusion)))
    if scores.classes:
        parts.append(section("Class by class, the weakest first", [class_table(scores.classes)]))
    return page(f"{found.bundle}: {found.goal}", parts)


def cost_table(found: Evaluation) -> str:
    """Lay out what the answers cost."""
    cost = found.cost
    return table(
        ["", ""],
        [
            [f"one row at a time, p50 of {cost.singles}", f"{cost.p50_ms:.2f} ms"],
            ["p99", f"{cost.p99_ms:.2f} ms"],
            ["all rows at once", f"{cost.rows_per_s:,.0f} rows/s"],
            ["process start to first output", f"{cost.start_s * 1000:.0f} ms"],
            ["memory of that process, peak", f"{cost.peak_mb:.0f} MB"],
            ["disk", f"{cost.disk_mb:.1f} MB"],
        ],
    )


def confusion_parts(confusion: Confusion) -> list[str]:
    """Draw the matrix, and list the pairs most often confused."""
    wrong = sorted(
        (
            (-times, right, given)
            for right, row in zip(confusion.labels, confusion.counts, strict=True)
            for given, times in zip(confusion.labels, row, strict=True)
            if times and right != given
        )
    )[:MISTAKES]
    parts = [
        figure(
            matrix_plot(confusion.labels, confusion.counts),
            "A row for each right label, a column for each given, both in alphabetical order; "
            "the darker, the more of the row.",
        )
    ]
    if wrong:
        rows = [[f"{right} → {given}", str(-times)] for times, right, given in wrong]
        parts.append(table(["right → given", "times"], rows))
    return parts


def class_table(classes: tuple[ClassScore, ...]) -> str:
    """Lay out the classes, the worst first."""
    ordered = sorted(classes, key=lambda one: (one.f1, one.name))
    return table(
        ["class", "precision", "recall", "F1", "rows"],
        [
            [
                one.name,
                f"{one.precision:.3f}",
                f"{one.recall:.3f}",
                f"{one.f1:.3f}",
                f"{one.support}",
            ]
            for one in ordered
        ],
    )
