import errno
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from kdsharp.errors import UserError, describe
from kdsharp.files import sha256_file
from pipeline.data import outputs as publish
from pipeline.data.outputs import KEEP, place, workspace, write_manifest
from pipeline.data.source import CheckedPhoto


@pytest.fixture
def make_photo(tmp_path):
    def make(name: str, content: bytes = b"photo") -> CheckedPhoto:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return CheckedPhoto(name, path, None, "CC0", sha256_file(path), 20, 10, None)

    return make


def tree(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and path.name != KEEP)
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_bytes_and_names_are_kept(tmp_path, make_photo):
    splits = {
        "train": [make_photo("b/1.jpg", b"1"), make_photo("2.jpg", b"2")],
        "val": [],
        "test": [],
    }
    place(splits, tmp_path / "new", tmp_path / "unpacked")
    assert tree(tmp_path / "new") == {"train/b/1.jpg": b"1", "train/2.jpg": b"2"}
    assert splits["train"][0].path.exists()


def test_no_folder_is_empty_that_dvc_would_warn_of(tmp_path, make_photo):
    splits = {"train": [make_photo("1.jpg")], "val": [make_photo("2.jpg")], "test": []}
    place(splits, tmp_path / "new", tmp_path / "none")
    assert [path.name for path in (tmp_path / "new/unlabelled").iterdir()] == [KEEP]
    place({**splits, "unlabelled": [make_photo("3.jpg")]}, tmp_path / "more", tmp_path / "none")
    assert [path.name for path in (tmp_path / "more/unlabelled").iterdir()] == ["3.jpg"]


def test_unpacked_photos_are_moved(tmp_path, make_photo):
    splits = {"train": [make_photo("1.jpg")], "val": [], "test": []}
    place(splits, tmp_path / "new", tmp_path / "in")
    assert not splits["train"][0].path.exists()


def test_names_that_macos_takes_for_one_get_a_suffix(tmp_path, make_photo):
    names = ["A/x.jpg", "a/X.JPG", "caf\u00e9.png", "cafe\u0301.png", "y.png"]
    photos = [make_photo(name, name.encode()) for name in names]
    placed = place({"train": photos, "val": [], "test": []}, tmp_path / "new", tmp_path / "none")
    got = {p.name: p.sha256 for p in placed["train"]}
    assert len(got) == 5
    assert f"a/X-{photos[1].sha256[:8]}.JPG" in got
    assert f"caf\u00e9-{photos[2].sha256[:8]}.png" in got
    for name, sha256 in got.items():
        assert sha256_file(tmp_path / "new" / "train" / name) == sha256


def test_a_file_that_changed_since_the_check_is_refused(tmp_path, make_photo):
    changed = make_photo("1.jpg")
    changed.path.write_bytes(b"other")
    with pytest.raises(UserError, match="changed while it was copied"):
        place({"train": [changed], "val": [], "test": []}, tmp_path / "new", tmp_path / "none")


def test_the_manifest_is_sorted_and_always_the_same(tmp_path, make_photo):
    one, two, three = make_photo("1,5.jpg"), make_photo("2.jpg"), make_photo("3.jpg")
    write_manifest({"train": [two, one], "val": [], "test": [three]}, "folder", tmp_path / "a.csv")
    write_manifest({"test": [three], "train": [one, two], "val": []}, "folder", tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    table = pd.read_csv(tmp_path / "a.csv")
    assert list(table) == publish.COLUMNS
    assert list(table["name"]) == ["3.jpg", "1,5.jpg", "2.jpg"]
    assert list(table["split"]) == ["test", "train", "train"]
    assert (table["width"] > table["height"]).all()


@pytest.fixture
def ready(tmp_path):
    """New outputs, old ones, and the .gitignore that DVC keeps beside them."""
    new, raw = tmp_path / "work" / "new", tmp_path / "raw"
    for root, text in ((new, "new"), (raw, "old")):
        for split in ("train", "val", "test"):
            (root / split).mkdir(parents=True)
            (root / split / "1.png").write_text(text)
        (root / "manifest.csv").write_text(text)
    (raw / ".gitignore").write_text("/train")
    return new, raw


def test_everything_is_replaced_but_dvcs_own_file(ready):
    new, raw = ready
    publish.publish(new, raw)
    assert {content for name, content in tree(raw).items() if name != ".gitignore"} == {b"new"}
    assert (raw / ".gitignore").exists()


@pytest.mark.parametrize("fails_at", range(8))
def test_a_failure_on_the_way_leaves_the_old_outputs(ready, monkeypatch, fails_at):
    new, raw = ready
    before, calls, replace = tree(raw), iter(range(100)), os.replace

    def failing(source, target):
        if next(calls) == fails_at:
            raise OSError(errno.EIO, "I/O error")
        replace(source, target)

    monkeypatch.setattr(publish.os, "replace", failing)
    with pytest.raises(OSError, match="I/O error"):
        publish.publish(new, raw)
    assert tree(raw) == before


def test_the_workspace_is_empty_and_goes_away(tmp_path):
    raw = tmp_path / "data" / "raw"
    left = raw.parent / ".acquire" / "work" / "left"
    left.mkdir(parents=True)
    with pytest.raises(RuntimeError), workspace(raw) as folder:
        assert list(folder.iterdir()) == []
        (folder / "file").touch()
        raise RuntimeError
    assert not folder.exists()


def test_a_full_disk_names_the_file_that_was_written(tmp_path, make_photo, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(source))

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space") as got:
        place(
            {"train": [make_photo("1.jpg")], "val": [], "test": []},
            tmp_path / "new",
            tmp_path / "none",
        )
    target = tmp_path / "new" / "train" / "1.jpg"
    assert describe(got.value).startswith(f"the disk is full while writing {target}")
