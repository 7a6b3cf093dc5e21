import errno
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kdsharp.errors import UserError
from pipeline.data.archive import ARCHIVES_VARIABLE
from pipeline.params import Params, load_params
from pipeline.stages.acquire import main

ROOT = Path(__file__).parents[3]


def params(source: str, **changes: dict[str, object]) -> Params:
    values = load_params(ROOT / "params.yaml").model_dump()
    values["data"]["source"] = source
    for section, keys in changes.items():
        values["data"][section] |= keys
    return Params.model_validate(values)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save(path: Path, seed: int, size: int = 150) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    Image.fromarray(cells).resize((size, size), Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def photos(here) -> Path:
    for seed in range(14):
        save(here / "photos" / f"{seed // 5}" / f"{seed}.png", seed)
    return here / "photos"


def check_outputs(raw: Path) -> pd.DataFrame:
    """Every row of the manifest is a file with those bytes, and there are no other files."""
    table = pd.read_csv(raw / "manifest.csv")
    files = {
        p.relative_to(raw)
        for split in ("train", "val", "test")
        for p in (raw / split).rglob("*")
        if p.is_file()
    }
    assert files == {Path(split, name) for split, name in zip(table.split, table.name, strict=True)}
    for row in table.itertuples():
        content = (raw / row.split / row.name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row.sha256
    assert table.sha256.is_unique
    assert set(table.split) == {"train", "val", "test"}
    assert sorted(p.name for p in raw.parent.iterdir()) == [".acquire", "raw"]
    assert [p.name for p in (raw.parent / ".acquire").iterdir()] == ["lock"]
    return table


def test_the_sample_comes_with_every_checkout(here, caplog):
    caplog.set_level(logging.INFO)
    main(params("sample"))
    table = check_outputs(here / "data" / "raw")
    names = {split: set(part.name) for split, part in table.groupby("split")}
    assert names["test"] == {"chelsea.png", "rocket.jpg", "coins.png"}
    assert names["val"] == {"coffee.png", "gravel.png"}
    assert len(names["train"]) == 10
    assert not table.licence.isna().any()
    assert "sample: 10 train, 2 val, 3 test photos in data/raw" in caplog.text
    assert "next: dvc repro patches" in caplog.text


def test_the_same_photos_give_the_same_manifest(here, photos):
    first, again = params("folder", folder={"path": "photos"}), "data/raw/manifest.csv"
    main(first)
    before = Path(again).read_bytes()
    check_outputs(here / "data" / "raw")
    shutil.move(photos, here / "moved")
    main(params("folder", folder={"path": str(here / "moved")}))
    assert Path(again).read_bytes() == before
    assert str(here).encode() not in before


def test_more_photos_move_none(here, photos):
    main(params("folder", folder={"path": "photos", "val": 0.3, "test": 0.3}))
    before = check_outputs(here / "data" / "raw")
    for seed in range(100, 110):
        save(photos / f"{seed}.png", seed)
    main(params("folder", folder={"path": "photos", "val": 0.3, "test": 0.3}))
    after = check_outputs(here / "data" / "raw")
    assert len(after) == 24
    assert before.merge(after, on=["name", "split", "sha256"]).shape[0] == 14


def test_jpegs_are_stored_smaller_as_pngs_with_their_licence(here, photos):
    for seed in range(20, 23):
        save(photos / f"{seed}.jpg", seed, 300)
    save(photos / "20.png", 50)  # the name that the first of them would like to have
    (photos / "LICENCES.csv").write_text("name,licence,author\n21.jpg,CC BY 4.0,Ada\n")
    main(params("folder", folder={"path": "photos", "jpeg_shrink": 2, "licence": "CC0"}))
    table = check_outputs(here / "data" / "raw")
    assert len(table) == 18
    assert set(table.width) == {150}
    licences = dict(zip(table.name, table.licence, strict=True))
    assert licences.pop("21.png") == "CC BY 4.0, Ada"
    assert set(licences.values()) == {"CC0"}
    before = Path("data/raw/manifest.csv").read_bytes()
    main(params("folder", folder={"path": "photos", "jpeg_shrink": 2, "licence": "CC0"}))
    assert Path("data/raw/manifest.csv").read_bytes() == before


def test_unlabelled_photos_have_a_folder_of_their_own(here, photos, caplog):
    caplog.set_level(logging.INFO)
    for seed in range(30, 33):
        save(photos / "unlabelled" / f"{seed}.png", seed)
    main(params("folder", folder={"path": "photos"}))
    table = pd.read_csv("data/raw/manifest.csv")
    assert dict(table.split.value_counts())["unlabelled"] == 3
    assert sorted(p.name for p in Path("data/raw/unlabelled").iterdir()) == [
        "30.png",
        "31.png",
        "32.png",
    ]
    (held_out,) = table.name[table.split == "val"][:1]
    shutil.copy(photos / held_out, photos / "unlabelled")
    main(params("folder", folder={"path": "photos"}))
    assert "unlabelled photos left out, as they are like some of val or test: 1" in caplog.text
    table = pd.read_csv("data/raw/manifest.csv")
    assert dict(table.split.value_counts())["unlabelled"] == 3


def test_copies_and_unusable_files_are_left_out(here, photos, caplog):
    caplog.set_level(logging.INFO)
    shutil.copy(photos / "0" / "1.png", photos / "copy of 1.png")
    (photos / "broken.jpg").write_bytes(b"x")
    save(photos / "tiny.png", 99, 20)
    main(params("folder", folder={"path": "photos"}))
    assert len(check_outputs(here / "data" / "raw")) == 14
    assert "exact copies used only once: 1" in caplog.text
    assert "skipped 2 unusable files:" in caplog.text
    assert "  tiny.png: is 20x20 pixels, data.min_side is 128" in caplog.text


def tree(root: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_a_picture_in_two_splits_stops_the_run_and_changes_nothing(here):
    main(params("sample"))
    before = tree(here / "data")
    for seed, split in enumerate(["train"] * 9 + ["val", "test"]):
        save(here / "photos" / split / f"{seed}.png", seed)
    with Image.open(here / "photos" / "train" / "3.png") as image:
        image.resize((300, 300)).save(here / "photos" / "val" / "again.jpg", quality=70)
    with pytest.raises(UserError, match=r"train/3\.png and val/again\.jpg \(distance \d\)"):
        main(params("folder", folder={"path": "photos"}))
    assert tree(here / "data") == before


def test_a_full_disk_changes_nothing(here, photos, monkeypatch):
    main(params("sample"))
    before, copy = tree(here / "data"), shutil.copyfile

    def full(source, target):
        if Path(target).name.startswith("7"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space"):
        main(params("folder", folder={"path": "photos"}))
    assert tree(here / "data") == before


@pytest.fixture
def zips(here, monkeypatch) -> Path:
    """DIV2K in small, and the description that makes it acceptable."""
    described = {}
    for part, seeds in (("train", range(1, 6)), ("valid", range(801, 807))):
        path = here / "zips" / f"{part}.zip"
        for seed in seeds:
            save(here / "made" / part / f"{seed:04d}.png", seed)
        path.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(path, "w") as opened:
            for image in sorted((here / "made" / part).iterdir()):
                opened.write(image, f"{part}/{image.name}")
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        described[part] = {"name": path.name, "size": len(content), "sha256": digest}
    (here / "archives.json").write_text(json.dumps(described))
    monkeypatch.setenv(ARCHIVES_VARIABLE, "archives.json")
    return here / "zips"


def test_a_small_div2k_from_a_folder_of_zips(here, zips):
    main(params("div2k", div2k={"zips": "zips", "train": 4, "val": 2, "test": 3}))
    table = check_outputs(here / "data" / "raw")
    assert dict(table.split.value_counts()) == {"train": 4, "val": 2, "test": 3}
    assert set(table.source) == {"div2k"}


def test_a_zip_with_a_wrong_hash_changes_nothing(here, zips):
    damaged = bytearray((zips / "train.zip").read_bytes())
    damaged[100] ^= 1
    (zips / "train.zip").write_bytes(damaged)
    with pytest.raises(UserError, match=r"train\.zip: has SHA-256 .* expected: remove it"):
        main(params("div2k", div2k={"zips": "zips", "train": 4, "val": 2, "test": 3}))
    assert not (here / "data" / "raw").exists()


def test_an_image_that_is_too_small_makes_too_few(zips):
    wanted = params("div2k", div2k={"zips": "zips", "train": 4, "val": 2, "test": 3})
    data = wanted.data.model_copy(update={"min_side": 151})
    with pytest.raises(UserError, match=r"0 usable train images, data\.div2k\.train is 4"):
        main(wanted.model_copy(update={"data": data}))


def test_the_program_ends_with_one_line_and_code_2(here):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text = text.replace("source: sample", "source: folder", 1)
    (here / "params.yaml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pipeline.stages.acquire"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        "pipeline: error: data/photos: no such folder: set data.folder.path to a folder of photos\n"
    )
    assert not (here / "data" / "raw").exists()
