import errno
import io
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from kdsharp.errors import UserError
from kdsharp.imageio.photo import SUFFIXES, Photo
from kdsharp.imageio.read import open_photo
from kdsharp.imageio.write import save_photo

LOSSLESS = {".png", ".tif", ".tiff", ".bmp", ".ppm", ".pgm"}


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_suffix_is_written(tmp_path, picture, suffix):
    if suffix in (".heic", ".heif"):
        pytest.importorskip("pillow_heif", reason="needs the extra heic")
    path = tmp_path / f"ä b\n{suffix.upper()}"
    save_photo(Photo.of(Image.fromarray(picture)), path)
    photo = open_photo(path)
    assert photo.pixels.shape == picture.shape
    difference = np.abs(photo.pixels.astype(int) - picture).mean()
    assert difference < (1e-9 if suffix in LOSSLESS else 8)


def test_grey_and_colour_stay_so_in_ppm(tmp_path, picture):
    for name, pixels, mode in [("a.pgm", picture[..., 0], "L"), ("a.ppm", picture, "RGB")]:
        save_photo(Photo.of(Image.fromarray(pixels)), tmp_path / name)
        with Image.open(tmp_path / name) as written:
            assert (written.format, written.mode) == ("PPM", mode)
            np.testing.assert_array_equal(np.asarray(written), pixels)


