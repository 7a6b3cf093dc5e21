"""One photo as a picture: input, teacher, student and ground truth, whole and enlarged."""

from collections.abc import Mapping

from PIL import Image, ImageDraw, ImageFont

from kdsharp.compare import Box
from pipeline.names import printable
from pipeline.report.shown import DETAIL, TITLES, Shown

__all__ = ["CELL", "mark", "panel", "shrink"]

CELL = 400
"""Width of a column and the greatest height of a whole picture, in pixels."""

_ENLARGE = CELL // DETAIL[0]
_GAP, _HEAD, _LABEL = 20, 76, 68
_PAPER, _INK, _FAINT, _MARK = (24, 24, 27), (244, 244, 245), (161, 161, 170), (250, 204, 21)
_GAIN, _LOSS = (74, 222, 128), (248, 113, 113)


def panel(shown: Shown, subtitle: str) -> Image.Image:
    """The panel as RGB: four columns, above the whole pictures, below a detail enlarged 4 times.

    The scores are on Y. `subtitle` stands behind the photo's name.
    """
    whole = {name: shrink(picture, CELL) for name, picture in shown.pictures.items()}
    details = {name: _detail(picture, shown.box) for name, picture in shown.pictures.items()}
    height = whole["truth"].height
    top = _HEAD + _LABEL
    below = top + height + _GAP
    size = (len(TITLES) * (CELL + _GAP) + _GAP, below + details["truth"].height + _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    _head(draw, shown, subtitle)
    for column, (name, title) in enumerate(TITLES.items()):
        left = _GAP + column * (CELL + _GAP)
        _label(draw, left, title, shown.scores.get(name))
        marked = mark(whole[name], shown.pictures[name].size, shown.box)
        for picture, y in ((marked, top), (details[name], below)):
            sheet.paste(picture, (left + (CELL - picture.width) // 2, y))
    return sheet


def shrink(picture: Image.Image, most: int) -> Image.Image:
    """`picture` with its longer side at most `most` pixels; tiny ones a whole number of times."""
    factor = most / max(picture.size)
    if factor >= 2:
        size = (picture.width * int(factor), picture.height * int(factor))
        return picture.resize(size, Image.Resampling.NEAREST)
    small = picture.copy()
    small.thumbnail((most, most), Image.Resampling.LANCZOS)
    return small


def mark(shown: Image.Image, size: tuple[int, int], box: Box) -> Image.Image:
    """A copy of `shown` with a frame around `box`, in pixels of the picture of `size`."""
    marked = shown.copy()
    x, y = shown.width / size[0], shown.height / size[1]
    left, top, width, height = box
    frame = (
        max(left * x - 2, 0),
        max(top * y - 2, 0),
        min((left + width) * x + 1, shown.width - 1),
        min((top + height) * y + 1, shown.height - 1),
    )
    ImageDraw.Draw(marked).rectangle(frame, outline=_MARK, width=2)
    return marked


def _detail(picture: Image.Image, box: Box) -> Image.Image:
    left, top, width, height = box
    cut = picture.crop((left, top, left + width, top + height))
    return cut.resize((width * _ENLARGE, height * _ENLARGE), Image.Resampling.NEAREST)


def _head(draw: ImageDraw.ImageDraw, shown: Shown, subtitle: str) -> None:
    # Pillow's own font knows Western letters only.
    name = printable(shown.photo.name).encode("latin-1", "replace").decode("latin-1")
    name = name if len(name) <= 60 else f"...{name[-57:]}"
    width, height = shown.pictures["truth"].size
    about = ", ".join(
        part for part in (shown.photo.split, f"{width}x{height}", subtitle, shown.remark) if part
    )
    middle, font = _GAP // 2 + _HEAD // 2, ImageFont.load_default(28)
    draw.text((_GAP, middle), name, _INK, font, anchor="lm")
    behind = _GAP + draw.textlength(name, font) + _GAP
    draw.text((behind, middle + 2), about, _FAINT, ImageFont.load_default(21), anchor="lm")


def _label(
    draw: ImageDraw.ImageDraw, left: int, title: str, scores: Mapping[str, float] | None
) -> None:
    big, small = ImageFont.load_default(24), ImageFont.load_default(21)
    draw.text((left, _HEAD + 18), title, _INK, big, anchor="lm")
    if scores is None:
        draw.text((left, _HEAD + 47), "PSNR / SSIM on Y", _FAINT, small, anchor="lm")
        return
    text = f"{scores['psnr_y']:.2f} dB / {scores['ssim_y']:.4f}"
    draw.text((left, _HEAD + 47), text, _FAINT, small, anchor="lm")
    if title != TITLES["input"]:
        gain = scores["gain_y"]
        color = _LOSS if gain < 0 else _GAIN
        draw.text((left + CELL, _HEAD + 47), f"{gain:+.2f} dB", color, small, anchor="rm")
