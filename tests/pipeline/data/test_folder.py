import logging
import os
import shutil

import pytest

from kdsharp.errors import UserError
from pipeline.data.check import check
from pipeline.data.folder import Folder
from pipeline.params import FolderParams


def folder_of(path, **changes: object) -> Folder:
    values = {"path": str(path), "val": 0.2, "test": 0.2, "at_least": 3}
    values |= {"jpeg_shrink": 1, "licence": "not recorded", **changes}
    return Folder(FolderParams.model_validate(values), 4)


@pytest.fixture
def fill(make_picture):
    def write(root, *names: str) -> None:
        for seed, name in enumerate(names):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            make_picture(seed).save(path)

    return write


def names(found) -> list[tuple[str | None, str]]:
    return [(candidate.split, candidate.name) for candidate in found]


def test_a_tree_keeps_its_folders_and_leaves_other_files(tmp_path, fill, caplog):
    caplog.set_level(logging.INFO)
    fill(tmp_path, "b/1.jpg", "a.PNG", "b/c/1.tiff", "x.webp", "y.bmp")
    fill(tmp_path, ".hidden.png", ".git/1.png")
    (tmp_path / "README.md").write_text("text")
    found = folder_of(tmp_path).candidates(tmp_path / "work")
    assert sorted(names(found)) == [
        (None, name) for name in ("a.PNG", "b/1.jpg", "b/c/1.tiff", "x.webp", "y.bmp")
    ]
    assert "5 image files, 2 other files" in caplog.text


def test_folders_named_like_the_splits_are_the_splits(tmp_path, fill, caplog):
    fill(tmp_path, "train/a/1.png", "val/1.png", "test/1.png", "test/train/2.png", "else/1.png")
    found = folder_of(tmp_path).candidates(tmp_path / "work")
    assert names(found) == [
        ("test", "1.png"),
        ("test", "train/2.png"),
        ("train", "a/1.png"),
        ("val", "1.png"),
    ]
    assert "1 photos outside train, val and test" in caplog.text
    splits = folder_of(tmp_path).assign(check(found, 16)[0])
    assert {split: len(photos) for split, photos in splits.items()} == {
        "train": 1,
        "val": 1,
        "test": 2,
    }


def test_two_of_three_split_folders_are_no_splits(tmp_path, fill, caplog):
    fill(tmp_path, "train/1.png", "val/1.png", "val/2.png")
    found = folder_of(tmp_path).candidates(tmp_path / "work")
    assert names(found) == [(None, "train/1.png"), (None, "val/1.png"), (None, "val/2.png")]
    assert "has only train and val of train, val and test" in caplog.text


def test_unlabelled_photos_stand_beside_the_splits(tmp_path, fill):
    fill(tmp_path, "unlabelled/a/1.png", "2.png", "3.png", "4.png")
    source = folder_of(tmp_path)
    found = source.candidates(tmp_path / "work")
    assert names(found) == [
        (None, "2.png"),
        (None, "3.png"),
        (None, "4.png"),
        ("unlabelled", "a/1.png"),
    ]
    photos, _ = check(found, 16)
    splits = source.assign(photos)
    assert [photo.name for photo in splits["unlabelled"]] == ["a/1.png"]
    assert sum(len(splits[split]) for split in ("train", "val", "test")) == 3
    with pytest.raises(UserError, match="3 usable photos"):  # without the unlabelled one
        folder_of(tmp_path, at_least=4).assign(photos)
    fill(tmp_path, "train/5.png", "val/6.png", "test/7.png")
    splits = source.assign(check(source.candidates(tmp_path / "work"), 16)[0])
    assert {split: len(photos) for split, photos in splits.items()} == {
        "train": 1,
        "val": 1,
        "test": 1,
        "unlabelled": 1,
    }


