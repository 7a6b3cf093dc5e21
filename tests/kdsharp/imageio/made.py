"""Photos that the tests make: of every format, and some that Pillow cannot write."""

import io
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
ORIENTATION, MAKE, EXIF, GPS = 0x0112, 0x010F, 0x8769, 0x8825
TAKEN = 0x9003


def exif(orientation=1):
    """EXIF with a folder of its own, GPS and a maker's notes."""
    made = Image.Exif()
    made[ORIENTATION], made[MAKE] = orientation, "Camera"
    made.get_ifd(EXIF).update({TAKEN: "2024:01:02 03:04:05", 0x927C: bytes(range(64))})
    made.get_ifd(GPS).update({1: "N", 2: (52.0, 31.0, 12.5)})
    return made.tobytes()


def encoded(image, kind, **options):
    file = io.BytesIO()
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, idat=b"", depth=8, color_type=2, before=b""):
    """A PNG of the given header, whatever its data are."""
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + before + chunk(b"IDAT", idat) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def deep_png(path, levels, color_type, before=b""):
    """`levels` (H, W, C) of 16 bits as PNG, which Pillow cannot write in colour."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    height, width = levels.shape[:2]
    path.write_bytes(png(width, height, zlib.compress(rows), 16, color_type, before))
    return path


def noise(shape, dtype=np.uint16):
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
