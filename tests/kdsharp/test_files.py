import json
import os
import stat
import sys
import threading

import pytest

from kdsharp import files
from kdsharp.files import atomic_dir, atomic_file, sha256_file, write_json, write_text


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