def test_alpha_is_kept_or_refused(tmp_path, picture):
    image = Image.fromarray(picture)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(tmp_path / "photo.png")
    photo = open_photo(tmp_path / "photo.png")
    for suffix in (".png", ".tif", ".webp", ".avif"):
        save_photo(photo, tmp_path / f"out{suffix}", quality=100)
        with Image.open(tmp_path / f"out{suffix}") as written:
            assert written.mode == "RGBA"
            difference = np.asarray(written).astype(int) - np.asarray(image)
            assert np.abs(difference[..., 3]).max() == 0
            assert np.abs(difference[picture.shape[0] // 2 :]).mean() < 4
    for suffix in (".jpg", ".bmp"):
        with pytest.raises(UserError, match=r"cannot hold transparency: write \.png, \.tif"):
            save_photo(photo, tmp_path / f"out{suffix}")
        assert not (tmp_path / f"out{suffix}").exists()


def test_grey_with_alpha_stays_so(tmp_path):
    image = Image.linear_gradient("L").resize((20, 20))
    image.putalpha(Image.radial_gradient("L").resize((20, 20)))
    image.save(tmp_path / "a.png")
    for suffix in (".png", ".tif"):
        save_photo(open_photo(tmp_path / "a.png"), tmp_path / f"out{suffix}")
        with Image.open(tmp_path / f"out{suffix}") as written:
            assert written.mode == "LA"
            np.testing.assert_array_equal(np.asarray(written), np.asarray(image))


def test_alpha_that_hides_nothing_does_not_stop_a_jpeg(tmp_path, picture):
    alpha = np.full(picture.shape[:2], 255, np.uint8)
    save_photo(Photo(picture, "RGB", alpha), tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as written:
        assert written.mode == "RGB"


@pytest.mark.parametrize(("quality", "subsampling"), [(60, 2), (85, 1), (98, 0)])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("ycbcr", [False, True])
def test_a_jpeg_is_compressed_as_its_source(
    tmp_path, picture, quality, subsampling, progressive, ycbcr
):
    Image.fromarray(picture).save(
        tmp_path / "in.jpg", quality=quality, subsampling=subsampling, progressive=progressive
    )
    photo = open_photo(tmp_path / "in.jpg", ycbcr=ycbcr)
    save_photo(photo, tmp_path / "out.jpg")
    with Image.open(tmp_path / "in.jpg") as before, Image.open(tmp_path / "out.jpg") as after:
        assert after.quantization == before.quantization
        assert get_sampling(after) == subsampling
        assert bool(after.info.get("progressive")) == progressive
    save_photo(photo, tmp_path / "small.jpg", quality=10)
    assert (tmp_path / "small.jpg").stat().st_size < (tmp_path / "out.jpg").stat().st_size


def test_a_grey_jpeg_stays_grey(tmp_path, picture):
    Image.fromarray(picture).convert("L").save(tmp_path / "in.jpg")
    save_photo(open_photo(tmp_path / "in.jpg", ycbcr=True), tmp_path / "out.jpg")
    with Image.open(tmp_path / "out.jpg") as written:
        assert written.mode == "L"


@pytest.mark.parametrize("lossless", [False, True])
def test_webp_without_loss_stays_without(tmp_path, picture, lossless):
    Image.fromarray(picture).save(tmp_path / "in.webp", lossless=lossless, exif=b"Exif\0\0x")
    photo = open_photo(tmp_path / "in.webp")
    save_photo(photo, tmp_path / "out.webp")
    again = open_photo(tmp_path / "out.webp")
    assert np.array_equal(again.pixels, photo.pixels) == lossless


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_keeps_its_inks(tmp_path, picture, suffix):
    image = Image.fromarray(picture).convert("CMYK")
    image.putdata([(c, m, y, (c + y) // 4) for c, m, y, _ in image.get_flattened_data()])
    image.save(tmp_path / f"in{suffix}", quality=98, icc_profile=b"inks")
    photo = open_photo(tmp_path / f"in{suffix}")
    assert (photo.space, photo.about["icc_profile"]) == ("CMYK", b"inks")
    for other in (".jpg", ".tif"):
        save_photo(photo, tmp_path / f"out{other}", quality=98)
        again = open_photo(tmp_path / f"out{other}")
        assert (again.space, again.about["icc_profile"]) == ("CMYK", b"inks")
        assert np.abs(again.pixels.astype(int) - photo.pixels).mean() < 3
    with pytest.raises(UserError, match=r"out\.png: PNG cannot hold CMYK: write \.tif or \.jpg"):
        save_photo(photo, tmp_path / "out.png")


def test_a_photo_in_ycbcr_becomes_rgb_where_it_must(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "in.jpg", quality=100, subsampling=0)
    photo = open_photo(tmp_path / "in.jpg", ycbcr=True)
    for suffix in (".png", ".tif", ".bmp"):
        save_photo(photo, tmp_path / f"out{suffix}")
        found = open_photo(tmp_path / f"out{suffix}").pixels
        assert np.abs(found.astype(int) - picture).max() <= 4


@pytest.mark.parametrize(
    "pixels",
    [
        np.arange(600_000, dtype=np.uint32).reshape(300, 2000).astype(np.uint8),
        np.arange(900_000, dtype=np.uint32).reshape(100, 3000, 3).astype(np.uint8),
        np.arange(7, dtype=np.uint8).reshape(7, 1),
    ],
    ids=["grey", "rgb", "narrow"],
)
def test_tiff_is_what_others_read(tmp_path, pixels):
    """Several strips, checked by another reader."""
    save_photo(Photo(pixels, "grey" if pixels.ndim == 2 else "RGB"), tmp_path / "a.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), pixels)


def test_a_file_object_takes_the_format_of_the_photo_or_the_one_named(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "in.webp")
    photo = open_photo(tmp_path / "in.webp")
    for kind, expected in [(None, "WEBP"), (".tif", "TIFF"), ("jpg", "JPEG"), ("PNG", "PNG")]:
        file = io.BytesIO()
        save_photo(photo, file, suffix=kind)
        with Image.open(io.BytesIO(file.getvalue())) as written:
            assert written.format == expected
    with pytest.raises(UserError, match=r"the output: GIF has too few colours: write \.png"):
        save_photo(photo, io.BytesIO(), suffix="gif")


def test_a_failed_write_names_the_target_and_leaves_nothing(tmp_path, picture, monkeypatch):
    photo, target = Photo.of(Image.fromarray(picture)), tmp_path / "out.png"

    def full(self, *args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UserError, match=r"out\.xyz: unknown suffix \.xyz: write \.jpg, \.png"):
        save_photo(photo, tmp_path / "out.xyz")
    with pytest.raises(UserError, match=r"out: has no suffix: write \.jpg, .*\.webp$"):
        save_photo(photo, tmp_path / "out")
    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match=r"out\.png"):
        save_photo(photo, target)
    assert list(tmp_path.iterdir()) == []


FULL = """
import errno, resource, sys
from pathlib import Path
import numpy as np
from kdsharp.imageio.photo import Photo
from kdsharp.imageio.write import save_photo
target = Path(sys.argv[1])
photo = Photo(np.random.default_rng(1).integers(0, 256, (300, 300, 3), np.uint8), "RGB")
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    save_photo(photo, target)
except OSError as error:
    print(errno.errorcode[error.errno], error.filename == str(target))
"""


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".bmp", ".avif"])
def test_a_file_that_cannot_grow_says_why_and_leaves_nothing(tmp_path, suffix):
    """As on a full disk, whatever encodes the format."""
    command = [sys.executable, "-c", FULL, tmp_path / f"out{suffix}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "EFBIG True\n"
    assert list(tmp_path.iterdir()) == []


def test_what_a_format_cannot_hold_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"wide\.webp: cannot be written as WEBP"):
        save_photo(Photo.of(Image.new("RGB", (16384, 1))), tmp_path / "wide.webp")
    assert list(tmp_path.iterdir()) == []


def test_heic_without_its_extra_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UserError, match=r'HEIC needs an extra: pip install "kdsharp\[heic\]"'):
        save_photo(Photo.of(Image.new("RGB", (4, 4))), tmp_path / "a.heic")
