"""What a version was trained on, kept beside it."""

import numpy as np
import pytest
from PIL import Image

from kdsharp.errors import UserError
from pipeline.data.check import perceptual_hash
from pipeline.release.gate.crops import CropSource
from pipeline.release.registry.fingerprints import (
    PHOTOS,
    Fingerprint,
    find_seen,
    list_fingerprints,
    read_fingerprints,
    write,
)
from tests.pipeline.release.gated import photo


def source(made):
    return CropSource(made.name, made.sha256, made.perceptual_hash)


@pytest.fixture
def raw(tmp_path):
    """Two photos in train, one in val, one in test, and a plain one without a perceptual hash."""
    places = {"train": [1, 2], "val": [3], "test": [4]}
    made = {seed: photo(tmp_path / s / f"{seed}.png", seed) for s in places for seed in places[s]}
    plain = tmp_path / "train" / "plain.png"
    Image.fromarray(np.full((80, 80, 3), 9, np.uint8)).save(plain)
    lines = [f"{seed}.png,{s},x\n" for s, seeds in places.items() for seed in seeds]
    (tmp_path / "manifest.csv").write_text("name,split,sha256\n" + "".join(lines))
    with (tmp_path / "manifest.csv").open("a") as opened:
        opened.write("plain.png,train,x\n")
    return tmp_path, made


def test_they_are_those_that_something_was_learned_from(raw, tmp_path):
    root, made = raw
    found = list_fingerprints(root / "manifest.csv", root)
    names = ["train/1.png", "train/2.png", "train/plain.png", "val/3.png"]
    assert [photo.name for photo in found] == names
    assert found[0] == Fingerprint("train/1.png", made[1].sha256, made[1].perceptual_hash)
    assert found[2].perceptual_hash is None
    (tmp_path / PHOTOS).write_text(write(found))
    assert read_fingerprints(tmp_path) == found
    assert read_fingerprints(tmp_path / "train") is None


def test_what_was_seen_is_found_as_a_file_and_as_a_picture(raw):
    root, made = raw
    seen = list_fingerprints(root / "manifest.csv", root)
    with Image.open(made[3].path) as picture:
        picture.save(root / "again.jpg", quality=90)
    again = photo(root / "other.png", 5)
    with Image.open(root / "again.jpg") as picture:
        near = CropSource("again.jpg", "0" * 64, perceptual_hash(picture))
    photos = [source(made[1]), source(made[4]), near, source(again)]
    found = [(twin.name, twin.of) for twin in find_seen(photos, seen, 4)]
    assert found == [("1.png", "train/1.png"), ("again.jpg", "val/3.png")]
    assert list(find_seen(photos, [], 4)) == []


def test_a_photo_that_is_gone_is_named(raw):
    root, made = raw
    made[2].path.unlink()
    with pytest.raises(UserError, match=r"2\.png .*dvc repro acquire"):
        list_fingerprints(root / "manifest.csv", root)
