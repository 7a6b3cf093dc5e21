"""The library and the command are one: what Python gives is what `kdsharp` writes."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

import kdsharp as package
from kdsharp import Sharpener
from kdsharp.degrade import crop_to_multiple, degrade
from kdsharp.errors import UserError
from kdsharp.imageio.photo import Photo
from kdsharp.imageio.read import open_photo
from kdsharp.metrics import psnr
from kdsharp.routing.router import Choice
from kdsharp.runtime.tiles import CORNER
from tests.kdsharp.video.clips import make_clip

HOW = {"engine": "onnxruntime", "precision": "fp32", "threads": 1}
OPTIONS = ("--engine", "onnxruntime", "--precision", "fp32", "--threads", "1", "-q")


@pytest.fixture
def photos(kdsharp, monkeypatch):
    """Photos of several kinds in the working directory, for the models that ship."""
    monkeypatch.delenv("KDSHARP_MODEL")
    sharp = crop_to_multiple(Image.fromarray(data.astronaut()).reduce(2), 12)
    sharp.save("sharp.png")
    sharp.save("sharp.jpg", quality=92)
    for row, name in (("jpeg60", "a.png"), ("gaussian", "b.png"), ("bicubic", "c.png")):
        degrade(sharp, row, 2).save(name)
    low = degrade(sharp, "bicubic", 2)
    low.save("d.jpg", quality=97, subsampling=2)
    low.convert("L").save("e.png")
    low.convert("CMYK").save("f.tif")
    low.putalpha(Image.radial_gradient("L").resize(low.size))
    low.save("g.png")
    return kdsharp


@pytest.fixture(scope="module")
def sharpener():
    """Among all small models that ship."""
    return Sharpener(**HOW)


def loaded(name):
    with Image.open(name) as image:
        image.load()
        return image


FILES = ("sharp.png", "sharp.jpg", "a.png", "b.png", "c.png", "d.jpg", "e.png", "f.tif", "g.png")


def test_a_file_is_that_of_the_command(photos, sharpener):
    assert photos("sharpen", *FILES, "-o", "out/", "--csv", "table.csv", *OPTIONS)[0] == 0
    told = [line.split(",") for line in Path("table.csv").read_text().splitlines()[1:]]
    taken = {}
    for name, row in zip(FILES, told, strict=True):
        done = sharpener.file(name, f"api/{name}")
        assert Path("api", name).read_bytes() == Path("out", name).read_bytes(), name
        assert (done.model or "") == row[-1]
        assert done.size == (252, 252)
        taken[name] = done.model
    assert taken["sharp.png"] is None
    assert taken["a.png"] == "small-x2-blocky"
    assert taken["b.png"] == "deep-small-x2-soft-medium"
    assert taken["c.png"] == taken["g.png"] is not None  # alpha does not matter


@pytest.mark.parametrize(
    ("options", "how", "more"),
    [
        (["--model", "nano"], {"model": "nano"}, {}),
        (["--model", "nano-x3"], {"model": "nano-x3"}, {}),
        (["--scale", "3"], {"scale": 3}, {}),
        (["--scale", "auto", "--strength", "0.4"], {"scale": "auto", "strength": 0.4}, {}),
        (["--upscale", "2"], {}, {"upscale": 2}),
        (["--quality", "70"], {}, {"quality": 70}),
    ],
)
def test_options_mean_the_same(photos, options, how, more):
    names = ("sharp.jpg", "c.png", "d.jpg", "g.png")
    assert photos("sharpen", *names, "-o", "out/", *options, *OPTIONS)[0] == 0
    asked = Sharpener(how.pop("model", None), **how, **HOW)
    for name in names:
        asked.file(name, f"api/{name}", **more)
        assert Path("api", name).read_bytes() == Path("out", name).read_bytes(), name


def test_a_name_or_a_folder_is_that_model(photos, picture):
    shipped = Path(package.__file__).parent / "weights"
    name = "deep-small-x2"
    for named in (name, shipped / name, str(shipped / name)):
        one = Sharpener(named, **HOW)
        assert one.models == (name,)
        assert one.choose(picture) == name
        np.testing.assert_array_equal(one.array(picture), Sharpener(scale=2, **HOW).array(picture))
    assert len(Sharpener(**HOW).models) > 1


def test_the_folder_where_one_is_has_a_name_too(luma_model, picture, monkeypatch):
    monkeypatch.chdir(luma_model)
    one = Sharpener(".", **HOW)
    assert one.models == ("model",)
    assert one.choose(picture) == "model"


def test_every_way_chooses_alike(photos, sharpener):
    for name, model in (("sharp.png", None), ("a.png", "small-x2-blocky"), ("c.png", ...)):
        image = loaded(name)
        model = sharpener.choose(np.asarray(image)) if model is ... else model
        rgb = np.asarray(image)
        assert sharpener.choose(rgb) == sharpener.choose(Photo.of(image)) == model
        expected = Sharpener(model, **HOW).array(rgb) if model else rgb
        np.testing.assert_array_equal(sharpener.array(rgb), expected)
        np.testing.assert_array_equal(np.asarray(sharpener.image(image)), expected)
        np.testing.assert_array_equal(sharpener.photo(open_photo(name)).pixels, expected)
        out = np.zeros_like(rgb)
        assert sharpener.array(rgb, out=out) is out
        np.testing.assert_array_equal(out, expected)
        plane = np.ascontiguousarray(rgb[..., 1])
        chosen = sharpener.choose(plane)
        alone = Sharpener(chosen, **HOW).plane(plane) if chosen else plane
        np.testing.assert_array_equal(sharpener.plane(plane), alone)


class Pipe(io.BytesIO):
    def seekable(self):
        return False


@pytest.mark.parametrize("kind", [io.BytesIO, Pipe])
def test_what_is_sharp_goes_through_a_pipe_as_it_is(photos, sharpener, kind):
    for name in ("sharp.png", "sharp.jpg"):
        out = io.BytesIO()
        done = sharpener.file(kind(Path(name).read_bytes()), out)
        assert (done.model, out.getvalue()) == (None, Path(name).read_bytes())
    other = io.BytesIO()
    sharpener.file(kind(Path("sharp.png").read_bytes()), other, suffix=".bmp")
    with Image.open(other) as image:
        assert image.format == "BMP"
        assert image.tobytes() == loaded("sharp.png").tobytes()


def test_enlarging_is_the_same_for_all(photos, sharpener):
    image = loaded("sharp.png")
    large = image.resize((2 * image.width, 2 * image.height), Image.Resampling.BICUBIC)
    rounded = Sharpener("deep-small-x2", **HOW).array(np.asarray(large))
    expected = sharpener.upscale(np.asarray(image), 2)
    difference = np.abs(expected.astype(int) - rounded)
    assert np.mean(difference > 0) > 0.05  # that one rounds before the network
    assert np.mean(difference > 2) < 0.01
    np.testing.assert_array_equal(np.asarray(sharpener.upscale(image, 2)), expected)
    assert sharpener.file("sharp.png", "large.png", upscale=2).model == "deep-small-x2"
    np.testing.assert_array_equal(np.asarray(loaded("large.png")), expected)
    deep = sharpener.upscale(np.asarray(image).astype(np.uint16) * 257, 2)
    assert deep.dtype == np.uint16
    assert np.abs(np.rint(deep / 257) - expected).max() <= 1
    assert np.mean(deep % 257 > 0) > 0.5
    assert sharpener.upscale(image.convert("L"), 3).size == (3 * image.width, 3 * image.height)
    with pytest.raises(UserError, match="deep-small-x2: undoes scale 2 and 3 and 4, not 5"):
        sharpener.upscale(image, 5)
    with pytest.raises(UserError, match="nano-x3: undoes scale 3, not 2"):
        Sharpener("nano-x3", **HOW).upscale(image, 2)


def test_a_video_is_that_of_the_command(photos, sharpener):
    av = pytest.importorskip("av")
    make_clip(Path("clip.mkv"), times=[40 * i for i in range(6)])
    code, out, _ = photos("sharpen", "clip.mkv", "-o", "1.mkv", "--codec", "ffv1", *OPTIONS)
    assert (code, out) == (0, "")
    from kdsharp.video import VideoOptions

    result = sharpener.video("clip.mkv", "2.mkv", VideoOptions("ffv1"))
    assert result.frames == 6
    # The files hold an identity drawn at random.
    one, two = ([f.to_ndarray() for f in av.open(n).decode(video=0)] for n in ("1.mkv", "2.mkv"))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("given", [None, [[1, 2], [3, 4]], "photo.png", 7, [np.zeros((4, 4))]])
def test_what_is_no_picture_is_said_in_one_line(sharpener, given):
    for call in (sharpener.array, sharpener.plane, sharpener.choose):
        with pytest.raises(ValueError, match=r"need an array \(H, W\) or \(H, W, 3\), not "):
            call(given)
    for call in (sharpener.image, lambda image: sharpener.upscale(image, 2)):
        with pytest.raises(ValueError, match="need a Pillow image, not "):
            call(given)
    with pytest.raises(ValueError, match="need a photo of kdsharp"):
        sharpener.photo(given)


@pytest.mark.parametrize("given", [None, ["a.png", "b.png"], 7])
def test_what_is_no_file_is_said_in_one_line(sharpener, given, photo):
    with pytest.raises(ValueError, match="source: need a path or a binary file, not "):
        sharpener.file(given, "out.png")
    with pytest.raises(ValueError, match="target: need a path or a binary file, not "):
        sharpener.file(photo, given)
    with pytest.raises(ValueError, match="need a path"):
        sharpener.video(given, "out.mkv")
    if given:
        with pytest.raises(UserError, match="a model is a name or a folder, not "):
            Sharpener(given)


def test_what_is_public_is_shown():
    assert dir(package) == ["Sharpener", "__version__"]


@pytest.fixture(scope="module")
def enlarged_by_2():
    """RGB of a photo, and what Pillow made of it shrunk to its half."""
    high = crop_to_multiple(Image.fromarray(data.astronaut()).reduce(2), 2)
    return np.asarray(high), np.asarray(degrade(high, "bicubic", 2))


def test_a_cropped_photo_is_sharpened_as_well_as_the_whole(enlarged_by_2):
    """By the model that the picture gets, and by one that is named."""
    high, low = enlarged_by_2
    for sharpener in (Sharpener(**HOW), Sharpener("small-x2", **HOW)):
        gains = [
            psnr(sharpener.array(low[top:, left:]), high[top:, left:])
            - psnr(low[top:, left:], high[top:, left:])
            for top, left in ((0, 0), (0, 1), (1, 0), (1, 1))
        ]
        assert min(gains) > gains[0] - 0.1 > 0.8


def test_what_begins_in_the_corner_is_what_it_was(enlarged_by_2):
    _, low = enlarged_by_2
    sharpener = Sharpener("small-x2", **HOW)
    for picture in (low, low[:90, :90], low[2:, 4:]):  # one of them too small to tell
        assert sharpener.choice(picture).origin == CORNER
        expected = np.empty_like(picture)
        sharpener.router.first.array(picture, expected)
        np.testing.assert_array_equal(sharpener.array(picture), expected)


def test_every_way_begins_where_the_grid_does(kdsharp, monkeypatch, enlarged_by_2):
    monkeypatch.delenv("KDSHARP_MODEL")
    cropped = np.ascontiguousarray(enlarged_by_2[1][1:])
    sharpener = Sharpener("small-x2", **HOW)
    assert sharpener.choice(cropped) == Choice("small-x2", (1, 0))
    expected = sharpener.array(cropped)
    from_corner = np.empty_like(cropped)
    sharpener.router.first.array(cropped, from_corner)
    assert (expected != from_corner).any()
    Path("in").mkdir()
    Image.fromarray(cropped).save("in/a.png")
    assert kdsharp("sharpen", "in", "-o", "out/", "--model", "small-x2", *OPTIONS)[0] == 0
    assert kdsharp("sharpen", "in/a.png", "-o", "b.png", "--model", "small-x2", *OPTIONS)[0] == 0
    for done in (
        sharpener.image(Image.fromarray(cropped)),
        sharpener.photo(open_photo("in/a.png")).pixels,
        loaded("out/a.png"),
        loaded("b.png"),
    ):
        np.testing.assert_array_equal(np.asarray(done), expected)


def test_a_clip_begins_where_its_grid_does(tmp_path, enlarged_by_2):
    av = pytest.importorskip("av")
    from kdsharp.video import VideoOptions

    levels = np.asarray(Image.fromarray(enlarged_by_2[1]).convert("L"))[1:, 1:]
    with av.open(str(tmp_path / "in.mkv"), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.height, stream.width = levels.shape
        stream.pix_fmt = "gray"
        for _ in range(3):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(levels, "gray")))
        out.mux(stream.encode(None))
    sharpener = Sharpener("small-x2", **HOW)
    sharpener.video(tmp_path / "in.mkv", tmp_path / "out.mkv", VideoOptions("ffv1", steady=False))
    with av.open(str(tmp_path / "out.mkv")) as made:
        frames = [frame.to_ndarray() for frame in made.decode(video=0)]
    assert len(frames) == 3
    expected = sharpener.plane(np.ascontiguousarray(levels))
    assert sharpener.choice(levels).origin == (1, 1)
    for frame in frames:
        assert np.abs(frame.astype(int) - expected).max() <= 1
