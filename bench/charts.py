"""Charts as SVG text: panels of bars, and curves; no dependency. The same numbers, same bytes."""

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from html import escape

from bench.figures import short

WIDTH = 830
LABELS = 310  # room for the names left of the bars
PANEL, BETWEEN, FIGURE = 150, 14, 46  # width of a panel, to the next, room for a bar's figure
BAR, GAP = 16, 6
TOP = 66
OURS, PEERS, LINE = "#0b6e4f", "#a9b4c0", "#5b6770"
COLORS = ("#0b6e4f", "#c84630", "#2d5d9f", "#8a5a00", "#6b4fa0", "#5b6770")
FONT = 'font-family="sans-serif" font-size="12"'
HALO = 'paint-order="stroke" stroke="white" stroke-width="3"'  # a figure on a line stays legible
PLOT = (70, 50, 480, 260)  # left, top, width, height of a plot's area
STEPS = ((1,), (1, 2, 5), range(1, 10))  # of ticks within a power of ten
FEWEST = 3  # ticks of an axis, if there are so many


@dataclass(frozen=True, slots=True)
class Panel:
    """One column of bars."""

    title: str
    note: str  # the unit, and which way is better
    values: Mapping[str, float]  # by the name of a row; a row without one has no bar here
    line: float | None = None  # a value to draw a line at


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a plot."""

    name: str
    points: tuple[tuple[float, float], ...]


def panels(title: str, names: Sequence[str], ours: Set[str], columns: Sequence[Panel]) -> str:
    """Draw columns of bars whose rows share their names.

    Args:
        title: of the chart.
        names: of the rows, from top to bottom.
        ours: those to stand out.
        columns: from left to right, each with a scale of its own.
    """
    bottom = TOP + len(names) * (BAR + GAP)
    parts = [_text(10, 22, title, bold=True)]
    for number, name in enumerate(names):
        y = TOP + number * (BAR + GAP) + BAR - 4
        parts.append(_text(LABELS - 8, y, name, anchor="end", bold=name in ours))
    for place, panel in enumerate(columns):
        parts += _bars(LABELS + place * (PANEL + BETWEEN), bottom, names, ours, panel)
    return _svg(LABELS + len(columns) * (PANEL + BETWEEN), bottom + 10, parts)


def _bars(
    left: int, bottom: int, names: Sequence[str], ours: Set[str], panel: Panel
) -> Iterator[str]:
    """Draw one column."""
    scale = (PANEL - FIGURE) / max([panel.line or 0, *panel.values.values()], default=1.0)
    yield _text(left, TOP - 24, panel.title, bold=True)
    yield _text(left, TOP - 10, panel.note, color=LINE)
    if panel.line is not None:
        x = left + panel.line * scale
        yield _line(x, TOP - 4, x, bottom, LINE)
    for number, name in enumerate(names):
        if name not in panel.values:
            continue
        y, value = TOP + number * (BAR + GAP), panel.values[name]
        size = f'width="{value * scale:.1f}" height="{BAR}"'
        color = OURS if name in ours else PEERS
        yield f'<rect x="{left}" y="{y}" {size} fill="{color}"/>'
        yield _text(left + value * scale + 5, y + BAR - 4, short(value), bold=name in ours)


def curves(title: str, lines: Sequence[Curve], x: str, y: str) -> str:
    """Draw lines over logarithmic axes; values must be positive."""
    left, top, width, height = PLOT
    points = [point for line in lines for point in line.points]
    across = _axis([point[0] for point in points])
    up = _axis([point[1] for point in points])
    parts = [_text(10, 22, title, bold=True)]
    for tick in _ticks(*across):
        place = left + width * _share(tick, across)
        parts.append(_line(place, top, place, top + height, "#e3e7eb"))
        parts.append(_text(place, top + height + 18, f"{tick:,g}", anchor="middle"))
    for tick in _ticks(*up):
        place = top + height * (1 - _share(tick, up))
        parts.append(_line(left, place, left + width, place, "#e3e7eb"))
        parts.append(_text(left - 6, place + 4, f"{tick:,g}", anchor="end"))
    for number, line in enumerate(lines):
        color = COLORS[number % len(COLORS)]
        places = [
            (left + width * _share(px, across), top + height * (1 - _share(py, up)))
            for px, py in line.points
        ]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{color}"/>' for px, py in places
        ]
        parts.append(_text(left + width + 16, top + 14 + 18 * number, line.name, color=color))
    parts.append(_text(left + width / 2, top + height + 38, x, anchor="middle"))
    parts.append(_text(left, top - 8, y))
    return _svg(WIDTH, top + height + 50, parts)


def _axis(values: Sequence[float]) -> tuple[float, float]:
    """Give the least and greatest value, a little apart where they are one."""
    least, greatest = min(values, default=1.0), max(values, default=10.0)
    return (least, greatest) if greatest > least else (least / 1.5, least * 1.5)


def _share(value: float, axis: tuple[float, float]) -> float:
    return math.log(value / axis[0]) / math.log(axis[1] / axis[0])


def _ticks(least: float, greatest: float) -> list[float]:
    """Give round values inside of an axis: powers of ten if these are some, else more."""
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(greatest)) + 1)
    found: list[float] = []
    for steps in STEPS:
        values = [step * 10.0**power for power in powers for step in steps]
        found = [value for value in values if least <= value <= greatest]
        if len(found) >= FEWEST:
            break
    return found


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    bold: bool = False,
    color: str = "#1d2329",
) -> str:
    look = f'text-anchor="{anchor}" fill="{color}" {FONT} {HALO}'
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}{weight}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, color: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"/>'


def _svg(width: int, height: float, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0f}" '
        f'viewBox="0 0 {width} {height:.0f}">'
    )
    back = f'<rect width="{width}" height="{height:.0f}" fill="white"/>'
    return "\n".join([head, back, *parts, "</svg>"]) + "\n"
