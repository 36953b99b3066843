"""Figures as SVG text for report pages: no dependency, no script; the same numbers, the same bytes.

They scale with the page (a viewBox and no fixed width), and their text is drawn for a width of 360,
so that it can be read on a phone. Colours come from the page's own variables, light or dark.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from edgebert.metrics import Bin, Interval

WIDTH = 360
LEFT, TOP, SIDE = 44, 14, 290  # of the square or wide plots' area
MOST_CELLS = 40  # labels of a matrix that can still be read
NEAR = 12  # of two points whose numbers would overlap
ROW = 36  # height of an interval's line


@dataclass(frozen=True, slots=True)
class Point:
    """A bundle among others: what it costs and how good it is."""

    name: str
    x: float
    y: Interval
    best: bool  # none is both cheaper and better


def text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "t") -> str:
    """Write words at a place."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} class="{kind}">{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str = "grid") -> str:
    """Draw a line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def svg(height: float, parts: Sequence[str], label: str) -> str:
    """Put parts into a figure."""
    head = f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">'
    return "\n".join([head, *parts, "</svg>"])


def intervals(rows: Sequence[tuple[str, Interval]], low: float = 0.0, high: float = 1.0) -> str:
    """Draw values with their intervals, one line each, over one axis."""
    left, width = 12, WIDTH - 24

    def place(value: float) -> float:
        return left + width * (min(max(value, low), high) - low) / (high - low)

    parts = []
    for number, (name, interval) in enumerate(rows):
        y = 14 + number * ROW
        parts.append(text(left, y, name))
        parts.append(text(left + width, y, say(interval), anchor="end", kind="t strong"))
        parts.append(line(left, y + 11, left + width, y + 11))
        if interval.low is not None and interval.high is not None:
            parts.append(line(place(interval.low), y + 11, place(interval.high), y + 11, "bar"))
        parts.append(f'<circle cx="{place(interval.value):.1f}" cy="{y + 11}" r="4" class="dot"/>')
    return svg(14 + len(rows) * ROW, parts, "figures with their intervals")


def say(interval: Interval) -> str:
    """Write a value and its interval."""
    if interval.low is None:
        return f"{interval.value:.4f}"
    return f"{interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f})"


def reliability_plot(curve: Sequence[Bin]) -> str:
    """Draw accuracy over confidence; on the diagonal the two are one. Areas are rows."""
    parts = [*_frame(0.0, 1.0, 0.0, 1.0, "confidence", "accuracy")]
    parts.append(line(LEFT, TOP + SIDE, LEFT + SIDE, TOP, "diagonal"))
    most = max((point.rows for point in curve), default=1)
    for point in curve:
        x, y = LEFT + SIDE * point.confidence, TOP + SIDE * (1 - point.accuracy)
        radius = 3 + 9 * (point.rows / most) ** 0.5
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" class="dot soft">'
            f"<title>{point.rows} rows</title></circle>"
        )
    return svg(TOP + SIDE + 36, parts, "reliability curve")


def matrix_plot(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Draw a confusion matrix: rows are right, columns given, darker is a larger share of a row."""
    if len(labels) > MOST_CELLS:
        side, names, left, top = WIDTH - 20.0, False, 10.0, 10.0
    else:
        left = min(120.0, 14 + 6.0 * max(map(len, labels), default=1))
        side, names, top = WIDTH - left - 10, True, 14.0
    cell = side / max(1, len(labels))
    parts = [f'<rect x="{left}" y="{top}" width="{side}" height="{side}" class="paper"/>']
    for row, (label, values) in enumerate(zip(labels, counts, strict=True)):
        total = sum(values) or 1
        y = top + row * cell
        if names:
            parts.append(
                text(left - 4, y + cell / 2 + 3, _short(label), anchor="end", kind="t small")
            )
        for column, value in enumerate(values):
            if value:
                parts.append(_cell(left + column * cell, y, cell, value, total, row == column))
    return svg(top + side + 10, parts, "confusion matrix")


def _cell(x: float, y: float, size: float, value: int, total: int, right: bool) -> str:
    kind = "hit" if right else "miss"
    box = (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{size:.2f}" height="{size:.2f}" class="{kind}" '
        f'fill-opacity="{0.12 + 0.88 * value / total:.2f}"/>'
    )
    if size < 24:
        return box
    return box + text(x + size / 2, y + size / 2 + 4, str(value), anchor="middle", kind="t small")


def _short(label: str, most: int = 18) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"


def pareto_plot(points: Sequence[Point], x: str, y: str) -> str:
    """Draw quality over cost; points that none beats in both are filled and joined."""
    xs = [point.x for point in points]
    ys = [v for p in points for v in (p.y.value, p.y.low, p.y.high) if v is not None]
    right = 1.15 * max(xs)
    pad = 0.15 * (max(ys) - min(ys)) or 0.05
    bottom, top = min(ys) - pad, max(ys) + pad
    parts = [*_frame(0.0, right, bottom, top, x, y)]

    def at(cost: float, value: float) -> tuple[float, float]:
        return LEFT + SIDE * cost / right, TOP + SIDE * (1 - (value - bottom) / (top - bottom))

    front = sorted((point.x, point.y.value) for point in points if point.best)
    path = " ".join(f"{px:.1f},{py:.1f}" for px, py in (at(*one) for one in front))
    parts.append(f'<polyline points="{path}" class="front"/>')
    placed: list[tuple[float, float]] = []
    for number, point in enumerate(points, 1):
        px, py = at(point.x, point.y.value)
        if point.y.low is not None and point.y.high is not None:
            parts.append(line(px, at(0, point.y.low)[1], px, at(0, point.y.high)[1], "thin"))
        kind = "dot" if point.best else "dot open"
        parts.append(
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="5" class="{kind}">'
            f"<title>{escape(point.name)}</title></circle>"
        )
        # points that lie on each other have their numbers side by side
        near = sum(abs(x - px) + abs(y - py) < NEAR for x, y in placed)
        placed.append((px, py))
        parts.append(text(px + 8 + 10 * near, py - 6, str(number), kind="t strong"))
    return svg(TOP + SIDE + 36, parts, f"{y} over {x}")


def _frame(low_x: float, high_x: float, low_y: float, high_y: float, x: str, y: str) -> list[str]:
    """Draw a plot's axes, marked at round numbers."""
    parts = []
    for value in marks(low_x, high_x):
        px = LEFT + SIDE * (value - low_x) / (high_x - low_x)
        parts.append(line(px, TOP, px, TOP + SIDE))
        parts.append(text(px, TOP + SIDE + 14, f"{value:.4g}", anchor="middle", kind="t small"))
    for value in marks(low_y, high_y):
        py = TOP + SIDE * (1 - (value - low_y) / (high_y - low_y))
        parts.append(line(LEFT, py, LEFT + SIDE, py))
        parts.append(text(LEFT - 5, py + 4, f"{value:.4g}", anchor="end", kind="t small"))
    parts.append(text(LEFT + SIDE / 2, TOP + SIDE + 30, x, anchor="middle", kind="t small"))
    parts.append(text(LEFT, TOP - 4, y, kind="t small"))
    return parts


def marks(low: float, high: float) -> list[float]:
    """Give the round numbers within a range, three to six of them."""
    power = 10.0 ** floor(log10(high - low))
    step = next(s for s in (0.2, 0.25, 0.5, 1.0, 2.0) if (high - low) / (s * power) < 5.5) * power
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]
