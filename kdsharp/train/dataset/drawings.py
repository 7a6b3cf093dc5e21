"""Drawings and text to learn from: pages, signs, charts and line art, drawn by chance.

Photos hardly show letters or flat ground, and what has not seen them rings around them. All is
drawn here, so that nobody's rights are touched.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["draw"]

_FINE = 4  # shapes are drawn so many times larger, and so have smooth edges
_LETTERS = (
    "abcdefghijklmnopqrstuvwxyz" * 4 + "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + "0123456789.,:;!?()-+=/"
)

Color = tuple[int, int, int]


def draw(random: np.random.Generator, side: int) -> Image.Image:
    """A drawing of `side` by `side` pixels, RGB; the same `random` state gives the same."""
    make = _KINDS[int(random.integers(len(_KINDS)))]
    return make(random, side)


def _page(random: np.random.Generator, side: int) -> Image.Image:
    """Lines of text in one or a few sizes."""
    ground, ink = _pair(random)
    page = Image.new("RGB", (side, side), ground)
    pen = ImageDraw.Draw(page)
    top = -float(random.uniform(0, 12))
    while top < side:
        size = float(random.choice((11, 12, 13, 14, 16, 18, 24, 36, 60)))
        font = ImageFont.load_default(size)
        for _ in range(int(random.integers(1, 5))):
            color = ink if random.random() < 0.8 else _color(random)
            pen.text((float(random.uniform(-20, 8)), top), _words(random), color, font)
            top += size * 1.3
        top += size * float(random.uniform(0, 1))
    return page


def _shapes(random: np.random.Generator, side: int) -> Image.Image:
    """Filled and outlined shapes over each other, with smooth edges."""
    large = Image.new("RGB", (side * _FINE, side * _FINE), _color(random))
    pen = ImageDraw.Draw(large)
    for _ in range(int(random.integers(6, 30))):
        box = _box(random, side * _FINE)
        fill = _color(random) if random.random() < 0.7 else None
        width = int(random.integers(2, 5 * _FINE))
        outline = _color(random) if fill is None or random.random() < 0.4 else None
        if random.random() < 0.5:
            pen.rectangle(box, fill, outline, width)
        else:
            pen.ellipse(box, fill, outline, width)
    return large.reduce(_FINE)


def _lines(random: np.random.Generator, side: int) -> Image.Image:
    """Line art: strokes of a few widths on flat ground."""
    ground, ink = _pair(random)
    large = Image.new("RGB", (side * _FINE, side * _FINE), ground)
    pen = ImageDraw.Draw(large)
    for _ in range(int(random.integers(8, 40))):
        points = [tuple(map(float, point)) for point in random.uniform(0, side * _FINE, (3, 2))]
        width = int(random.choice((_FINE, _FINE + 2, 2 * _FINE, 4 * _FINE)))
        pen.line(points, ink if random.random() < 0.7 else _color(random), width, "curve")
    return large.reduce(_FINE)


def _screen(random: np.random.Generator, side: int) -> Image.Image:
    """Panels with hard edges, hairlines and labels, as programs draw them."""
    ground, ink = _pair(random)
    page = Image.new("RGB", (side, side), ground)
    pen = ImageDraw.Draw(page)
    for _ in range(int(random.integers(4, 14))):
        box = _box(random, side)
        pen.rectangle(box, _color(random) if random.random() < 0.5 else ground, ink, 1)
        font = ImageFont.load_default(float(random.choice((10, 12, 14, 20))))
        pen.text((box[0] + 4, box[1] + 3), _words(random)[:24], ink, font)
    return page


def _box(random: np.random.Generator, side: int) -> tuple[float, float, float, float]:
    left, top = random.uniform(-0.2 * side, side, 2)
    across, down = random.uniform(0.02 * side, 0.5 * side, 2)
    return float(left), float(top), float(left + across), float(top + down)


def _words(random: np.random.Generator) -> str:
    letters = random.choice(list(_LETTERS), 80)
    return "".join(letter if random.random() > 0.17 else " " for letter in letters)


def _pair(random: np.random.Generator) -> tuple[Color, Color]:
    """Ground and ink: mostly dark on light, at times light on dark or any two colours."""
    kind, grey = random.random(), int(random.integers(0, 50))
    dark, light = (grey,) * 3, (255 - int(random.integers(0, 25)),) * 3
    if kind < 0.6:
        return light, dark
    return (dark, light) if kind < 0.8 else (_color(random), _color(random))


def _color(random: np.random.Generator) -> Color:
    red, green, blue = map(int, random.integers(0, 256, 3))
    return red, green, blue


_KINDS: tuple[Callable[[np.random.Generator, int], Image.Image], ...] = (
    _page,
    _shapes,
    _lines,
    _screen,
)
