"""Draw the icons of the installed site as PNG, in the shape of `static/icon.svg`."""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageDraw

SIZES = (180, 192, 512)
FOLDER = Path(__file__).parents[1] / "src/aed/web/static"
GREEN, WHITE = "#00794f", "#ffffff"
SMOOTHING = 4
"""Each pixel is drawn from this many pixels squared."""
MARGIN = 0.16
"""A launcher may cut the outer tenth of the icon away."""

type Point = tuple[float, float]


def curve(start: Point, first: Point, second: Point, end: Point) -> list[Point]:
    """Return points on a cubic Bézier curve."""
    found = []
    for number in range(41):
        t = number / 40
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
        points = (start, first, second, end)
        found.append(
            (
                sum(w * x for w, (x, _) in zip(weights, points, strict=True)),
                sum(w * y for w, (_, y) in zip(weights, points, strict=True)),
            )
        )
    return found


def arc(start: Point, end: Point, radius: float) -> list[Point]:
    """Return points on the clockwise minor arc between two points."""
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    across = (end[0] - start[0], end[1] - start[1])
    length = math.hypot(*across)
    off = math.sqrt(max(radius**2 - length**2 / 4, 0)) / length
    centre = (middle[0] - across[1] * off, middle[1] + across[0] * off)
    begins = math.atan2(start[1] - centre[1], start[0] - centre[0])
    ends = math.atan2(end[1] - centre[1], end[0] - centre[0])
    if ends < begins:
        ends += 2 * math.pi
    angles = [begins + (ends - begins) * number / 40 for number in range(41)]
    return [(centre[0] + radius * math.cos(each), centre[1] + radius * math.sin(each)) for each in angles]


HEART = [
    *curve((32, 58), (10, 42), (4, 32), (4, 21)),
    *arc((4, 21), (32, 13), 15),
    *arc((32, 13), (60, 21), 15),
    *curve((60, 21), (60, 32), (54, 42), (32, 58)),
]
FLASH = [(36, 16), (22, 35), (31, 35), (28, 49), (42, 30), (33, 30)]


def icon(size: int) -> Image.Image:
    """Return the icon: white on green, edge to edge."""
    large = size * SMOOTHING
    image = Image.new("RGB", (large, large), GREEN)
    scale = large * (1 - 2 * MARGIN) / 64
    draw = ImageDraw.Draw(image)
    for points, colour in ((HEART, WHITE), (FLASH, GREEN)):
        draw.polygon([(large * MARGIN + x * scale, large * MARGIN + y * scale) for x, y in points], colour)
    return image.resize((size, size), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    for each in SIZES:
        icon(each).save(FOLDER / f"icon-{each}.png", optimize=True)
