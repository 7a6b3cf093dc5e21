import numpy as np
import pytest
from PIL import ExifTags, Image

from kdsharp.errors import UserError
from kdsharp.photos.photo import Photo
from kdsharp.photos.reading import open_photo
from kdsharp.photos.writing import save_photo
from kdsharp.upscale import TIMES, enlarged


@pytest.mark.parametrize("times", TIMES)
def test_pixels_are_those_of_bicubic(picture, times):
    done = enlarged(Photo(picture, "RGB", picture[..., 0]), times)
    size = (53 * times, 37 * times)
    expected = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(done.pixels, np.asarray(expected))
    np.testing.assert_array_equal(done.alpha, done.pixels[..., 0])


def test_four_inks_are_no_transparency(picture):
    inks = np.dstack([picture, np.zeros_like(picture[..., :1])])
    done = enlarged(Photo(inks, "CMYK"), 2)
    np.testing.assert_array_equal(done.pixels[..., :3], enlarged(Photo(picture, "RGB"), 2).pixels)


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3)])
def test_16_bits_keep_their_depth(shape):
    levels = np.linspace(0, 65535, int(np.prod(shape))).reshape(shape).astype(np.uint16)
    done = enlarged(Photo(levels, "grey" if len(shape) == 2 else "RGB"), 2)
    assert (done.pixels.dtype, done.pixels.shape) == (np.uint16, (40, 60, *shape[2:]))
    assert len(np.unique(done.pixels)) > 600


def test_a_print_stays_as_large_and_exif_tells_the_new_size(tmp_path, picture):
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
def test_exif_that_nobody_can_parse_is_carried_along(picture, tiff):
    about = {"exif": b"Exif\0\0" + tiff, "dpi": (72.0, 40_000.0)}
    done = enlarged(Photo(picture, "RGB", about=about), 2)
    assert done.about == {"exif": about["exif"], "dpi": (144.0, 65535)}


def test_too_large_is_refused_before_memory_is_taken(monkeypatch, picture):
    monkeypatch.setenv("KDSHARP_MAX_MEGAPIXELS", "0.01")
    with pytest.raises(UserError, match=r"212x148 would be more than 0\.01 megapixels: set KD"):
        enlarged(Photo(picture, "RGB"), 4)