def test_unlabelled_photos_like_those_of_val_and_test_are_left_out(tmp_path, fill, caplog):
    caplog.set_level(logging.INFO)
    names = [f"{n}.png" for n in range(6)]
    fill(tmp_path, *names)
    source = folder_of(tmp_path)
    judged = source.assign(check(source.candidates(tmp_path / "work"), 16)[0])
    fill(tmp_path / "unlabelled", *names)
    splits = source.assign(check(source.candidates(tmp_path / "work"), 16)[0])
    assert {s: splits[s] for s in judged} == judged
    left = {photo.name for photo in splits["unlabelled"]}
    assert left == {photo.name for photo in judged["train"]}
    assert "unlabelled photos left out, as they are like some of val or test: " in caplog.text


def test_licences_come_from_the_table_or_else_from_the_params(tmp_path, fill, caplog):
    fill(tmp_path, "train/1.png", "val/1.png", "test/1.png")
    (tmp_path / "LICENCES.csv").write_text(
        "name,licence,author\nval/1.png,CC BY 4.0,Ada\ntrain/gone.png,CC0,\n"
    )
    found = folder_of(tmp_path, licence="CC0").candidates(tmp_path / "work")
    assert {c.split: c.licence for c in found} == {
        "train": "CC0",
        "val": "CC BY 4.0, Ada",
        "test": "CC0",
    }
    assert "LICENCES.csv: 1 rows name no photo, such as train/gone.png" in caplog.text


def test_links_that_lead_back_end(tmp_path, fill):
    fill(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "b" / "itself").symlink_to(".")
    (tmp_path / "self.png").symlink_to("self.png")
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    photos, skipped = check(folder_of(tmp_path).candidates(tmp_path / "work"), 16)
    assert len({photo.sha256 for photo in photos}) == 2
    assert {item.name.rsplit("/")[-1] for item in skipped} == {"self.png", "gone.png"}


def test_what_is_no_file_is_skipped(tmp_path, fill):
    fill(tmp_path, "1.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    photos, skipped = check(folder_of(tmp_path).candidates(tmp_path / "work"), 16)
    assert [photo.name for photo in photos] == ["1.png"]
    assert [item.name for item in skipped] == ["pipe.png"]


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "text"])
def test_a_folder_without_photos_is_an_error(tmp_path, kind):
    root = tmp_path / "photos"
    if kind == "file":
        root.write_text("text")
    elif kind != "missing":
        root.mkdir()
    if kind == "text":
        (root / "README.md").write_text("text")
    with pytest.raises(UserError, match=rf"^{root}: .* data\.folder\.path"):
        folder_of(root).candidates(tmp_path / "work")


@pytest.mark.parametrize("path", ["data", "data/raw", "data/raw/train", "."])
def test_a_folder_that_holds_the_output_is_refused(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "raw" / "train").mkdir(parents=True)
    with pytest.raises(UserError, match="is where data/raw is written"):
        folder_of(path).candidates(tmp_path / "work")


def test_too_few_usable_photos_is_an_error(tmp_path, fill):
    fill(tmp_path, "1.png", "2.png", "3.png")
    photos, _ = check(folder_of(tmp_path).candidates(tmp_path / "work"), 16)
    with pytest.raises(UserError, match=r"3 usable photos, data\.folder\.at_least is 4"):
        folder_of(tmp_path, at_least=4).assign(photos)


def test_an_empty_split_folder_is_an_error(tmp_path, fill):
    fill(tmp_path, "train/1.png", "train/2.png", "val/1.png")
    (tmp_path / "test").mkdir()
    photos, _ = check(folder_of(tmp_path).candidates(tmp_path / "work"), 16)
    with pytest.raises(UserError, match="test: holds no usable photo"):
        folder_of(tmp_path).assign(photos)


def test_shared_photos_split_by_content(shared_data, tmp_path):
    root = tmp_path / "photos"
    shutil.copytree(shared_data / "benchmarks" / "Set14", root)
    source = folder_of(root, at_least=14)
    splits = source.assign(check(source.candidates(tmp_path / "work"), 64)[0])
    assert sum(map(len, splits.values())) == 14
    assert all(splits.values())
