"""Curves as SVG, written by hand: no plotting library for four lines."""

from collections.abc import Mapping, Sequence
from pathlib import Path

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 360, 56, 44, 16, 150
COLOURS = ("#1b6ca8", "#2a9d5c", "#d1495b", "#8d6a9f", "#b8860b", "#555555")


def draw_curves(path: Path, curves: Mapping[str, Sequence[float]], x: str, y: str) -> None:
    """Draw named curves over 1, 2, 3, ... with a scale from 0 or from below the least value."""
    values = [value for curve in curves.values() for value in curve]
    low = 10 * int(min(values) // 10)
    most = max(len(curve) for curve in curves.values())
    across, up = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(number: int, value: float) -> tuple[float, float]:
        share = (value - low) / max(100 - low, 1)
        return LEFT + across * number / max(most - 1, 1), TOP + up * (1 - share)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for value in range(low, 101, 10):
        _, height = place(0, value)
        parts.append(f'<path d="M{LEFT} {height:.1f}h{across}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{height + 4:.1f}" text-anchor="end">{value}</text>')
    for number in range(most):
        left, _ = place(number, low)
        label = f'<text x="{left:.1f}" y="{HEIGHT - 24}" text-anchor="middle">{number + 1}</text>'
        parts.append(label)
    for place_in_list, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[place_in_list % len(COLOURS)]
        points = " ".join("{:.1f},{:.1f}".format(*place(i, v)) for i, v in enumerate(curve))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        height = TOP + 18 * place_in_list + 12
        parts.append(f'<text x="{WIDTH - RIGHT + 12}" y="{height}" fill="{colour}">{name}</text>')
    parts.append(f'<text x="{LEFT + across / 2}" y="{HEIGHT - 6}" text-anchor="middle">{x}</text>')
    parts.append(
        f'<text x="14" y="{TOP + up / 2}" text-anchor="middle" '
        f'transform="rotate(-90 14 {TOP + up / 2})">{y}</text>'
    )
    path.write_text("\n".join([*parts, "</svg>"]) + "\n", encoding="utf-8")
