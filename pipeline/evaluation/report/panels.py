"""Photos as pictures: which are shown, and of each the input, teacher, student and ground truth."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from kdsharp.comparison.sheet import Box, most_changed
from kdsharp.metrics import METRICS
from pipeline.evaluation.scoring import EvalPhoto, Method, load_pair
from pipeline.params import DegradationParams
from pipeline.paths import printable

__all__ = [
    "CELL",
    "DETAIL",
    "TITLES",
    "Shown",
    "choose",
    "file_names",
    "mark",
    "panel",
    "show",
    "shrink",
]

TITLES = {
    "input": "input",
    "teacher": "teacher",
    "student": "student",
    "truth": "ground truth",
}
"""The columns of a panel, as far as a photo has them: there may be no teacher."""

DETAIL = (100, 75)
"""Width and height in pixels of the part that is shown enlarged."""

_LONGEST = 100

CELL = 400
"""Width of a column and the greatest height of a whole picture, in pixels."""

_ENLARGE = CELL // DETAIL[0]
_GAP, _HEAD, _LABEL = 20, 76, 68
_PAPER, _INK, _FAINT, _MARK = (24, 24, 27), (244, 244, 245), (161, 161, 170), (250, 204, 21)
_GAIN, _LOSS = (74, 222, 128), (248, 113, 113)


@dataclass(frozen=True)
class Shown:
    """One photo as it is shown.

    `pictures` has keys of `TITLES`, in their order, all of one size; `scores` has the metrics of
    all of them but the truth; `box` is the detail; `remark` is empty or says why this photo was
    chosen.
    """

    photo: EvalPhoto
    pictures: Mapping[str, Image.Image]
    scores: Mapping[str, Mapping[str, float]]
    box: Box
    remark: str = ""

    @property
    def titles(self) -> Mapping[str, str]:
        """Those of `TITLES` that have a picture."""
        return {name: TITLES[name] for name in self.pictures}


def choose(table: pd.DataFrame, count: int) -> dict[EvalPhoto, str]:
    """At most `count` photos with a remark: the student's worst and best of test are among them.

    The others follow by name, test before val. `table` is that of `scoring.score`.
    """
    student = table[table["method"] == "student"].sort_values(["split", "name"])
    photos = {
        EvalPhoto(split, name): float(gain)
        for split, name, gain in zip(
            student["split"], student["name"], student["gain_y"], strict=True
        )
    }
    test = [photo for photo in photos if photo.split == "test"]
    remarks = {
        min(test, key=photos.__getitem__): "smallest gain of the test photos",
        max(test, key=photos.__getitem__): "largest gain of the test photos",
    }
    if len(test) < 2:
        remarks = {}
    ordered = sorted(photos, key=lambda photo: (photo not in remarks, photo.split, photo.name))
    chosen = sorted(ordered[:count], key=lambda photo: (photo.split, photo.name))
    return {photo: remarks.get(photo, "") for photo in chosen}


def show(
    photo: EvalPhoto,
    methods: Mapping[str, Method],
    table: pd.DataFrame,
    degradation: DegradationParams,
    remark: str = "",
) -> Shown:
    """The pictures of `photo` by those methods that are shown, and their scores from `table`.

    The detail is where the input is furthest from the truth: it does not depend on the models.
    """
    low, truth = load_pair(photo, degradation)
    pictures = {name: methods[name](low) for name in TITLES if name in methods}
    images = {name: Image.fromarray(made) for name, made in {**pictures, "truth": truth}.items()}
    rows = table[(table["split"] == photo.split) & (table["name"] == photo.name)]
    scores = {
        str(row["method"]): {key: float(row[key]) for key in (*METRICS, "gain_y")}
        for row in rows.to_dict("records")
    }
    width, height = (min(d, s) for d, s in zip(DETAIL, images["truth"].size, strict=True))
    box = most_changed(images["input"], images["truth"], (width, height))
    return Shown(photo, images, scores, box, remark)


def file_names(photos: Sequence[EvalPhoto]) -> dict[EvalPhoto, str]:
    """A file name for each photo's panel, made of letters, digits, dots, dashes and underscores.

    No two are equal, not even on a file system that ignores case.
    """
    names: dict[EvalPhoto, str] = {}
    taken: set[str] = set()
    for photo in photos:
        stem = f"{photo.split}-{_plain(photo.name)}"
        name = next(n for n in _numbered(stem) if n.casefold() not in taken)
        taken.add(name.casefold())
        names[photo] = f"{name}.png"
    return names


def _plain(name: str) -> str:
    stem = name.rpartition(".")[0] or name
    plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in stem.replace("/", "__"))
    return plain.encode()[:_LONGEST].decode(errors="ignore")


def _numbered(stem: str) -> Iterable[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}-{number}"
        number += 1


def panel(shown: Shown, subtitle: str) -> Image.Image:
    """The panel as RGB: a column for each picture, above it whole, below a detail enlarged 4 times.

    The scores are on Y. `subtitle` stands behind the photo's name.
    """
    whole = {name: shrink(picture, CELL) for name, picture in shown.pictures.items()}
    details = {name: _detail(picture, shown.box) for name, picture in shown.pictures.items()}
    height = whole["truth"].height
    top = _HEAD + _LABEL
    below = top + height + _GAP
    size = (len(shown.pictures) * (CELL + _GAP) + _GAP, below + details["truth"].height + _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    _head(draw, shown, subtitle)
    for column, (name, title) in enumerate(shown.titles.items()):
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
