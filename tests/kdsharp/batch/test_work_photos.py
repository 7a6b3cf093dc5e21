import dataclasses

import pytest
from PIL import Image
from skimage import data

from kdsharp import Sharpener
from kdsharp.batch.plan import Job
from kdsharp.batch.run import Done, Writing
from kdsharp.batch.work import Photos, pixels
from kdsharp.degrade import crop_to_multiple, degrade
from kdsharp.routing.router import Router


@pytest.fixture(scope="module")
def sharpener(luma_model):
    return Sharpener(luma_model, engine="onnxruntime")


@pytest.fixture(scope="module")
def three(sharpener):
    """The same model three times, as if it were made for each scale."""
    made = Sharpener(engine=sharpener.engine)
    cards = {f"small-x{n}": dataclasses.replace(sharpener.card, scale=n) for n in (2, 3, 4)}
    made.router = Router(cards, lambda _: sharpener.router.first)
    return made


@pytest.fixture
def sharp(tmp_path):
    image = crop_to_multiple(Image.fromarray(data.astronaut()).reduce(2), 12)
    image.save(tmp_path / "sharp.png")
    return tmp_path / "sharp.png"


def test_what_is_written_is_what_the_library_gives(tmp_path, photo, sharpener, picture):
    job = Job(photo, tmp_path / "new" / "out.png")
    done = Photos(sharpener)(job, Writing())
    assert done == Done("written", (53, 37))
    assert Image.open(job.target).tobytes() == sharpener.array(picture).tobytes()


def test_enlarged_then_sharpened(tmp_path, photo, sharpener, picture):
    job = Job(photo, tmp_path / "out.png")
    photos = Photos(sharpener, upscale=2)
    assert photos(job, Writing()).size == (106, 74)
    expected = sharpener.upscale(picture, 2)
    assert Image.open(job.target).tobytes() == expected.tobytes()


def test_the_model_is_chosen_for_each(tmp_path, sharp, three):
    for scale in (2, 3, 4):
        source = tmp_path / f"{scale}.png"
        degrade(Image.open(sharp), "bicubic", scale).save(source)
        done = Photos(three)(Job(source, tmp_path / "out.png"), Writing())
        assert (done.status, done.message) == ("written", f"small-x{scale}")


def test_what_is_sharp_is_left_byte_for_byte(tmp_path, sharp, three):
    photos, kept = Photos(three), sharp.read_bytes()
    target = tmp_path / "out" / "a.png"
    assert photos(Job(sharp, target), Writing()) == Done("left as it is", (252, 252))
    assert target.read_bytes() == kept
    before = sharp.stat()
    assert photos(Job(sharp, sharp), Writing()).status == "left as it is"
    assert (sharp.stat().st_mtime_ns, sharp.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert photos(Job(sharp, tmp_path / "a.bmp"), Writing()).status == "left as it is"
    assert Image.open(tmp_path / "a.bmp").tobytes() == Image.open(sharp).tobytes()


def test_pixels_are_counted_by_the_header(tmp_path, photo):
    assert pixels(photo) == 53 * 37
    for name, content in (("a.png", b""), ("b.jpg", b"\xff\xd8\xff")):
        (tmp_path / name).write_bytes(content)
    names = ("a.png", "b.jpg", "gone.png", ".")
    assert [pixels(tmp_path / name) for name in names] == [0, 0, 0, 0]
