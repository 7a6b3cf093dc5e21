"""Every layout of 16 bits that is read, against what was written by others."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from kdsharp.errors import UserError
from kdsharp.imageio.read import open_photo
from kdsharp.imageio.write import save_photo
from tests.kdsharp.imageio.made import ORIENTATION, PROFILE, chunk, deep_png, exif, noise

SHAPE = (61, 47)


def written_tiff(path, levels, **options):
    if levels.ndim == 3 and levels.shape[2] == 4 and options.get("photometric") != "separated":
        options.setdefault("extrasamples", ["unassalpha"])
    options.setdefault("photometric", "rgb" if levels.ndim == 3 else "minisblack")
    tifffile.imwrite(path, levels, metadata=None, **options)
    return path


def whole(photo):
    if photo.alpha is None:
        return photo.pixels
    return np.concatenate((np.atleast_3d(photo.pixels), photo.alpha[..., None]), axis=2)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("layout", [{"rowsperstrip": 16}, {"tile": (32, 32)}], ids=str)
def test_every_layout_of_tiff(tmp_path, channels, byteorder, compression, layout):
    levels = noise(SHAPE if channels == 1 else (*SHAPE, channels))
    for predictor in {False, bool(compression)}:
        options = {"byteorder": byteorder, "compression": compression, **layout}
        path = written_tiff(tmp_path / "a.tif", levels, predictor=predictor, **options)
        photo = open_photo(path)
        np.testing.assert_array_equal(whole(photo), levels)
        assert photo.pixels.dtype == np.uint16
        assert photo.space == ("grey" if channels == 1 else "RGB")


def test_cmyk_of_16_bits(tmp_path):
    levels = noise((*SHAPE, 4))
    path = written_tiff(tmp_path / "a.tif", levels, photometric="separated")
    photo = open_photo(path)
    assert photo.space == "CMYK"
    np.testing.assert_array_equal(photo.pixels, levels)
    save_photo(photo, tmp_path / "b.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), levels)


@pytest.mark.parametrize(
    ("color_type", "samples"), [(0, 1), (2, 3), (4, 2), (6, 4)], ids=["L", "RGB", "LA", "RGBA"]
)
def test_every_kind_of_png(tmp_path, color_type, samples):
    levels = noise((*SHAPE, samples))
    photo = open_photo(deep_png(tmp_path / "a.png", levels, color_type))
    np.testing.assert_array_equal(np.atleast_3d(whole(photo)), levels)
    # And back, through another decoder than Pillow's two halves.
    save_photo(photo, tmp_path / "b.png")
    av = pytest.importorskip("av", reason="needs the extra video")
    with av.open(str(tmp_path / "b.png")) as container:
        frame = next(container.decode(video=0))
        names = {1: "gray16be", 3: "rgb48be", 2: "ya16be", 4: "rgba64be"}
        assert frame.format.name == names[samples]
        rows = np.frombuffer(bytes(frame.planes[0]), ">u2").reshape(SHAPE[0], -1)
    found = rows[:, : SHAPE[1] * samples].reshape(levels.shape)
    np.testing.assert_array_equal(found, levels)


@pytest.mark.parametrize(("color_type", "samples"), [(0, 1), (2, 3)])
def test_a_level_that_stands_for_nothing_becomes_alpha(tmp_path, color_type, samples):
    levels = noise((3, 4, samples))
    key = chunk(b"tRNS", levels[1, 2].astype(">u2").tobytes())
    photo = open_photo(deep_png(tmp_path / "a.png", levels, color_type, key))
    assert photo.alpha[1, 2] == 0
    assert np.count_nonzero(photo.alpha == 65535) == 11


@pytest.mark.parametrize("source", [".png", ".tif"])
@pytest.mark.parametrize("target", [".png", ".tif"])
def test_metadata_of_deep_photos_travels(tmp_path, source, target):
    levels = noise((*SHAPE, 3))
    if source == ".png":
        before = chunk(b"eXIf", exif(6).removeprefix(b"Exif\0\0"))
        deep_png(tmp_path / "a.png", levels, 2, before)
    else:
        extra = [(ORIENTATION, "H", 1, 6, True), (0x010F, "s", 0, "Camera", True)]
        written_tiff(tmp_path / "a.tif", levels, extratags=extra, iccprofile=PROFILE)
    photo = open_photo(tmp_path / f"a{source}")
    np.testing.assert_array_equal(photo.pixels, np.rot90(levels, -1))
    save_photo(photo, tmp_path / f"b{target}")
    again = open_photo(tmp_path / f"b{target}")
    np.testing.assert_array_equal(again.pixels, photo.pixels)
    with Image.open(tmp_path / f"b{target}") as image:
        assert image.getexif()[0x010F] == "Camera"
        assert image.getexif().get(ORIENTATION, 1) == 1
        assert image.info.get("icc_profile") == (PROFILE if source == ".tif" else None)


def test_what_pillow_would_misread_is_refused(tmp_path):
    planes = noise((3, *SHAPE))
    written_tiff(tmp_path / "planes.tif", planes, planarconfig="separate", photometric="rgb")
    with pytest.raises(UserError, match="has 16 bits in separate planes"):
        open_photo(tmp_path / "planes.tif")
    levels = noise((*SHAPE, 4))
    written_tiff(tmp_path / "pre.tif", levels, extrasamples=["assocalpha"])
    with pytest.raises(UserError, match="premultiplied alpha"):
        open_photo(tmp_path / "pre.tif")
    np.testing.assert_array_equal(noise((2, 2)).dtype, np.uint16)


def test_16_bits_are_refused_where_there_is_no_room(tmp_path):
    photo = open_photo(deep_png(tmp_path / "a.png", noise((4, 4, 3)), 2))
    for suffix in (".jpg", ".webp", ".bmp", ".avif", ".heic"):
        with pytest.raises(UserError, match=r"cannot hold 16 bits: write \.png or \.tif"):
            save_photo(photo, tmp_path / f"b{suffix}")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
