import errno
import io
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import get_sampling

from kdsharp.errors import UserError
from kdsharp.images import SUFFIXES, Photo, open_photo, read_rgb, save_photo

ORIENTATION = 0x0112
MAKE = 0x010F
# PNG, TIFF and BMP keep every value.
LOSSLESS = [".png", ".tif", ".tiff", ".bmp"]


def pixels(path):
    return np.asarray(read_rgb(path))


def deep_png(path, color_type, samples):
    """A 16-bit PNG of 4x3 pixels, which Pillow cannot write in colour."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = b"".join(b"\0" + bytes(range(4 * 2 * samples)) for _ in range(3))
    header = struct.pack(">IIBBBBB", 4, 3, 16, color_type, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_every_suffix_is_read_and_written(tmp_path, picture, suffix):
    path = tmp_path / f"ä b\n{suffix.upper()}"
    save_photo(Photo(Image.fromarray(picture)), path.with_suffix(suffix.upper()))
    read = pixels(path.with_suffix(suffix.upper()))
    assert read.shape == picture.shape
    assert np.abs(read.astype(int) - picture).mean() < (3 if suffix not in LOSSLESS else 1e-9)


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


def test_alpha_is_dropped_for_training_and_kept_for_sharpening(tmp_path, picture):
    image = Image.fromarray(picture)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(tmp_path / "photo.png")
    np.testing.assert_array_equal(pixels(tmp_path / "photo.png"), picture)
    for suffix in (".png", ".tif"):
        save_photo(open_photo(tmp_path / "photo.png"), tmp_path / f"out{suffix}")
        with Image.open(tmp_path / f"out{suffix}") as written:
            np.testing.assert_array_equal(np.asarray(written), np.asarray(image))
    with pytest.raises(UserError, match=r"out\.jpg: JPEG cannot hold transparency: write \.png"):
        save_photo(open_photo(tmp_path / "photo.png"), tmp_path / "out.jpg")
    assert not (tmp_path / "out.jpg").exists()


def test_alpha_that_hides_nothing_does_not_stop_a_jpeg(tmp_path, picture):
    save_photo(Photo(Image.fromarray(picture), Image.new("L", (53, 37), 255)), tmp_path / "a.jpg")


def test_a_transparent_palette_becomes_rgba(tmp_path):
    image = Image.new("P", (20, 20), 1)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "photo.png", transparency=1)
    photo = open_photo(tmp_path / "photo.png")
    assert (photo.image.mode, photo.image.getpixel((0, 0))) == ("RGB", (0, 255, 0))
    assert photo.alpha.getextrema() == (0, 0)
    np.testing.assert_array_equal(pixels(tmp_path / "photo.png")[0, 0], (0, 255, 0))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_once(tmp_path, suffix, orientation):
    upright = Image.new("RGB", (32, 16))
    upright.paste((255, 255, 255), (0, 0, 16, 8))  # white above, on the left
    undo = [None, None, 0, 3, 1, 5, 2, 6, 4][orientation]  # Pillow's transposition that EXIF undoes
    stored = upright if undo is None else upright.transpose(undo)
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKE] = orientation, "Camera"
    stored.save(tmp_path / f"in{suffix}", exif=exif)
    save_photo(open_photo(tmp_path / f"in{suffix}"), tmp_path / f"out{suffix}")
    for path in (tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"):
        assert np.abs(pixels(path).astype(int) - np.asarray(upright)).mean() < 12
    with Image.open(tmp_path / f"out{suffix}") as written:
        assert written.size == (32, 16)
        assert written.getexif().get(ORIENTATION, 1) == 1
        assert written.getexif()[MAKE] == "Camera"


@pytest.mark.parametrize("source", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("target", [".jpg", ".png", ".tif", ".webp"])
def test_metadata_travels(tmp_path, picture, source, target):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[MAKE] = "Camera"
    exif.get_ifd(0x8769)[0x9003] = "2024:01:02 03:04:05"
    exif.get_ifd(0x8825)[1] = "N"
    Image.fromarray(picture).save(
        tmp_path / f"in{source}", exif=exif.tobytes(), icc_profile=profile, dpi=(300, 300)
    )
    save_photo(open_photo(tmp_path / f"in{source}"), tmp_path / f"out{target}")
    with Image.open(tmp_path / f"out{target}") as written:
        assert written.info["icc_profile"] == profile
        assert written.getexif()[MAKE] == "Camera"
        assert written.getexif().get_ifd(0x8769)[0x9003] == "2024:01:02 03:04:05"
        assert written.getexif().get_ifd(0x8825)[1] == "N"
        if ".webp" not in (source, target):
            assert written.info["dpi"] == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_xmp_travels(tmp_path, picture, suffix):
    image = Image.fromarray(picture)
    image.save(tmp_path / "in.jpg", xmp=b"<x:xmpmeta/>")
    save_photo(open_photo(tmp_path / "in.jpg"), tmp_path / f"out{suffix}")
    with Image.open(tmp_path / f"out{suffix}") as written:
        assert written.info["xmp"] == b"<x:xmpmeta/>"


@pytest.mark.parametrize(("quality", "subsampling"), [(60, 2), (85, 1), (98, 0)])
def test_a_jpeg_is_compressed_as_its_source(tmp_path, picture, quality, subsampling):
    Image.fromarray(picture).save(
        tmp_path / "in.jpg", quality=quality, subsampling=subsampling, comment="x"
    )
    save_photo(open_photo(tmp_path / "in.jpg"), tmp_path / "out.jpg")
    with Image.open(tmp_path / "in.jpg") as before, Image.open(tmp_path / "out.jpg") as after:
        assert after.quantization == before.quantization
        assert get_sampling(after) == subsampling
    save_photo(open_photo(tmp_path / "in.jpg"), tmp_path / "small.jpg", quality=10)
    assert (tmp_path / "small.jpg").stat().st_size < (tmp_path / "out.jpg").stat().st_size


def test_a_grey_jpeg_stays_grey(tmp_path, picture):
    Image.fromarray(picture).convert("L").save(tmp_path / "in.jpg")
    save_photo(open_photo(tmp_path / "in.jpg"), tmp_path / "out.jpg")
    with Image.open(tmp_path / "out.jpg") as written:
        assert written.mode == "L"


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_of_16_bits_keeps_them(tmp_path, suffix):
    deep = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    Image.fromarray(deep).save(tmp_path / f"in{suffix}")
    save_photo(open_photo(tmp_path / f"in{suffix}"), tmp_path / f"out{suffix}")
    with Image.open(tmp_path / f"out{suffix}") as written:
        np.testing.assert_array_equal(np.asarray(written), deep)
    with pytest.raises(UserError, match="JPEG cannot hold 16 bits"):
        save_photo(open_photo(tmp_path / f"in{suffix}"), tmp_path / "out.jpg")


def test_grey_of_16_bits_may_have_either_byte_order(tmp_path):
    deep = np.array([[1, 256, 65535]], np.uint16)
    tags = [(256, 3), (257, 1), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (279, 6)]
    entries = b"".join(struct.pack(">HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    header = b"MM\0*" + struct.pack(">I", 14)
    content = header + deep.astype(">u2").tobytes() + struct.pack(">H", 8) + entries + bytes(4)
    (tmp_path / "a.tif").write_bytes(content)
    np.testing.assert_array_equal(np.asarray(open_photo(tmp_path / "a.tif").image), deep)
    np.testing.assert_array_equal(pixels(tmp_path / "a.tif")[0, :, 0], (0, 1, 255))


def test_a_phone_jpeg_with_extras_gives_its_first_picture(tmp_path, picture):
    image = Image.fromarray(picture)
    extra = Image.new("RGB", (10, 10))
    image.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[extra], quality=95)
    with Image.open(tmp_path / "a.jpg") as written:
        assert written.n_frames == 2
    assert open_photo(tmp_path / "a.jpg").image.size == image.size
    assert np.abs(pixels(tmp_path / "a.jpg").astype(int) - picture).mean() < 3


@pytest.mark.parametrize(("color_type", "samples"), [(2, 3), (4, 2), (6, 4)])
def test_colour_of_16_bits_is_refused_for_sharpening_only(tmp_path, color_type, samples):
    path = deep_png(tmp_path / "deep.png", color_type, samples)
    assert read_rgb(path).size == (4, 3)
    with pytest.raises(UserError, match=r"deep\.png: has 16 bits a channel"):
        open_photo(path)


def test_cmyk_is_refused_for_sharpening(tmp_path, picture):
    Image.fromarray(picture).convert("CMYK").save(tmp_path / "a.jpg")
    with pytest.raises(UserError, match="is CMYK: convert it to RGB first"):
        open_photo(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_several_frames_are_refused(tmp_path, picture, suffix):
    image = Image.fromarray(picture)
    frames = [image.transpose(Image.Transpose.ROTATE_180)]
    image.save(tmp_path / f"a{suffix}", save_all=True, append_images=frames)
    for opener in (read_rgb, open_photo):
        with pytest.raises(UserError, match="several frames or pages"):
            opener(tmp_path / f"a{suffix}")


def test_what_is_no_photo_is_named(tmp_path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("hello")
    Image.new("F", (4, 4)).save(tmp_path / "float.tif")
    Image.new("RGB", (4, 4)).save(tmp_path / "gif.png", format="GIF")
    os.mkfifo(tmp_path / "pipe.png")
    for name, reason in [
        ("gone.png", "no such file"),
        ("empty.png", "is empty"),
        ("text.jpg", "is no picture in JPEG, PNG"),
        ("gif.png", "is no picture in JPEG, PNG"),
        ("float.tif", "mode F are not supported"),
        ("pipe.png", "is not a file"),
        (".", "is not a file"),
    ]:
        for opener in (read_rgb, open_photo):
            with pytest.raises(UserError, match=f"{name}: .*{reason}|{reason}") as caught:
                opener(tmp_path / name)
            assert "\n" not in str(caught.value)


def test_a_decompression_bomb_is_refused(photo, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UserError, match="decompression bomb"):
        read_rgb(photo)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".bmp"])
def test_a_truncated_file_is_refused(tmp_path, suffix):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"a{suffix}"
    save_photo(Photo(Image.fromarray(noise)), path)
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(UserError, match=f"a{suffix}: "):
            read_rgb(path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), kind=st.sampled_from(["JPEG", "PNG", "TIFF", "WEBP", "BMP"]))
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
    for opener in (read_rgb, open_photo):
        try:
            opener(path)
        except UserError as error:
            assert str(path) in str(error)


def test_a_failed_write_names_the_target_and_leaves_nothing(tmp_path, picture, monkeypatch):
    photo, target = Photo(Image.fromarray(picture)), tmp_path / "out.png"

    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UserError, match=r"unknown suffix: choose one of \.bmp, "):
        save_photo(photo, tmp_path / "out.gif")
    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match=r"out\.png"):
        save_photo(photo, target)
    assert list(tmp_path.iterdir()) == []


def test_what_a_format_cannot_hold_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"wide\.webp: cannot be written as WEBP"):
        save_photo(Photo(Image.new("RGB", (16384, 1))), tmp_path / "wide.webp")
