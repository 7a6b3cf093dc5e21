"""Two pictures of one size in one place: a slider's picture, a wipe or a blink as an animation."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kdsharp.comparison.sheet import Box, most_changed
from kdsharp.errors import UserError
from kdsharp.files import atomic_file

__all__ = ["ANIMATED", "actual_size", "blink", "cut", "save_animation", "split", "wipe"]

ANIMATED = frozenset({".gif", ".webp"})
"""Suffixes of files that hold an animation."""

Frames = Sequence[tuple[Image.Image, int]]
"""Pictures of one size, each with the milliseconds that it is shown."""

_LONGEST = 960  # pixels of the longer side of an animation
_STEPS, _STEP_MS, _REST_MS, _BLINK_MS = 24, 40, 900, 800
_LINE, _SHADE, _INK = (255, 255, 255), (0, 0, 0, 150), (255, 255, 255, 255)


def cut(
    before: Image.Image, after: Image.Image, box: Box | None
) -> tuple[Image.Image, Image.Image]:
    """The part `box` of both, or all; raises `UserError` if sizes differ or it lies outside."""
    if before.size != after.size:
        raise UserError(f"the pictures differ in size: {_by(before)} and {_by(after)}")
    if box is None:
        return before, after
    left, top, width, height = box
    if left + width > before.width or top + height > before.height:
        raise UserError(f"zoom {left},{top},{width},{height} lies outside {_by(before)}")
    window = (left, top, left + width, top + height)
    return before.crop(window), after.crop(window)


def actual_size(before: Image.Image, after: Image.Image) -> Box | None:
    """The part that an animation has room for at 100 %, where they differ most; None for all.

    Made smaller, both would look alike. Both have one size.
    """
    size = _fitting(before.size)
    return None if before.size == after.size == size else most_changed(before, after, size)


def split(
    before: Image.Image, after: Image.Image, labels: tuple[str, str], position: float = 0.5
) -> Image.Image:
    """`before` left of a handle and `after` right of it, in full size, each with its label.

    Both are RGB and of one size. `position` is 0 (all after) to 1 (all before) of the width.
    Raises `UserError` for another position.
    """
    if not 0 <= position <= 1:
        raise UserError(f"position must be from 0 to 1, not {position}")
    middle = round(position * before.width)
    both = after.copy()
    both.paste(before.crop((0, 0, middle, before.height)))
    _label(both, labels, middle)
    if 0 < middle < both.width:
        _handle(both, middle)
    return both


def wipe(before: Image.Image, after: Image.Image, labels: tuple[str, str]) -> Frames:
    """The handle runs to the left, which reveals `after`, and back again, resting at both ends."""
    before, after = _small(before), _small(after)
    # It starts and stops slowly, as a hand moves a slider.
    way = [0.5 + 0.5 * math.cos(math.pi * step / _STEPS) for step in range(2 * _STEPS)]
    frames = [split(before, after, labels, position) for position in way]
    return [(f, _STEP_MS if i % _STEPS else _REST_MS) for i, f in enumerate(frames)]


def blink(before: Image.Image, after: Image.Image, labels: tuple[str, str]) -> Frames:
    """One after the other, in turn."""
    before, after = _small(before), _small(after)
    return [(split(before, after, labels, position), _BLINK_MS) for position in (1.0, 0.0)]


def save_animation(frames: Frames, target: Path) -> None:
    """Write `frames` as a GIF or WebP that runs for ever, by the suffix of `target`, atomically.

    All frames of a GIF have one palette of 255 colours, so that still parts stay still. Raises
    `UserError` for another suffix.
    """
    target = Path(target)
    if target.suffix.lower() not in ANIMATED:
        raise UserError(f"{target}: an animation ends with {' or '.join(sorted(ANIMATED))}")
    images, durations = [image for image, _ in frames], [shown for _, shown in frames]
    options: dict[str, object] = {"quality": 90, "method": 4}
    if target.suffix.lower() == ".gif":
        images, options = _with_one_palette(images), {"disposal": 1}
    encoded = io.BytesIO()
    first, *rest = images
    file_format = target.suffix[1:].upper()
    shown: dict[str, object] = {"append_images": rest, "duration": durations, "loop": 0}
    first.save(encoded, file_format, save_all=True, **shown, **options)
    with atomic_file(target) as temporary:
        temporary.write_bytes(encoded.getbuffer())


def _with_one_palette(images: Sequence[Image.Image]) -> list[Image.Image]:
    """Indexed pictures, dithered by a fixed pattern: error diffusion would shimmer as it moves."""
    both = Image.new("RGB", (images[0].width, 2 * images[0].height))
    both.paste(images[0])
    both.paste(images[len(images) // 2], (0, images[0].height))
    palette = both.quantize(255, Image.Quantize.MEDIANCUT)
    pattern = _pattern(images[0].size)
    levels = [_dithered(image, pattern) for image in images]
    return [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in levels]


def _pattern(size: tuple[int, int]) -> np.ndarray[tuple[int, int, int], np.dtype[np.int16]]:
    """Bayer's 4x4 matrix, -4..4 levels, over `size`."""
    order = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
    levels = np.rint((order - 7.5) * 0.55).astype(np.int16)
    tiled = np.tile(levels, (-(-size[1] // 4), -(-size[0] // 4)))
    return tiled[: size[1], : size[0], None]


def _dithered(
    image: Image.Image, pattern: np.ndarray[tuple[int, int, int], np.dtype[np.int16]]
) -> Image.Image:
    shifted = np.asarray(image).astype(np.int16) + pattern
    return Image.fromarray(shifted.clip(0, 255).astype(np.uint8))


def _small(image: Image.Image) -> Image.Image:
    size = _fitting(image.size)
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)


def _fitting(size: tuple[int, int]) -> tuple[int, int]:
    """`size` in its own shape, with `_LONGEST` pixels at most."""
    factor = min(_LONGEST / max(size), 1)
    return max(round(size[0] * factor), 1), max(round(size[1] * factor), 1)


def _label(image: Image.Image, labels: tuple[str, str], middle: int) -> None:
    """Each in its corner on a dark ground, as far as its own side is wide enough."""
    size = max(min(image.size) // 28, 12)
    font, pad = ImageFont.load_default(size), size // 2
    draw = ImageDraw.Draw(image, "RGBA")
    rooms = (middle, image.width - middle)
    for index, (label, room) in enumerate(zip(labels, rooms, strict=True)):
        wide = math.ceil(draw.textlength(label, font)) + 2 * pad
        if wide + 2 * pad > room or size + 4 * pad > image.height:
            continue
        left = pad if index == 0 else image.width - pad - wide
        box = (left, pad, left + wide, size + 2 * pad)
        draw.rounded_rectangle(box, pad // 2, _SHADE)
        draw.text((left + pad, (box[1] + box[3]) / 2), label, _INK, font, anchor="lm")


def _handle(image: Image.Image, middle: int) -> None:
    """A line, and on it a knob with an arrow to each side."""
    draw = ImageDraw.Draw(image, "RGBA")
    width = max(min(image.size) // 300, 2)
    left = middle - width // 2
    draw.rectangle((left - 1, 0, left + width, image.height), (0, 0, 0, 90))
    draw.rectangle((left, 0, left + width - 1, image.height), _LINE)
    radius, center = min(image.size) / 24, image.height / 2
    if radius < 6:
        return
    draw.circle((middle, center), radius, _SHADE, _LINE, width)
    for side in (-1, 1):
        tip = (middle + side * radius * 0.7, center)
        base = middle + side * radius * 0.25
        corners = [tip, (base, center - radius * 0.38), (base, center + radius * 0.38)]
        draw.polygon(corners, _LINE)


def _by(image: Image.Image) -> str:
    return f"{image.width}x{image.height}"
