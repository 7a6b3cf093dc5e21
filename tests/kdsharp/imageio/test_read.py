import io
import sys

import numpy as np
import pytest
from PIL import Image

from kdsharp.errors import UserError
from kdsharp.imageio.decode import LIMIT, read_rgb
from kdsharp.imageio.photo import FORMATS
from kdsharp.imageio.read import open_photo
from tests.kdsharp.imageio.made import PROFILE, encoded, exif, png

UNDO = [None, None, 0, 3, 1, 5, 2, 6, 4]  # Pillow's transposition that each orientation undoes


@pytest.mark.parametrize(
    ("mode", "space", "alpha"),
    [
        *[("1", "grey", False), ("L", "grey", False), ("LA", "grey", True), ("P", "RGB", False)],
        *[("RGB", "RGB", False), ("RGBA", "RGB", True), ("CMYK", "CMYK", False)],
    ],
)
def test_every_mode_has_its_space(tmp_path, picture, mode, space, alpha):
    image = Image.fromarray(picture).convert(mode)
    if alpha:
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(tmp_path / "a.tif")
    photo = open_photo(tmp_path / "a.tif")
    assert (photo.space, photo.file_format, photo.pixels.dtype) == (space, "TIFF", np.uint8)
    stored = np.asarray(image.convert("RGB") if mode == "P" else image)
    if mode == "1":
        stored = stored * np.uint8(255)
    color = stored[..., :-1].squeeze() if alpha else stored
    np.testing.assert_array_equal(photo.pixels, color)
    assert (photo.alpha is not None) == alpha
    if alpha:
        np.testing.assert_array_equal(photo.alpha, stored[..., -1])


def test_a_transparent_palette_becomes_rgb_with_alpha(tmp_path):
    image = Image.new("P", (20, 20), 1)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "photo.png", transparency=1)
    photo = open_photo(tmp_path / "photo.png")
    assert photo.space == "RGB"
    assert tuple(photo.pixels[0, 0]) == (0, 255, 0)
    assert photo.alpha.max() == 0


def test_a_colour_that_stands_for_nothing_becomes_alpha(tmp_path):
    image = Image.new("RGB", (4, 4), (1, 2, 3))
    image.putpixel((0, 0), (9, 9, 9))
    image.save(tmp_path / "a.png", transparency=(1, 2, 3))
    alpha = open_photo(tmp_path / "a.png").alpha
    assert (alpha[0, 0], alpha[1, 1]) == (255, 0)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_upright(tmp_path, picture, suffix, orientation):
    upright = Image.fromarray(picture)
    undo = UNDO[orientation]
    stored = upright if undo is None else upright.transpose(undo)
    stored.save(tmp_path / f"a{suffix}", exif=exif(orientation))
    photo = open_photo(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(photo.pixels, picture)
    assert photo.pixels.flags.c_contiguous


def test_an_orientation_in_xmp_alone_is_honoured_and_reset(tmp_path, picture):
    xmp = b'<x:xmpmeta><a tiff:Orientation="6"/></x:xmpmeta>'
    Image.fromarray(picture).save(tmp_path / "a.jpg", xmp=xmp, quality=100)
    photo = open_photo(tmp_path / "a.jpg")
    assert photo.pixels.shape == (53, 37, 3)
    assert photo.about["xmp"] == xmp.replace(b"6", b"1")


def test_a_jpeg_comes_in_its_own_colours(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "a.jpg", quality=90)
    photo = open_photo(tmp_path / "a.jpg", ycbcr=True)
    assert (photo.space, photo.file_format) == ("YCbCr", "JPEG")
    with Image.open(tmp_path / "a.jpg") as image:
        image.draft("YCbCr", image.size)
        np.testing.assert_array_equal(photo.pixels, np.asarray(image))
    assert open_photo(tmp_path / "a.jpg").space == "RGB"


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_of_other_colours_is_read_as_it_is(tmp_path, picture, mode):
    image = Image.fromarray(picture).convert(mode)
    image.save(tmp_path / "a.jpg", quality=100, keep_rgb=True, subsampling=0)
    photo = open_photo(tmp_path / "a.jpg", ycbcr=True)
    assert photo.space == {"L": "grey"}.get(mode, mode)
    assert np.abs(photo.pixels.astype(int) - np.asarray(image)).max() <= 4


@pytest.mark.parametrize("kind", sorted(set(FORMATS.values())))
def test_a_file_object_may_stand_for_a_path(picture, kind):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif", reason="needs the extra heic")
    data = encoded(Image.fromarray(picture), kind)

    class Pipe(io.RawIOBase):
        """What cannot seek, such as standard input."""

        def __init__(self):
            self.inner = io.BytesIO(data)

        def readable(self):
            return True

        def readinto(self, buffer):
            return self.inner.readinto(buffer)

    for file in (io.BytesIO(data), io.BufferedReader(Pipe())):
        photo = open_photo(file, name="standard input")
        assert photo.file_format == kind
        assert np.abs(photo.pixels.astype(int) - picture).mean() < 8
    for bad in (b"", data[:9], b"no picture at all"):
        with pytest.raises(UserError, match=r"^standard input: "):
            open_photo(io.BytesIO(bad), name="standard input")


def test_heic_without_its_extra_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'a\.heic: HEIC needs .* pip install "kdsharp\[heic\]"'):
        open_photo(tmp_path / "a.heic")


def test_what_cannot_be_kept_is_refused(tmp_path, monkeypatch):
    (tmp_path / "bomb.png").write_bytes(png(60_000, 60_000))
    Image.new("F", (4, 4)).save(tmp_path / "float.tif")
    Image.new("LAB", (4, 4)).save(tmp_path / "lab.tif")
    image = Image.new("RGB", (4, 4))
    image.save(tmp_path / "pages.tif", save_all=True, append_images=[image])
    for name, reason in [
        ("bomb.png", f"set {LIMIT}=3600"),
        ("float.tif", "has floating-point pixels"),
        ("lab.tif", "has CIELAB colours"),
        ("pages.tif", "has several frames or pages"),
        ("gone.tif", "no such file"),
    ]:
        with pytest.raises(UserError, match=f"{name}: .*{reason}"):
            open_photo(tmp_path / name)
    monkeypatch.setenv(LIMIT, "0.00001")
    with pytest.raises(UserError, match="4x4 is more than 1e-05 megapixels"):
        open_photo(tmp_path / "pages.tif")


def test_training_and_sharpening_see_the_same_pixels(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "a.jpg", exif=exif(5), icc_profile=PROFILE)
    np.testing.assert_array_equal(
        open_photo(tmp_path / "a.jpg").pixels, np.asarray(read_rgb(tmp_path / "a.jpg"))
    )


def test_a_picture_needs_no_module_of_heic(tmp_path, photo, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert open_photo(photo).space == "RGB"


def test_a_damaged_tiff_is_one_line_and_the_c_library_is_silent(tmp_path, picture, capfd):
    path = tmp_path / "a.tif"
    Image.fromarray(picture).resize((640, 480)).save(path, compression="tiff_lzw")
    with Image.open(path) as whole:
        start = whole.tag_v2[273][0]
    data = bytearray(path.read_bytes())
    middle = slice(start + 300, start + 400)
    data[middle] = bytes(255 - value for value in data[middle])
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.tif: cannot be read as a picture: it is damaged$"):
        open_photo(path)
    assert capfd.readouterr() == ("", "")
