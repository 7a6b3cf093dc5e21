"""What a file says of its photo, from every format into every other."""

import struct

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from kdsharp.imageio.read import open_photo
from kdsharp.imageio.write import save_photo
from tests.kdsharp.imageio.made import (
    EXIF,
    GPS,
    MAKE,
    ORIENTATION,
    PROFILE,
    TAKEN,
    XMP,
    encoded,
    exif,
)

FORMATS = {".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF", ".webp": "WEBP", ".avif": "AVIF"}
FORMATS[".heic"] = "HEIF"


def written(path, image, **options):
    kind = FORMATS[path.suffix]
    if kind == "HEIF":
        pytest.importorskip("pillow_heif", reason="needs the extra heic")
    if kind == "TIFF":
        tags = Image.Exif()
        tags.load(options["exif"])
        tags[700] = options.pop("xmp")
        options["exif"] = tags
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", options.pop("xmp").decode())
        options["pnginfo"] = info
    path.write_bytes(encoded(image, kind, **options))


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
def test_everything_travels(tmp_path, picture, source, target):
    image = Image.fromarray(picture)
    options = {"exif": exif(), "icc_profile": PROFILE, "xmp": XMP, "dpi": (300, 300)}
    written(tmp_path / f"in{source}", image, **options)
    photo = open_photo(tmp_path / f"in{source}")
    save_photo(photo, tmp_path / f"out{target}")
    with Image.open(tmp_path / f"out{target}") as image:
        assert image.info["icc_profile"] == PROFILE
        found = image.getexif()
        assert (found[MAKE], found.get(ORIENTATION, 1)) == ("Camera", 1)
        assert found.get_ifd(EXIF)[TAKEN] == "2024:01:02 03:04:05"
        assert found.get_ifd(EXIF)[0x927C] == bytes(range(64))
        assert found.get_ifd(GPS)[1] == "N"
        assert tuple(map(float, found.get_ifd(GPS)[2])) == (52.0, 31.0, 12.5)
        xmp = image.info["xmp"]
        assert (xmp.encode() if isinstance(xmp, str) else xmp).rstrip(b"\0") == XMP
        if not {".webp", ".avif", ".heic"} & {source, target}:
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_once(tmp_path, picture, suffix, orientation):
    stored = Image.fromarray(picture[:36, :52].copy())
    stored.save(tmp_path / f"in{suffix}", exif=exif(orientation), quality=95)
    photo = open_photo(tmp_path / f"in{suffix}")
    save_photo(photo, tmp_path / f"out{suffix}")
    again = open_photo(tmp_path / f"out{suffix}")
    assert again.pixels.shape == photo.pixels.shape
    assert np.abs(again.pixels.astype(int) - photo.pixels).mean() < 3
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert image.getexif().get(ORIENTATION, 1) == 1
        assert image.getexif()[MAKE] == "Camera"


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", [1, 6])
def test_exif_is_changed_in_place_and_loses_a_thumbnail_on_its_side(
    tmp_path, picture, order, orientation
):
    entry = struct.pack(order + "HHIHH", ORIENTATION, 3, 1, orientation, 0)
    thumbnail = struct.pack(order + "H", 0) + bytes(4)
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    made = head + struct.pack(order + "H", 1) + entry + struct.pack(order + "I", 26) + thumbnail
    Image.fromarray(picture).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + made + b"maker's own")
    found = open_photo(tmp_path / "a.jpg").about["exif"].removeprefix(b"Exif\0\0")
    expected = bytearray(made + b"maker's own")
    struct.pack_into(order + "H", expected, 18, 1)
    if orientation != 1:
        struct.pack_into(order + "I", expected, 22, 0)
    assert found == bytes(expected)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("target", [".jpg", ".png", ".tif", ".webp", ".avif"])
@pytest.mark.parametrize("damage", [b"", b"II", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff"])
def test_damaged_exif_does_not_cost_the_photo(tmp_path, picture, target, damage):
    Image.fromarray(picture).save(tmp_path / "a.webp", exif=b"Exif\0\0" + damage, lossless=True)
    save_photo(open_photo(tmp_path / "a.webp"), tmp_path / f"out{target}")
    assert open_photo(tmp_path / f"out{target}").pixels.shape == picture.shape


def test_segments_of_a_jpeg_that_nobody_names_are_kept(tmp_path, picture):
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x08\x1c\x02\x78\0\x03abc"
    other = b"http://ns.adobe.com/xmp/extension/\0" + bytes(50)
    segments = b"".join(
        struct.pack(">HH", 0xFFE0 + number, len(data) + 2) + data
        for number, data in ((13, iptc), (1, other))
    )
    Image.fromarray(picture).save(tmp_path / "in.jpg", extra=segments, comment=b"seen")
    save_photo(open_photo(tmp_path / "in.jpg"), tmp_path / "out.jpg")
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.info["comment"] == b"seen"
        found = [data for name, data in image.applist]
        assert iptc in found
        assert other in found


def test_a_phone_jpeg_with_extras_keeps_its_first_picture_alone(tmp_path, picture):
    image, extra = Image.fromarray(picture), Image.new("RGB", (10, 10))
    image.save(tmp_path / "in.jpg", "MPO", save_all=True, append_images=[extra], exif=exif())
    photo = open_photo(tmp_path / "in.jpg", ycbcr=True)
    assert (photo.file_format, photo.space) == ("JPEG", "YCbCr")
    save_photo(photo, tmp_path / "out.jpg")
    with Image.open(tmp_path / "out.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (53, 37))
        assert image.getexif()[MAKE] == "Camera"
        assert not [data for _, data in image.applist if data.startswith(b"MPF")]


def test_what_a_png_says_of_its_colours_and_in_words_is_kept(tmp_path, picture):
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "Wellen", zip=True)
    info.add_itxt("Author", "Jemand")
    info.add(b"gAMA", struct.pack(">I", 50000))
    info.add(b"sRGB", b"\1")
    Image.fromarray(picture).save(tmp_path / "in.png", pnginfo=info)
    save_photo(open_photo(tmp_path / "in.png"), tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        image.load()
        assert (image.text["Title"], image.text["Author"]) == ("Wellen", "Jemand")
        assert (image.info["gamma"], image.info["srgb"]) == (0.5, 1)


def test_what_a_tiff_says_of_the_photo_is_kept_and_its_layout_is_not(tmp_path, picture):
    tags = {270: "waves", 305: "kamera", 315: "jemand", 33432: "frei", 700: XMP}
    Image.fromarray(picture).save(tmp_path / "in.tif", tiffinfo=tags, compression="tiff_lzw")
    save_photo(open_photo(tmp_path / "in.tif"), tmp_path / "out.tif")
    with Image.open(tmp_path / "out.tif") as image:
        assert {tag: image.tag_v2[tag] for tag in tags} == tags
        assert image.info["compression"] == "tiff_adobe_deflate"


def test_what_is_too_long_for_a_jpeg_is_left_out(tmp_path, picture):
    Image.fromarray(picture).save(tmp_path / "in.webp", xmp=b"x" * 70_000, exif=exif())
    save_photo(open_photo(tmp_path / "in.webp"), tmp_path / "out.jpg")
    with Image.open(tmp_path / "out.jpg") as image:
        assert "xmp" not in image.info
        assert image.getexif()[MAKE] == "Camera"
