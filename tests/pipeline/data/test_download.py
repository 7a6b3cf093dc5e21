import errno
import threading
from dataclasses import replace
from io import FileIO
from pathlib import Path

import pytest

from kdsharp.errors import TransientError, UserError, describe, exit_code
from pipeline.data.archive import Archive
from pipeline.data.download import fetch, remaining

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def archive(miniature) -> Archive:
    return miniature.archives.train


@pytest.fixture
def truth(miniature, archive) -> bytes:
    return (miniature.folder / archive.name).read_bytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "downloads"


@pytest.mark.parametrize(
    "plan",
    [
        [],
        ["cut"],
        ["cut", "cut", "cut", "cut"],
        ["503", "500", "429"],
        ["cut", "ignore"],
        ["cut", "shifted"],
        ["cut", "shifted", "cut"],
        ["unsized"],
        ["cut", "corrupt"],
        ["cut", "503", "cut"],
    ],
)
def test_the_bytes_are_the_servers_whatever_happened_on_the_way(
    server, archive, truth, folder, plan
):
    server.plan = list(plan)
    assert fetch(server.url, archive, folder).read_bytes() == truth
    assert not server.plan
    assert [path.name for path in folder.glob("*.part")] == []


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999, 1.0])
def test_a_partial_file_is_resumed_from_its_end(server, archive, truth, folder, share):
    folder.mkdir()
    have = round(len(truth) * share)
    (folder / f"{archive.name}.part").write_bytes(truth[:have])
    assert remaining(archive, folder) == len(truth) - have
    assert fetch(server.url, archive, folder).read_bytes() == truth
    expected = {0: [None], len(truth): []}.get(have, [f"bytes={have}-"])
    assert server.ranges == expected


@pytest.mark.parametrize("damage", [b"x" * 1000, b"x" * 10_000_000])
def test_a_wrong_partial_file_is_thrown_away(server, archive, truth, folder, damage):
    folder.mkdir()
    (folder / f"{archive.name}.part").write_bytes(damage)
    assert fetch(server.url, archive, folder).read_bytes() == truth


def test_a_whole_file_is_not_downloaded_again(server, archive, folder):
    fetch(server.url, archive, folder)
    fetch(server.url, archive, folder)
    assert len(server.ranges) == 1
    assert remaining(archive, folder) == 0


def test_a_server_that_always_cuts_off_ends_in_one_line_and_a_partial_file(
    server, archive, truth, folder
):
    server.always = "cut"
    with pytest.raises(
        TransientError, match=r"cut off at .* 5 times in a row: run the same"
    ) as got:
        fetch(server.url, archive, folder)
    assert server.url + archive.name in describe(got.value)
    assert exit_code(got.value) == 2
    part = (folder / f"{archive.name}.part").read_bytes()
    assert len(truth) / 2 < len(part) < len(truth)
    assert truth.startswith(part)
    server.always = "well"
    assert fetch(server.url, archive, folder).read_bytes() == truth


@pytest.mark.parametrize(
    ("mode", "line"),
    [
        ("404", "404 Not Found: set data.div2k.mirror"),
        ("403", "403 Forbidden: set data.div2k.mirror"),
        ("416", "has fewer bytes"),
        ("html", "answers with a web page"),
        ("longer", "expected: set data.div2k.mirror"),
        ("corrupt", "has SHA-256"),
    ],
)
def test_a_server_without_the_file_is_not_asked_twice(server, archive, folder, mode, line):
    server.always = mode
    with pytest.raises(UserError, match=line) as got:
        fetch(server.url, archive, folder)
    assert not isinstance(got.value, TransientError)
    assert describe(got.value).startswith(server.url + archive.name)
    assert len(server.ranges) == 1
    assert not (folder / archive.name).exists()


def test_a_shorter_file_is_refused_by_its_size(server, archive, folder):
    other = replace(archive, size=archive.size + 1)
    with pytest.raises(UserError, match=f"has {archive.size} bytes, {other.size:,} expected"):
        fetch(server.url, other, folder)


def test_no_server_is_worth_another_try_later(archive, folder):
    with pytest.raises(TransientError, match="5 times in a row"):
        fetch("http://127.0.0.1:9/", archive, folder)


@pytest.mark.parametrize("mirror", ["file:///somewhere", "no address", "ftp://127.0.0.1/"])
def test_a_mirror_that_is_no_web_address_is_refused(archive, folder, mirror):
    with pytest.raises(UserError, match=r"data\.div2k\.mirror"):
        fetch(mirror, archive, folder)


def test_two_at_once_download_once(server, archive, truth, folder):
    got: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: got.append(fetch(server.url, archive, folder).read_bytes()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [truth] * 4
    assert len(server.ranges) == 1


def test_a_full_disk_is_named_and_what_arrived_is_kept(server, archive, truth, folder, monkeypatch):
    class Full(FileIO):
        def write(self, data):
            room = len(truth) // 2 - self.tell()
            if room <= 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(bytes(data)[:room])

    def opened(path, mode="r", **options):
        if mode == "ab":
            return Full(path, mode)
        return open(path, mode, **options)  # noqa: PTH123 - the method itself is replaced

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opened)
        with pytest.raises(OSError, match="No space") as got:
            fetch(server.url, archive, folder)
    part = folder / f"{archive.name}.part"
    assert describe(got.value).startswith(f"the disk is full while writing {part}")
    assert part.read_bytes() == truth[: len(truth) // 2]
    assert fetch(server.url, archive, folder).read_bytes() == truth
    assert server.ranges[-1] == f"bytes={len(truth) // 2}-"
