import errno
import json
import os
import shutil
import stat
import subprocess
import sys
import threading

import pytest

from kdsharp import files
from kdsharp.errors import UserError
from kdsharp.files import (
    atomic_dir,
    atomic_file,
    discard_unfinished,
    sha256_file,
    sweep,
    sweep_folder,
    write_json,
    write_text,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_write_keeps_suffix_mode_and_makes_folders(tmp_path):
    target = tmp_path / "new" / "a b\né.png"
    with atomic_file(target) as temporary:
        assert temporary.suffix == ".png"
        temporary.write_bytes(b"1")
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~umask
    target.chmod(0o600)
    write_text(target, "2")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    target = tmp_path / "model"
    with atomic_dir(target) as temporary:
        (temporary / "one").write_text("1")
    with pytest.raises(RuntimeError), atomic_dir(target) as temporary:
        (temporary / "two").write_text("2")
        raise RuntimeError
    assert [path.name for path in target.iterdir()] == ["one"]
    with atomic_dir(target) as temporary:
        (temporary / "two").write_text("2")
    assert [path.name for path in target.iterdir()] == ["two"]
    assert list(tmp_path.iterdir()) == [target]


def test_json_is_stable_and_refuses_what_is_no_json(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": "é"})
    assert (tmp_path / "a.json").read_text(encoding="utf-8").endswith('"é"\n}\n')
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"b": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"b": 1, "a": "é"}


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_file(tmp_path / "a").startswith("ba7816bf8f01cfea")


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_that_is_replaced_is_whole_for_its_readers(tmp_path, monkeypatch, exchange):
    """With an exchange a reader never misses it; in two steps it is back at the end."""
    if not exchange:
        monkeypatch.setattr(files, "_exchange", lambda *_: False)
    target = tmp_path / "model"
    missed, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            if not (target / "number").exists():
                missed.append(1)

    with atomic_dir(target) as folder:
        (folder / "number").write_text("0")
    reader = threading.Thread(target=read)
    reader.start()
    for number in range(200):
        with atomic_dir(target) as folder:
            (folder / "number").write_text(str(number))
    stop.set()
    reader.join()
    assert (target / "number").read_text() == "199"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    if exchange and sys.platform == "linux":
        assert not missed


KILLED = """
import os, signal, sys
from pathlib import Path
from kdsharp.files import atomic_file
with atomic_file(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no locks on files")
def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path):
    target, other = tmp_path / "new" / "a.png", tmp_path / "b.png"
    for path in (target, other):
        subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    with atomic_file(target) as alive:
        sweep([target, tmp_path / "no folder" / "a.png"])
        assert list(target.parent.iterdir()) == [alive]
    assert [path.name[:6] for path in tmp_path.glob("*b.png")] == [".part-"]
    sweep([target, other])
    assert sorted(tmp_path.rglob("*.png")) == [target]


@pytest.mark.skipif(sys.platform == "win32", reason="no locks on files")
def test_a_folder_is_swept_of_what_is_older_than_a_second(tmp_path):
    for name in ("a.png", "b.json"):
        subprocess.run([sys.executable, "-c", KILLED, tmp_path / name], check=False)
    left = sorted(tmp_path.iterdir())
    os.utime(left[0], (0, 0))
    with atomic_file(tmp_path / "c.png") as alive:
        os.utime(alive, (0, 0))
        (tmp_path / ".part-folder").mkdir()
        sweep_folder(tmp_path)
        assert sorted(tmp_path.iterdir()) == sorted([tmp_path / ".part-folder", alive, left[1]])
    sweep_folder(tmp_path / "no folder")


def test_an_ending_process_discards_what_its_threads_write(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "a") as temporary:
        temporary.write_text("half")
        discard_unfinished()
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("letter", ["a", "\N{GRINNING FACE}"])
def test_the_longest_name_can_be_written(tmp_path, letter):
    target = tmp_path / (letter * (251 // len(letter.encode())) + ".png")
    write_text(target, "1")
    assert target.read_text() == "1"


@pytest.mark.parametrize("write", [atomic_file, atomic_dir])
def test_what_a_library_says_of_a_full_disk_is_told_as_that(tmp_path, monkeypatch, write):
    full = shutil.disk_usage(tmp_path)._replace(free=0)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: full)
    with pytest.raises(OSError, match="No space left") as caught, write(tmp_path / "x"):
        raise RuntimeError("PytorchStreamWriter failed writing file data/0")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "x"))
    # Who says what is wrong is believed.
    with pytest.raises(UserError), write(tmp_path / "x"):
        raise UserError("not a photo")
    with pytest.raises(FileNotFoundError), write(tmp_path / "x"):
        (tmp_path / "none").read_bytes()
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: full._replace(free=1 << 30))
    with pytest.raises(RuntimeError), write(tmp_path / "x"):
        raise RuntimeError
    with pytest.raises(OSError, match="No space left"), write(tmp_path / "x"):
        raise RuntimeError("I/O error: No space left on device (os error 28)")
    assert list(tmp_path.iterdir()) == []


def test_folders_that_a_killed_process_left_are_removed_and_no_others(tmp_path):
    target = tmp_path / "made"
    code = (
        "import os, signal, sys; from pathlib import Path; from kdsharp.files import atomic_dir\n"
        "with atomic_dir(Path(sys.argv[1])) as new:\n"
        "    (new / 'half').write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    assert done.returncode
    (left,) = tmp_path.iterdir()
    other = tmp_path / ".part-made-too-abcdefgh"  # of another target
    other.mkdir()
    with atomic_dir(target) as busy:
        assert not left.exists()
        with atomic_dir(target):
            assert busy.exists()
    assert sorted(tmp_path.iterdir()) == [other, target]
