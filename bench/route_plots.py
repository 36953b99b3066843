"""Accuracy against speed as SVG text: no dependency, the same bytes every time."""

from collections.abc import Mapping, Sequence
from html import escape

from bench.learn_plots import COLOURS, spread_names

WIDTH, HEIGHT, LEFT, TOP, ACROSS, UP = 700, 380, 56, 16, 470, 300
MOST_LINES = 8
STEPS = (0.5, 1, 2, 5, 10, 20)
Points = Sequence[tuple[float, float]]  # times as fast as in full, accuracy lost in points


def draw_tradeoff(curves: Mapping[str, Points]) -> str:
    """Draw points of accuracy against times as fast, a line a set, each named at its end."""
    every = [point for points in curves.values() for point in points]
    right, low, high = 1.0, 0.0, 0.0
    for gain, change in every:
        right, low, high = max(right, gain), min(low, change), max(high, change)
    step = next(step for step in STEPS if (high - low) / step < MOST_LINES)
    low, high = step * (low // step), step * -(-high // step) or step
    across = next(step for step in STEPS if (right - 1) / step < MOST_LINES)

    def place(gain: float, change: float) -> tuple[float, float]:
        return LEFT + ACROSS * (gain - 1) / (right - 1), TOP + UP * (high - change) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for number in range(round((high - low) / step) + 1):
        value = low + number * step
        y = place(1, value)[1]
        parts.append(f'<path d="M{LEFT} {y:.1f}h{ACROSS}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{value:+g}" if value else "0", "end"))
    gain = 1.0
    while gain <= right:
        parts.append(_text(place(gain, low)[0], TOP + UP + 18, f"{gain:g}", "middle"))
        gain += across
    ends = {name: place(*points[-1])[1] for name, points in curves.items()}
    heights = dict(spread_names(ends))
    for colour, (name, points) in zip(COLOURS * 2, curves.items(), strict=False):
        places = [place(*point) for point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        parts.append(_text(LEFT + ACROSS + 12, heights[name] + 4, name, "start", colour))
    middle = LEFT + ACROSS / 2
    parts.append(_text(middle, HEIGHT - 12, "times as fast as in full, mean of a text", "middle"))
    turned = f'<g transform="rotate(-90 14 {TOP + UP / 2})">'
    parts.append(turned + _text(14, TOP + UP / 2, "accuracy to full, points", "middle") + "</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def _text(x: float, y: float, words: str, anchor: str, colour: str = "#222222") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"'
    return f"<text {place}>{escape(words)}</text>"
