"""Charts as SVG text: bars and curves, no dependency. The same numbers give the same bytes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 760
LABELS = 290  # room for the names left of the bars
BAR, GAP = 18, 6
TOP = 44
OURS, PEERS = "#0b6e4f", "#9aa5b1"
COLORS = ("#0b6e4f", "#c84630", "#2d5d9f", "#8a5a00", "#6b4fa0", "#5b6770")
FONT = 'font-family="sans-serif" font-size="12"'
PLOT = (70, 50, 480, 260)  # left, top, width, height of a plot's area
TICKS = 5


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its name, its value, and whether it is edgebert's."""

    name: str
    value: float
    ours: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a plot."""

    name: str
    points: tuple[tuple[float, float], ...]


def bars(title: str, values: Sequence[Bar], unit: str = "") -> str:
    """Draw bars, the longest on top; the one of value 1 is the baseline's line."""
    ordered = sorted(values, key=lambda bar: -bar.value)
    longest = max((bar.value for bar in ordered), default=1.0) or 1.0
    scale = (WIDTH - LABELS - 70) / longest
    parts = [_text(10, 22, title, bold=True)]
    for number, bar in enumerate(ordered):
        y = TOP + number * (BAR + GAP)
        width = bar.value * scale
        color = OURS if bar.ours else PEERS
        parts.append(_text(LABELS - 8, y + 13, bar.name, anchor="end", bold=bar.ours))
        parts.append(
            f'<rect x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{color}"/>'
        )
        parts.append(_text(LABELS + width + 6, y + 13, f"{bar.value:.2f}{unit}"))
    return _svg(WIDTH, TOP + len(ordered) * (BAR + GAP) + 10, parts)


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
        parts.append(_text(place, top + height + 18, f"{tick:g}", anchor="middle"))
    for tick in _ticks(*up):
        place = top + height * (1 - _share(tick, up))
        parts.append(_line(left, place, left + width, place, "#e3e7eb"))
        parts.append(_text(left - 6, place + 4, f"{tick:g}", anchor="end"))
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
    """Give round values (1, 2, 5 times a power of ten) inside of an axis, not too many."""
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(greatest)) + 1)
    found = [
        step * 10.0**power
        for power in powers
        for step in (1, 2, 5)
        if least <= step * 10.0**power <= greatest
    ]
    return found[:: max(1, math.ceil(len(found) / TICKS))]


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    bold: bool = False,
    color: str = "#1d2329",
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}" {FONT}{weight}>'
        f"{escape(text)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, color: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"/>'


def _svg(width: int, height: float, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0f}" '
        f'viewBox="0 0 {width} {height:.0f}">'
    )
    back = f'<rect width="{width}" height="{height:.0f}" fill="white"/>'
    return "\n".join([head, back, *parts, "</svg>"]) + "\n"
