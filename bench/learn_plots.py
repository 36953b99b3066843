"""Curves as SVG text over 1, 2, 3, ... on linear axes: no dependency, the same bytes every time."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 700, 360, 56, 48, 16, 130
ACROSS, UP = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
COLOURS = ("#1b6ca8", "#2a9d5c", "#d1495b", "#8d6a9f", "#b8860b", "#555555")
STEPS = (1, 2, 5, 10, 20)  # between lines across
MOST_LINES = 8
NAME_HEIGHT = 15  # names at the curves' ends are kept so far apart


def draw_curves(curves: Mapping[str, Sequence[float]], x: str, y: str) -> str:
    """Draw named curves of percents, each named at its end."""
    values = [value for curve in curves.values() for value in curve]
    step = next(step for step in STEPS if (max(values) - min(values)) / step < MOST_LINES)
    low, high = step * int(min(values) // step), min(100, step * -int(-max(values) // step))
    most = max(len(curve) for curve in curves.values())

    def place(number: int, value: float) -> tuple[float, float]:
        return (
            LEFT + ACROSS * number / max(most - 1, 1),
            TOP + UP * (1 - (value - low) / max(high - low, 1)),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for value in range(low, high + 1, step):
        height = place(0, value)[1]
        parts.append(f'<path d="M{LEFT} {height:.1f}h{ACROSS}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, height + 4, str(value), "end"))
    for number in range(most):
        parts.append(_text(place(number, low)[0], HEIGHT - 28, str(number + 1), "middle"))
    ends = {name: place(len(curve) - 1, curve[-1])[1] for name, curve in curves.items()}
    heights = dict(spread_names(ends))
    for colour, (name, curve) in zip(COLOURS, curves.items(), strict=False):
        points = [place(number, value) for number, value in enumerate(curve)]
        path = " ".join(f"{left:.1f},{height:.1f}" for left, height in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points]
        parts.append(_text(LEFT + ACROSS + 12, heights[name] + 4, name, "start", colour))
    parts.append(_text(LEFT + ACROSS / 2, HEIGHT - 8, x, "middle"))
    turned = f'<g transform="rotate(-90 14 {TOP + UP / 2})">'
    parts.append(turned + _text(14, TOP + UP / 2, y, "middle") + "</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def spread_names(ends: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """Move names down until none covers another, the highest first."""
    last = -float(NAME_HEIGHT)
    for name, height in sorted(ends.items(), key=lambda item: item[1]):
        last = max(height, last + NAME_HEIGHT)
        yield name, last


def _text(x: float, y: float, words: str, anchor: str, colour: str = "#222222") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"'
    return f"<text {place}>{escape(words)}</text>"
