"""EXIF: read, and changed in place as bytes, because a directory written anew would lose things.

What nobody here understands, such as a maker's notes, may point anywhere into it.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any

from PIL import ExifTags, Image

__all__ = ["MARK", "described", "enlarged_exif", "orientation", "parses", "reset_orientation"]

MARK = b"Exif\0\0"
"""What EXIF begins with in a JPEG, and in Pillow's `info`."""

_ORIENTATION = int(ExifTags.Base.Orientation)
_RESOLUTION = (int(ExifTags.Base.XResolution), int(ExifTags.Base.YResolution))
_WIDTH = (int(ExifTags.Base.ImageWidth), int(ExifTags.Base.ExifImageWidth))
_HEIGHT = (int(ExifTags.Base.ImageLength), int(ExifTags.Base.ExifImageHeight))
_FOLDERS = (int(ExifTags.IFD.Exif), int(ExifTags.IFD.GPSInfo))
_SHORT, _LONG, _RATIONAL = 3, 4, 5  # EXIF's types
# Name, description, maker, model, page, software, date, artist, computer, rating, XP*, copyright
# and IPTC: TIFF keeps them beside the tags that lay out its pixels.
_DESCRIBING = (
    *(269, 270, 271, 272, 285, 305, 306, 315, 316, 18246, 18249),
    *(*range(40091, 40096), 33432, 33723),
)


def orientation(image: Image.Image) -> int:
    """EXIF's orientation of a loaded image, 1..8; 1 if there is no readable one."""
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - EXIF that nobody can parse turns nothing
        return 1
    return found if found in range(1, 9) else 1


def parses(exif: bytes) -> bool:
    """Whether Pillow can read it."""
    try:
        Image.Exif().load(exif)
    except Exception:  # noqa: BLE001 - whatever damaged bytes lead to
        return False
    return True


def described(source: Image.Exif, target: Image.Exif) -> None:
    """Copy to `target` the tags of `source` that describe the photo, its folders too.

    Those of a TIFF that lay out its pixels are left out.
    """
    for tag in (*_DESCRIBING, *_FOLDERS):
        value: Any = source.get_ifd(tag) if tag in _FOLDERS else source.get(tag)
        if value:
            target[tag] = value


def reset_orientation(exif: bytes, *, turned: bool) -> bytes:
    """`exif` with orientation 1; without the thumbnail if that lies on its side."""

    def change(data: bytearray, order: str, first: int) -> None:
        end = first + 2
        for entry, tag, field_type, count in _entries(data, order, first):
            if (tag, field_type, count) == (_ORIENTATION, _SHORT, 1):
                struct.pack_into(order + "H", data, entry + 8, 1)
            end = entry + 12
        if turned:
            struct.pack_into(order + "I", data, end, 0)  # where the thumbnail's directory is

    return _changed(exif, change)


def enlarged_exif(exif: bytes, size: tuple[int, int], times: int) -> bytes:
    """`exif` with the new sizes in pixels, (width, height), and `times` the resolution."""

    def change(data: bytearray, order: str, first: int) -> None:
        for at in [first, *_folder(data, order, first)]:
            for entry, tag, field_type, count in _entries(data, order, at):
                if count == 1 and field_type == _RATIONAL and tag in _RESOLUTION:
                    (where,) = struct.unpack_from(order + "I", data, entry + 8)
                    (dots,) = struct.unpack_from(order + "I", data, where)
                    struct.pack_into(order + "I", data, where, min(dots * times, 2**32 - 1))
                if count == 1 and field_type in (_SHORT, _LONG) and tag in (*_WIDTH, *_HEIGHT):
                    side = size[0] if tag in _WIDTH else size[1]
                    struct.pack_into(order + "HII", data, entry + 2, _LONG, 1, side)

    return _changed(exif, change)


def _changed(exif: bytes, change: Callable[[bytearray, str, int], None]) -> bytes:
    """`exif`, with its mark or without, after `change(data, byte order, first directory)`."""
    start = len(MARK) if exif.startswith(MARK) else 0
    data = bytearray(exif[start:])
    try:
        order = {b"II": "<", b"MM": ">"}[bytes(data[:2])]
        (first,) = struct.unpack_from(order + "I", data, 4)
        change(data, order, first)
    except (KeyError, struct.error):
        return exif  # that nobody can parse
    return exif[:start] + bytes(data)


def _entries(data: bytearray, order: str, at: int) -> Iterator[tuple[int, int, int, int]]:
    """Of each entry of the directory at `at`: where it is, its tag, its type, how many values."""
    (count,) = struct.unpack_from(order + "H", data, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        yield entry, *struct.unpack_from(order + "HHI", data, entry)


def _folder(data: bytearray, order: str, first: int) -> list[int]:
    """Where the directory is that EXIF keeps its own tags in."""
    return [
        struct.unpack_from(order + "I", data, entry + 8)[0]
        for entry, tag, field_type, count in _entries(data, order, first)
        if (tag, field_type, count) == (_FOLDERS[0], _LONG, 1)
    ]
