import os

import numpy as np
import pytest
from PIL import Image

from kdsharp.imageio.decode import read_rgb
from pipeline.data.shrink import shrink_jpegs
from pipeline.data.source import Candidate


@pytest.fixture
def candidate(tmp_path, make_picture):
    """Write a picture of 160x140 under a name; give its candidate."""

    def write(name, **options):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        make_picture(1).save(path, **options)
        return Candidate(name, path, "train", "CC0")

    return write


def test_jpegs_become_smaller_pngs_and_others_stay(tmp_path, candidate):
    jpeg, png = candidate("a/b.JPG", quality=90), candidate("c.png")
    work = tmp_path / "work"
    shrunk, same = shrink_jpegs([jpeg, png], 3, work)
    assert same is png
    assert (shrunk.name, shrunk.split, shrunk.licence) == ("a/b.png", "train", "CC0")
    assert shrunk.path.is_relative_to(work)
    # A third of 159x138; what is cut off still has its say in the last pixels.
    whole = read_rgb(jpeg.path).crop((0, 0, 159, 138))
    expected = np.asarray(whole.resize((53, 46), Image.Resampling.LANCZOS))
    made = np.asarray(read_rgb(shrunk.path))
    assert made.shape == expected.shape
    np.testing.assert_array_equal(made[:-3, :-3], expected[:-3, :-3])
    with Image.open(shrunk.path) as opened:
        assert opened.format == "PNG"


def test_the_same_bytes_every_time(tmp_path, candidate):
    jpegs = [candidate(f"{n}.jpg", quality=80 + n) for n in range(5)]
    runs = [shrink_jpegs(jpegs, 2, tmp_path / name) for name in ("one", "two")]
    for one, two in zip(*runs, strict=True):
        assert one.name == two.name
        assert one.path.read_bytes() == two.path.read_bytes()


def test_a_factor_of_one_touches_nothing(tmp_path, candidate):
    jpegs = [candidate("1.jpg")]
    assert shrink_jpegs(jpegs, 1, tmp_path / "work") is jpegs
    assert not (tmp_path / "work").exists()


def test_a_jpeg_is_known_by_its_bytes_and_laid_upright(tmp_path, candidate):
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn
    disguised = candidate("wrong.png", format="JPEG", exif=exif)
    (shrunk,) = shrink_jpegs([disguised], 2, tmp_path / "work")
    with Image.open(shrunk.path) as opened:
        assert opened.size == (70, 80)
        assert not opened.getexif()


def test_what_cannot_be_read_or_shrunk_is_left_to_the_check(tmp_path, candidate):
    broken, gone, pipe = (candidate(f"{name}.jpg") for name in ("broken", "gone", "pipe"))
    broken.path.write_bytes(broken.path.read_bytes()[:500])
    gone.path.unlink()
    pipe.path.unlink()
    os.mkfifo(pipe.path)
    narrow = tmp_path / "narrow.jpg"
    Image.new("RGB", (100, 3)).save(narrow)
    given = [broken, gone, pipe, Candidate("narrow.jpg", narrow, None, "")]
    assert shrink_jpegs(given, 4, tmp_path / "work") == given
