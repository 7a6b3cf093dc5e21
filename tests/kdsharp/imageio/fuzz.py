"""Damaged files, the same at every run: each starts as a sound photo of one of many kinds."""

import io
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from kdsharp.errors import UserError
from kdsharp.imageio.read import open_photo
from tests.kdsharp.imageio.made import PROFILE, XMP, deep_png, encoded, exif

KINDS = ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "AVIF", "HEIF", "GIF", "PPM")
_LENGTHS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000)


def sound(kind: str, folder: Path) -> list[bytes]:
    """Small photos in the format `kind`, with metadata, of every layout that may matter."""
    y, x = np.mgrid[0:40, 0:56]
    waves = [127 + 100 * np.sin(x / (3 + c)) * np.cos(y / (4 + c)) for c in range(3)]
    picture = np.stack(waves, axis=2).astype(np.uint8)
    image, sixteen_bit = Image.fromarray(picture), picture.astype(np.uint16) * 257
    alpha = image.copy()
    alpha.putalpha(image.getchannel("R"))
    about = {"exif": exif(6), "icc_profile": PROFILE, "dpi": (300, 300)}
    if kind == "JPEG":
        extra = Image.new("RGB", (9, 9))
        return [
            encoded(image, kind, xmp=XMP, comment=b"x", **about),
            encoded(image, kind, progressive=True, subsampling=0, restart_marker_rows=1),
            encoded(image.convert("CMYK"), kind, **about),
            encoded(image.convert("L"), kind, quality=100),
            encoded(image, "MPO", save_all=True, append_images=[extra]),
        ]
    if kind == "PNG":
        deep_png(folder / "sixteen_bit.png", sixteen_bit, 2)
        deep_png(folder / "pairs.png", sixteen_bit[..., :2], 4)
        return [
            encoded(image, kind, **about),
            encoded(alpha.convert("LA"), kind),
            encoded(image.quantize(), kind, transparency=3),
            encoded(image.convert("1"), kind),
            *((folder / name).read_bytes() for name in ("sixteen_bit.png", "pairs.png")),
        ]
    if kind == "TIFF":
        layouts = [{}, {"tile": (16, 16)}, {"compression": "zlib", "predictor": True}]
        return [
            encoded(image, kind, **about),
            encoded(alpha, kind, compression="tiff_lzw", icc_profile=PROFILE),
            encoded(image.convert("CMYK"), kind),
            encoded(image.convert("1"), kind, compression="group4"),
            encoded(image, kind, compression="jpeg"),
            *(_tiff(sixteen_bit, photometric="rgb", **layout) for layout in layouts),
            _tiff(sixteen_bit[..., 0], byteorder=">"),
        ]
    if kind == "BMP":
        return [encoded(made, kind) for made in (image, image.quantize(), image.convert("1"))]
    if kind == "GIF":
        return [encoded(image.quantize(), kind), encoded(image.convert("L"), kind)]
    if kind == "PPM":
        return [encoded(made, kind) for made in (image, image.convert("L"), image.convert("1"))]
    lossless = [encoded(image, kind, lossless=True)] if kind == "WEBP" else []
    return [encoded(alpha, kind, xmp=XMP, **about), encoded(image, kind), *lossless]


def damaged(kind: str, count: int, folder: Path) -> Iterator[bytes]:
    """`count` damaged files in the format `kind`."""
    rng = np.random.default_rng([KINDS.index(kind), 5])
    whole = sound(kind, folder)
    for number in range(count):
        data = bytearray(whole[number % len(whole)])
        for _ in range(rng.integers(1, 4)):
            _damage(data, whole, rng)
        yield bytes(data)


def check(sharpener, data: bytes, folder: Path, suffix: str) -> bool:
    """Sharpen a damaged file into an empty folder; True if it was sound enough for that."""
    before = {*folder.iterdir()}
    (source := folder / f"damaged{suffix}").write_bytes(data)
    target = folder / "out.png"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of odd metadata
        try:
            try:
                sharpener.file(source, target)
            except UserError as error:
                if not str(error).endswith("write .tif or .jpg"):  # PNG has no CMYK
                    raise
                target = folder / "out.tif"
                sharpener.file(source, target)
        except UserError as error:
            line = str(error)
            assert line.startswith((str(source), str(target))), line
            assert {*folder.iterdir()} == before | {source}, line
            source.unlink()
            return False
        assert open_photo(target).pixels.size
    target.unlink()
    source.unlink()
    assert {*folder.iterdir()} == before
    return True


def _tiff(levels, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, levels, metadata=None, **options)
    return file.getvalue()


def _damage(data: bytearray, whole: list[bytes], rng: np.random.Generator) -> None:
    size = len(data)
    start = int(rng.integers(0, size))
    stop = min(start + int(rng.integers(1, 64)), size)
    # Half of the damage hits the beginning, where everything is said.
    near = int(rng.integers(0, min(size, 400)))
    match rng.integers(0, 7):
        case 0:
            del data[max(start, 2) :]
        case 1:
            for _ in range(rng.integers(1, 9)):
                data[rng.integers(0, size)] ^= 1 << rng.integers(0, 8)
        case 2:
            data[near] ^= 1 << rng.integers(0, 8)
        case 3:
            data[start:stop] = bytes(stop - start)
        case 4:
            other = whole[rng.integers(0, len(whole))]
            data[start:stop] = other[start : start + int(rng.integers(0, 200))]
        case 5:
            order, length = rng.choice(["<I", ">I", "<H", ">H"]), int(rng.choice(_LENGTHS))
            width = struct.calcsize(order)
            packed = struct.pack(order, length & ((1 << 8 * width) - 1))
            data[near : near + width] = packed
        case 6:
            data[start:start] = data[near : near + 100]
    if len(data) < 2:
        data.extend(b"\0\0")
