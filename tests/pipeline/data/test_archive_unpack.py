import stat
import zipfile
from pathlib import Path

import pytest

from kdsharp.errors import UserError
from pipeline.data.archive import photos_of, unpack


def zipped(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members:
            opened.writestr(name, content)
    return path


def test_only_the_photos_that_are_asked_for_come_out(tmp_path):
    path = zipped(
        tmp_path / "a.zip",
        ("top/2.png", b"two"),
        ("top/", b""),
        ("top/1.PNG", b"one"),
        ("__MACOSX/top/._1.png", b"junk"),
        ("README.txt", b"text"),
    )
    assert photos_of(path) == ["1.PNG", "2.png"]
    unpack(path, ["2.png"], tmp_path / "out")
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == {"2.png": b"two"}


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("1.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("members", "line"),
    [
        ([("../1.png", b"x")], "points outside"),
        ([("a/../../1.png", b"x")], "points outside"),
        ([("/etc/1.png", b"x")], "points outside"),
        ([("..\\1.png", b"x")], "points outside"),
        ([("C:\\1.png", b"x")], "points outside"),
        ([(link(), b"/etc/passwd")], "is a link"),
        ([("1.png", bytes(30_000_000))], "would unpack to 30.0 MB"),
        ([("a/1.png", b"x"), ("b/1.png", b"y")], "two photos named"),
    ],
)
def test_hostile_archives_are_refused(tmp_path, members, line):
    path = zipped(tmp_path / "a.zip", *members)
    with pytest.raises(UserError, match=line):
        photos_of(path)


@pytest.mark.parametrize("cut", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_archive_is_refused(tmp_path, cut):
    path = zipped(tmp_path / "a.zip", ("1.png", bytes(range(256)) * 10))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * cut)])
    with pytest.raises(UserError, match="not a complete zip file"):
        photos_of(path)


def test_a_damaged_member_is_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", ("1.png", bytes(range(256)) * 10))
    content = bytearray(path.read_bytes())
    content[60] ^= 255
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a complete zip file"):
        unpack(path, ["1.png"], tmp_path / "out")
