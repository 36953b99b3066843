"""A comparison as lines and as a page."""

from edgebert.compare import Candidate, Comparison, front, points
from edgebert.page import figure, page, paragraph, section, table
from edgebert.plots import Point, pareto_plot, say
from edgebert.reports import cut_of

HEAD = (
    "bundle",
    "level",
    "95 %",
    "p50 ms",
    "p99 ms",
    "rows/s",
    "MB",
    "start ms",
    "disk MB",
    "agrees",
)


def comparison_lines(found: Comparison) -> list[str]:
    """Lay the table out for a terminal, and say which bundle was picked and why others fell."""
    rows = [[*HEAD[:2], f"{found.figure} ({HEAD[2]})", *HEAD[3:]], *map(cells, found.candidates)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEAD))]
    lines = ["  ".join(map(_pad, row, widths, range(len(row)))).rstrip() for row in rows]
    lines.append(f"agrees: {found.agreement} as {found.candidates[0].evaluation.bundle}")
    lines += [
        f"{one.bundle} against {one.against}: {points(one.difference)}" for one in found.deltas
    ]
    lines += verdict(found)
    return lines


def _pad(cell: str, width: int, place: int) -> str:
    return cell.ljust(width) if place < 2 else cell.rjust(width)


def cells(one: Candidate) -> list[str]:
    """Give a bundle's line of the table."""
    evaluation, cost = one.evaluation, one.evaluation.cost
    return [
        evaluation.bundle,
        evaluation.level,
        say(evaluation.main[1]),
        f"{cost.p50_ms:.2f}",
        f"{cost.p99_ms:.2f}",
        f"{cost.rows_per_s:,.0f}",
        f"{cost.peak_mb:.0f}",
        f"{cost.start_s * 1000:.0f}",
        f"{cost.disk_mb:.1f}",
        f"{one.agreement:.4f}",
    ]


def verdict(found: Comparison) -> list[str]:
    """Say what was picked, why, and why others fell."""
    lines = [f"picked: {found.picked}: {found.why}" if found.picked else f"picked: {found.why}"]
    for one in found.candidates:
        if one.fell:
            lines.append(f"fell: {one.evaluation.bundle}: {'; '.join(one.fell)}")
    return lines


def comparison_page(found: Comparison, source: str, machine: str) -> str:
    """Lay out a comparison."""
    first = found.candidates[0].evaluation
    labels = [found.figure, "95 % from", "to", *HEAD[3:]]
    table_rows = [[label, *row] for label, row in zip(labels, _columns(found), strict=True)]
    names = [
        f"{n}. {one.evaluation.bundle}{' ✓' if one.evaluation.bundle == found.picked else ''}"
        for n, one in enumerate(found.candidates, 1)
    ]
    parts = [
        paragraph(f"{source}: {first.rows:,} rows, {first.goal}; measured on {machine}.", dim=True),
        section("The pick", [paragraph(line) for line in verdict(found)]),
        section(
            "Side by side",
            [
                table(["", *names], table_rows),
                paragraph(
                    f"agrees: {found.agreement} as {first.bundle}. MB: peak of a process that runs "
                    "one text; start: from its begin to the first output. "
                    + "; ".join(
                        f"{one.evaluation.bundle}: {cut_of(one.evaluation)}"
                        for one in found.candidates
                    )
                    + ".",
                    dim=True,
                ),
            ],
        ),
        section("Good and fast", [_pareto(found, "p50, ms"), _pareto(found, "memory, MB")]),
    ]
    if found.deltas:
        gaps = [
            [f"{one.bundle} against {one.against}", points(one.difference)] for one in found.deltas
        ]
        parts.append(
            section(
                "What int8 costs",
                [
                    table([found.figure, "points (95 %)"], gaps),
                    paragraph("Paired: both on the same resamples of the rows.", dim=True),
                ],
            )
        )
    return page("Bundles side by side", parts)


def _columns(found: Comparison) -> list[list[str]]:
    """Give the table's lines, a bundle a column: narrow enough for a phone."""
    by_bundle = []
    for one in found.candidates:
        value = one.evaluation.main[1]
        sides = ("-" if side is None else f"{side:.4f}" for side in (value.low, value.high))
        by_bundle.append([f"{value.value:.4f}", *sides, *cells(one)[3:]])
    return [list(row) for row in zip(*by_bundle, strict=True)]


def _pareto(found: Comparison, x: str) -> str:
    """Draw the first figure over a cost, and mark what nothing beats in both."""
    costs = [
        one.evaluation.cost.p50_ms if x.startswith("p50") else one.evaluation.cost.peak_mb
        for one in found.candidates
    ]
    values = [one.evaluation.main[1].value for one in found.candidates]
    points = [
        Point(one.evaluation.bundle, cost, one.evaluation.main[1], best)
        for one, cost, best in zip(found.candidates, costs, front(costs, values), strict=True)
    ]
    listed = "; ".join(f"{n} {one.evaluation.bundle}" for n, one in enumerate(found.candidates, 1))
    return figure(
        pareto_plot(points, x, found.figure),
        f"{listed}. Filled: none is both cheaper and better. Lines: 95 % intervals.",
    )
