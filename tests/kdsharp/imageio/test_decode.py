import io
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from kdsharp.errors import UserError
from kdsharp.imageio.decode import FORMATS, LIMIT, SUFFIXES, read_rgb
from tests.kdsharp.imageio.made import deep_png, png

ORIENTATION, MAKE = 0x0112, 0x010F
LOSSLESS = {".png", ".tif", ".tiff", ".bmp", ".ppm", ".pgm"}


def pixels(path):
    return np.asarray(read_rgb(path))


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_suffix_is_read(tmp_path, picture, suffix):
    path = tmp_path / f"ä b\n{suffix.upper()}"
    Image.fromarray(picture).save(path.with_suffix(suffix.upper()), quality=95)
    read = pixels(path.with_suffix(suffix.upper()))
    assert read.shape == picture.shape
    assert np.abs(read.astype(int) - picture).mean() < (1e-9 if suffix in LOSSLESS else 3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_mode_becomes_rgb(tmp_path, picture, mode):
    if mode == "I;16":
        image = Image.fromarray(picture[..., 0].astype(np.uint16) * 257)
    else:
        image = Image.fromarray(picture).convert(mode)
    path = tmp_path / "photo.tif"
    image.save(path)
    read = read_rgb(path)
    assert (read.mode, read.info) == ("RGB", {})
    if mode in ("L", "LA"):
        np.testing.assert_array_equal(read.getchannel("G"), Image.fromarray(picture).convert("L"))
    if mode == "I;16":
        np.testing.assert_array_equal(read.getchannel("G"), picture[..., 0])


def test_alpha_is_dropped(tmp_path, picture):
    image = Image.fromarray(picture)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(tmp_path / "photo.png")
    np.testing.assert_array_equal(pixels(tmp_path / "photo.png"), picture)


def test_a_transparent_palette_shows_its_colours(tmp_path):
    image = Image.new("P", (20, 20), 1)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "photo.png", transparency=1)
    np.testing.assert_array_equal(pixels(tmp_path / "photo.png")[0, 0], (0, 255, 0))


def test_the_orientation_is_applied(tmp_path, picture):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(picture).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(pixels(tmp_path / "a.png"), np.rot90(picture, -1))


@pytest.mark.parametrize(("color_type", "samples"), [(2, 3), (4, 2), (6, 4)])
def test_of_16_bits_the_upper_8_are_kept(tmp_path, color_type, samples):
    levels = np.arange(12 * samples, dtype=np.uint16).reshape(3, 4, samples) * 257
    deep_png(tmp_path / "sixteen_bit.png", levels, color_type)
    expected = np.repeat(levels[..., :1], 3, 2) if samples == 2 else levels[..., :3]
    np.testing.assert_array_equal(pixels(tmp_path / "sixteen_bit.png"), expected // 257)


def test_a_phone_jpeg_with_extras_gives_its_first_picture(tmp_path, picture):
    image = Image.fromarray(picture)
    extra = Image.new("RGB", (10, 10))
    image.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[extra], quality=95)
    with Image.open(tmp_path / "a.jpg") as written:
        assert written.n_frames == 2
    assert np.abs(pixels(tmp_path / "a.jpg").astype(int) - picture).mean() < 3


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_several_frames_are_refused(tmp_path, picture, suffix):
    image = Image.fromarray(picture)
    frames = [image.transpose(Image.Transpose.ROTATE_180)]
    image.save(tmp_path / f"a{suffix}", save_all=True, append_images=frames)
    with pytest.raises(UserError, match="several frames or pages"):
        read_rgb(tmp_path / f"a{suffix}")


def test_a_still_gif_is_a_photo(tmp_path, picture):
    grey = Image.fromarray(picture[..., 0])
    grey.save(tmp_path / "a.gif")
    np.testing.assert_array_equal(pixels(tmp_path / "a.gif")[..., 1], picture[..., 0])


