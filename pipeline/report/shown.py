"""Which photos are shown, and what is shown of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from PIL import Image

from kdsharp.compare import Box, most_changed
from kdsharp.metrics import METRICS
from pipeline.params import DegradationParams
from pipeline.scoring import Method, Photo, load_pair

__all__ = ["DETAIL", "TITLES", "Shown", "choose", "file_names", "show"]

TITLES = {
    "input": "input",
    "teacher": "teacher",
    "student": "student",
    "truth": "ground truth",
}
"""The columns of a panel."""

DETAIL = (100, 75)
"""Width and height in pixels of the part that is shown enlarged."""

_LONGEST = 100


@dataclass(frozen=True)
class Shown:
    """One photo as it is shown.

    `pictures` has the keys of `TITLES`, all of one size; `scores` has the metrics of all of them
    but the truth; `box` is the detail; `remark` is empty or says why this photo was chosen.
    """

    photo: Photo
    pictures: Mapping[str, Image.Image]
    scores: Mapping[str, Mapping[str, float]]
    box: Box
    remark: str = ""


def choose(table: pd.DataFrame, count: int) -> dict[Photo, str]:
    """At most `count` photos with a remark: the student's worst and best of test are among them.

    The others follow by name, test before val. `table` is that of `pipeline.scoring.score`.
    """
    student = table[table["method"] == "student"].sort_values(["split", "name"])
    photos = {
        Photo(split, name): float(gain)
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
    photo: Photo,
    methods: Mapping[str, Method],
    table: pd.DataFrame,
    degradation: DegradationParams,
    remark: str = "",
) -> Shown:
    """The pictures of `photo` by those methods that are shown, and their scores from `table`.

    The detail is where the input is furthest from the truth: it does not depend on the models.
    """
    low, truth = load_pair(photo, degradation)
    pictures = {name: methods[name](low) for name in TITLES if name != "truth"}
    images = {name: Image.fromarray(made) for name, made in {**pictures, "truth": truth}.items()}
    rows = table[(table["split"] == photo.split) & (table["name"] == photo.name)]
    scores = {
        str(row["method"]): {key: float(row[key]) for key in (*METRICS, "gain_y")}
        for row in rows.to_dict("records")
    }
    width, height = (min(d, s) for d, s in zip(DETAIL, images["truth"].size, strict=True))
    box = most_changed(images["input"], images["truth"], (width, height))
    return Shown(photo, images, scores, box, remark)


def file_names(photos: Sequence[Photo]) -> dict[Photo, str]:
    """A file name for each photo's panel, made of letters, digits, dots, dashes and underscores.

    No two are equal, not even on a file system that ignores case.
    """
    names: dict[Photo, str] = {}
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
