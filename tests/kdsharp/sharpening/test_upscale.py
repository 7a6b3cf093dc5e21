import dataclasses

import numpy as np
import pytest
from PIL import ExifTags, Image

from kdsharp.errors import UserError
from kdsharp.imageio.photo import Photo
from kdsharp.imageio.read import open_photo
from kdsharp.imageio.write import save_photo
from kdsharp.runtime.engine import load_engine
from kdsharp.runtime.enlarge import Enlarger, bicubic
from kdsharp.runtime.model import LoadedModel
from kdsharp.sharpening.upscale import TIMES, upscaled


@pytest.fixture
def enlarged(luma_model):
    """Enlarges alone: a model of strength 0 for any scale."""

    def enlarge(photo, times):
        engine = load_engine(luma_model, "onnxruntime")
        card = dataclasses.replace(engine.card, scale=times)
        model = LoadedModel(dataclasses.replace(engine, card=card), strength=0)
        return upscaled(photo, Enlarger(model))

    return enlarge


@pytest.mark.parametrize("times", TIMES)
def test_pixels_are_those_of_bicubic_rounded_once(enlarged, picture, times):
    done = enlarged(Photo(picture, "RGB", np.full((37, 53), 255, np.uint8)), times)
    exact = bicubic(picture.transpose(2, 0, 1).astype(np.float32), times).transpose(1, 2, 0)
    np.testing.assert_array_equal(done.pixels, np.clip(np.rint(exact), 0, 255))
    assert (done.alpha == 255).all()


def test_four_inks_are_no_transparency(enlarged, picture):
    inks = np.dstack([picture, np.zeros_like(picture[..., :1])])
    done = enlarged(Photo(inks, "CMYK"), 2)
    plain = enlarged(Photo(picture, "RGB"), 2).pixels
    difference = np.abs(done.pixels[..., :3].astype(int) - plain)
    assert difference.max() <= 1  # ink and light round halves to different sides
    assert np.mean(difference > 0) < 1e-3


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3)])
def test_16_bits_keep_their_depth(enlarged, shape):
    levels = np.linspace(0, 65535, int(np.prod(shape))).reshape(shape).astype(np.uint16)
    done = enlarged(Photo(levels, "grey" if len(shape) == 2 else "RGB"), 2)
    assert (done.pixels.dtype, done.pixels.shape) == (np.uint16, (40, 60, *shape[2:]))
    assert len(np.unique(done.pixels)) > 600


def test_a_print_stays_as_large_and_exif_tells_the_new_size(enlarged, tmp_path, picture):
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    exif[ExifTags.Base.XResolution] = exif[ExifTags.Base.YResolution] = 72.0
    exif[ExifTags.Base.ImageWidth] = 53
    exif[ExifTags.Base.ImageLength] = 37
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    inner[ExifTags.Base.MakerNote] = b"of the maker"
    inner[ExifTags.Base.ExifImageWidth], inner[ExifTags.Base.ExifImageHeight] = 53, 37
    source = tmp_path / "a.jpg"
    Image.fromarray(picture).save(source, exif=exif, dpi=(300, 150))
    save_photo(enlarged(open_photo(source), 3), tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as made:
        assert made.size == (159, 111)
        assert made.info["dpi"] == (900, 450)
        kept = made.getexif()
        assert (kept[ExifTags.Base.Make], kept[ExifTags.Base.XResolution]) == ("Maker", 216)
        assert kept[ExifTags.Base.ImageWidth] == 159
        assert kept[ExifTags.Base.ImageLength] == 111
        inner = kept.get_ifd(ExifTags.IFD.Exif)
        assert inner[ExifTags.Base.MakerNote] == b"of the maker"
        sizes = inner[ExifTags.Base.ExifImageWidth], inner[ExifTags.Base.ExifImageHeight]
        assert sizes == (159, 111)


@pytest.mark.parametrize("tiff", [b"", b"II*\0nonsense", b"MM\0*\0\0\0\x08\0\x09"])
def test_exif_that_nobody_can_parse_is_carried_along(enlarged, picture, tiff):
    about = {"exif": b"Exif\0\0" + tiff, "dpi": (72.0, 40_000.0)}
    done = enlarged(Photo(picture, "RGB", about=about), 2)
    assert done.about == {"exif": about["exif"], "dpi": (144.0, 65535)}


def test_too_large_is_refused_before_memory_is_taken(enlarged, monkeypatch, picture):
    monkeypatch.setenv("KDSHARP_MAX_MEGAPIXELS", "0.01")
    with pytest.raises(UserError, match=r"212x148 would be more than 0\.01 megapixels: set KD"):
        enlarged(Photo(picture, "RGB"), 4)


@pytest.mark.parametrize("deep", [1, 257])
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("hidden", [0, 255])
def test_what_is_hidden_does_not_show_at_the_edges(enlarged, hidden, grey, deep):
    """A disc of one colour, soft at its edge, on another colour that is transparent."""
    kind = np.uint8 if deep == 1 else np.uint16
    y, x = np.mgrid[0:40, 0:50]
    alpha = np.clip((14 - np.hypot(y - 20, x - 25)) / 3, 0, 1)
    alpha = (np.rint(alpha * 255) * deep).astype(kind)
    pixels = np.full((40, 50, 3), 100 * deep, kind)
    pixels[alpha == 0] = hidden * deep
    photo = Photo(pixels[..., 0] if grey else pixels, "grey" if grey else "RGB", alpha)
    done = enlarged(photo, 3)
    expected = Image.fromarray(alpha).resize((150, 120), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(done.alpha, np.asarray(expected))
    seen = done.alpha > 8 * deep
    assert np.abs(done.pixels[seen].astype(int) - 100 * deep).max() <= deep
    plain = enlarged(Photo(photo.pixels, photo.space), 3).pixels
    assert np.abs(plain[seen].astype(int) - 100 * deep).max() > 10 * deep
    np.testing.assert_array_equal(done.pixels[60, 60:90], plain[60, 60:90])


def test_opaque_places_are_those_of_bicubic(enlarged, picture):
    alpha = np.full((37, 53), 255, np.uint8)
    alpha[:, :10] = 0
    done = enlarged(Photo(picture, "RGB", alpha), 2).pixels
    plain = enlarged(Photo(picture, "RGB"), 2).pixels
    np.testing.assert_array_equal(done[:, 24:], plain[:, 24:])
    assert (done[:, 18:24] != plain[:, 18:24]).any()