def test_an_animated_gif_says_what_to_do(tmp_path, picture):
    image = Image.fromarray(picture)
    turned = [image.rotate(90), image.rotate(180)]
    image.save(tmp_path / "a.gif", save_all=True, append_images=turned)
    line = r"a\.gif: is animated, 3 frames: make it a video, .* or save one frame as PNG$"
    with pytest.raises(UserError, match=line):
        read_rgb(tmp_path / "a.gif")


@pytest.mark.parametrize("head", [b"P5\n4 3\n65535\n", b"P6\n2 2\n1023\n"])
def test_a_deep_ppm_is_refused(tmp_path, head):
    """Of colour, the lower bits would be lost without a word."""
    (tmp_path / "a.ppm").write_bytes(head + bytes(24))
    with pytest.raises(UserError, match=r"a\.ppm: has more than 8 bits, not read from PPM"):
        read_rgb(tmp_path / "a.ppm")


def test_what_is_no_photo_is_named(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "zero.png").write_bytes(png(0, 5))
    Image.new("F", (4, 4)).save(tmp_path / "float.tif")
    Image.new("LAB", (4, 4)).save(tmp_path / "lab.tif")
    Image.new("I", (4, 4)).save(tmp_path / "whole.tif")
    Image.new("RGB", (16, 16)).save(tmp_path / "icon.png", format="ICO")
    os.mkfifo(tmp_path / "pipe.png")
    for name, reason in [
        ("gone.png", "no such file"),
        ("empty.png", "is empty"),
        ("text.jpg", "not a picture in JPEG, PNG"),
        ("zero.png", "or its start is damaged"),
        ("icon.png", "not a picture in JPEG, PNG"),
        ("float.tif", "has floating-point pixels: convert it to RGB"),
        ("lab.tif", "has CIELAB colours: convert it to RGB"),
        ("whole.tif", "has 32 bits or signed pixels: convert it to RGB"),
        ("pipe.png", "not a file"),
        (".", "not a file"),
        ("n" * 300, "the file name is too long"),
    ]:
        with pytest.raises(UserError, match=reason) as caught:
            read_rgb(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: ")
        assert "\n" not in str(caught.value)


def test_a_bomb_is_refused_before_it_takes_memory(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png(60_000, 60_000, bytes(1_000_000)))
    message = (
        r"60000x60000 is more than 250 megapixels, the guard against decompression bombs: "
        rf"set {LIMIT}=3600 if you trust it"
    )
    with pytest.raises(UserError, match=message):
        read_rgb(tmp_path / "bomb.png")
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from kdsharp.imageio.decode import read_rgb\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (1 << 29, 1 << 29))\n"
        "try: read_rgb(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "bomb.png"], capture_output=True, text=True
    )
    assert done.stdout == "UserError\n"
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] != 1 << 29


def test_the_limit_can_be_set(tmp_path, photo, monkeypatch):
    monkeypatch.setenv(LIMIT, "0.001")
    with pytest.raises(UserError, match=r"53x37 is more than 0\.001 megapixels"):
        read_rgb(photo)
    monkeypatch.setenv(LIMIT, "much")
    with pytest.raises(UserError, match=f"{LIMIT}='much': give a number of megapixels"):
        read_rgb(photo)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_what_pillow_warns_of_is_no_limit_here(tmp_path, photo, picture, monkeypatch, compression):
    Image.fromarray(picture).save(tmp_path / "a.tif", compression=compression)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for path in (photo, tmp_path / "a.tif"):
        np.testing.assert_array_equal(np.asarray(read_rgb(path)), picture)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".bmp"])
def test_a_truncated_file_is_refused(tmp_path, suffix):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"a{suffix}"
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(UserError, match=f"a{suffix}: "):
            read_rgb(path)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), kind=st.sampled_from(FORMATS))
def test_flipped_bits_give_a_picture_or_one_line(tmp_path, data, kind):
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKE] = 6, "Camera"
    encoded = io.BytesIO()
    Image.linear_gradient("L").resize((24, 16)).convert("RGB").save(encoded, kind, exif=exif)
    damaged = bytearray(encoded.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path / "damaged"
    path.write_bytes(damaged)
    try:
        read_rgb(path)
    except UserError as error:
        assert str(path) in str(error)
