"""Two pictures of one size in one picture: whole, split at 100 %, and a detail enlarged."""

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFont

from kdsharp.errors import UserError

__all__ = ["Box", "comparison", "most_changed", "parse_labels", "parse_zoom"]

Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels."""

_PAPER, _INK, _MARK = (24, 24, 27), (228, 228, 231), (250, 204, 21)
_GAP, _BAND, _TEXT = 24, 44, 24
_CELL = 840  # the longer side of each of the four pictures
_ENLARGE = 4


def comparison(
    before: Image.Image, after: Image.Image, labels: tuple[str, str], zoom: Box | None = None
) -> Image.Image:
    """Four cells: before, after, both split in the middle, and a detail of both enlarged.

    Both are RGB and of one size. Of pictures that are larger than a cell the split shows a part at
    100 %, around the detail. That is `zoom`, else where they differ most; it is enlarged
    with nearest neighbour, to show pixels and not interpolation. Raises `UserError` for
    sizes that differ and for a `zoom` that lies outside.
    """
    if before.size != after.size:
        raise UserError(f"the pictures differ in size: {_by(before.size)} and {_by(after.size)}")
    shown, cell, times = _layout(before.size)
    box = zoom or most_changed(before, after, _detail_size(before.size, cell, times))
    left, top, width, height = box
    if left + width > before.width or top + height > before.height:
        raise UserError(f"zoom {left},{top},{width},{height} lies outside {_by(before.size)}")
    sheet, (whole, other) = _Sheet(cell), (_resized(before, shown), _resized(after, shown))
    both = f"{labels[0]} | {labels[1]}"
    pair, times = _details(before, after, box, cell)
    if shown < before.size:
        part = _around(box, shown, before.size)
        sheet.put(0, 1, f"{both}, 100 %", _split(before.crop(part), after.crop(part)))
    else:
        sheet.put(0, 1, both, _split(whole, other))
    sheet.put(0, 0, labels[0], _marked(whole, before.size, box))
    sheet.put(1, 0, labels[1], _marked(other, after.size, box))
    sheet.put(1, 1, f"{both}, {times}x", pair)
    return sheet.image


def most_changed(before: Image.Image, after: Image.Image, size: tuple[int, int]) -> Box:
    """The window of `size` (width, height) in which the pictures differ most, on average."""
    width, height = size
    change = np.asarray(ImageChops.difference(before, after).convert("L"))
    # The sums over a large picture wrap around; their differences, a window's sum, do not.
    total = np.pad(change.cumsum(axis=0, dtype=np.uint32), ((1, 0), (1, 0)))
    total = total.cumsum(axis=1, dtype=np.uint32)
    windows = total[height:, width:] - total[:-height, width:]
    windows -= total[height:, :-width] - total[:-height, :-width]
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    return int(left), int(top), width, height


def parse_labels(text: str) -> tuple[str, str]:
    """`"A,B"` -> two labels; raises `UserError` for anything else."""
    labels = [label.strip() for label in text.split(",")]
    if len(labels) != 2 or not all(labels):
        raise UserError(f"labels {text!r}: give two names with a comma between them")
    return labels[0], labels[1]


def parse_zoom(text: str | None) -> Box | None:
    """`"X,Y,W,H"` or `"X,Y,S"` (a square) -> a box; raises `UserError` for anything else."""
    if text is None:
        return None
    try:
        numbers = [int(part) for part in text.split(",")]
        left, top, width, height = numbers if len(numbers) != 3 else [*numbers, numbers[2]]
    except ValueError as error:
        raise UserError(f"zoom {text!r}: give X,Y,W,H in pixels") from error
    if min(left, top) < 0 or min(width, height) < 1:
        raise UserError(f"zoom {text!r}: X and Y start at 0, W and H at 1")
    return left, top, width, height


class _Sheet:
    """Two columns and two rows of cells, each with its label above."""

    def __init__(self, cell: tuple[int, int]) -> None:
        self.cell = cell
        size = (2 * cell[0] + 3 * _GAP, 2 * (cell[1] + _BAND) + 2 * _GAP)
        self.image = Image.new("RGB", size, _PAPER)
        self.draw = ImageDraw.Draw(self.image)

    def put(self, column: int, row: int, label: str, picture: Image.Image) -> None:
        left = _GAP + column * (self.cell[0] + _GAP)
        top = _GAP // 2 + row * (self.cell[1] + _BAND + _GAP // 2)
        font = ImageFont.load_default(_TEXT)
        self.draw.text((left, top + _BAND // 2), label, _INK, font, anchor="lm")
        self.image.paste(picture, (left, top + _BAND))


def _layout(size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int], int]:
    """Size at which a picture of `size` is shown, size of a cell, enlargement of the detail.

    Small pictures are shown at a whole multiple, so that their pixels stay square.
    """
    factor = _CELL / max(size)
    factor = int(factor) if factor >= 2 else factor
    width, height = (max(round(side * factor), 1) for side in size)
    return (width, height), (max(width, 320), max(height, 240)), max(_ENLARGE, int(2 * factor))


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    way = Image.Resampling.NEAREST if size[0] >= 2 * image.width else Image.Resampling.LANCZOS
    return image.resize(size, way)


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _split(before: Image.Image, after: Image.Image) -> Image.Image:
    both, middle = before.copy(), before.width // 2
    both.paste(after.crop((middle, 0, *after.size)), (middle, 0))
    ImageDraw.Draw(both).line((middle, 0, middle, both.height), _MARK, 2)
    return both


def _around(box: Box, part: tuple[int, int], size: tuple[int, int]) -> Box:
    """The corners of a part of a picture of `size`, with the middle of `box` near its own."""
    left, top = (
        min(max(at + side // 2 - length // 2, 0), whole - length)
        for at, side, length, whole in zip(box[:2], box[2:], part, size, strict=True)
    )
    return left, top, left + part[0], top + part[1]


def _marked(shown: Image.Image, size: tuple[int, int], box: Box) -> Image.Image:
    """`shown` with a frame around `box`, which counts pixels of the picture of `size`."""
    x, y = shown.width / size[0], shown.height / size[1]
    left, top, width, height = box
    frame = (left * x - 2, top * y - 2, (left + width) * x + 1, (top + height) * y + 1)
    ImageDraw.Draw(shown).rectangle(frame, outline=_MARK, width=2)
    return shown


def _detail_size(size: tuple[int, int], cell: tuple[int, int], times: int) -> tuple[int, int]:
    """Width and height of a detail that fills its half of the cell when enlarged."""
    width, height = (max(min(h // times, s), 1) for h, s in zip(_half(cell), size, strict=True))
    return width, height


def _half(cell: tuple[int, int]) -> tuple[int, int]:
    """One of two pictures in a cell, beside each other or, in a tall cell, one above the other."""
    if cell[0] >= cell[1]:
        return (cell[0] - _GAP // 2) // 2, cell[1]
    return cell[0], (cell[1] - _GAP // 2) // 2


def _details(
    before: Image.Image, after: Image.Image, box: Box, cell: tuple[int, int]
) -> tuple[Image.Image, int]:
    """Both details in one picture, and how many times they are enlarged (1: or made smaller)."""
    half, (left, top, width, height) = _half(cell), box
    times = max(min(half[0] // width, half[1] // height), 1)
    details = [image.crop((left, top, left + width, top + height)) for image in (before, after)]
    details = [d.resize((width * times, height * times), Image.Resampling.NEAREST) for d in details]
    for detail in details:
        detail.thumbnail(half)
    shown, pair = details[0].size, Image.new("RGB", cell, _PAPER)
    pair.paste(details[0], (0, 0))
    beside = cell[0] >= cell[1]
    pair.paste(details[1], (shown[0] + _GAP // 2, 0) if beside else (0, shown[1] + _GAP // 2))
    return pair, times
