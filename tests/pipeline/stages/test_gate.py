import json
import logging
import shutil

import pandas as pd
import pytest

from kdsharp.errors import UserError
from kdsharp.files import sha256_file
from pipeline.params import Params, load_params
from pipeline.paths import PARAMS
from pipeline.release.gate.crops import _digest, load_gate_set
from pipeline.stages.gate import main
from tests.pipeline.release.gated import photo

SHIPPED = load_params(PARAMS.resolve())


def params(**changes):
    values = SHIPPED.model_dump()
    values["gate"] |= {"crops": 4, "size": 48, **changes}
    return Params.model_validate(values)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, caplog):
    """data/raw with five photos, two of them for the gate."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO)
    for seed, split in enumerate(["test", "test", "train", "train", "val"]):
        photo(tmp_path / "data" / "raw" / split / f"{seed}.png", seed)
    write_manifest(tmp_path)
    return tmp_path


def write_manifest(root):
    files = sorted((root / "data" / "raw").rglob("*.png"))
    rows = [(p.name, p.parent.name, sha256_file(p)) for p in files]
    table = pd.DataFrame(rows, columns=["name", "split", "sha256"])
    table.to_csv(root / "data" / "raw" / "manifest.csv", index=False)


def test_it_is_cut_once_and_kept(here, caplog):
    main(params())
    said = "data/gate: 4 crops (photos: 2) from the test photos of sample, cut anew"
    assert said in caplog.text
    assert "weak evidence, enough would be 20 photos and 100 crops" in caplog.text
    first = load_gate_set()
    photo(here / "data" / "raw" / "test" / "new.png", 50)
    (here / "data" / "raw" / "test" / "0.png").unlink()
    write_manifest(here)
    main(params())
    assert "kept as it is" in caplog.text
    assert load_gate_set().sha256 == first.sha256
    for changed in (params(version=2), params(size=64), params(seed=3)):
        before = load_gate_set().sha256
        main(changed)
        assert load_gate_set().sha256 != before
        assert load_gate_set().names == ["1.png", "new.png"]


def test_of_many_photos_a_sample_is_cut(here, caplog):
    for seed in range(50, 58):
        photo(here / "data" / "raw" / "test" / f"{seed}.png", seed)
    write_manifest(here)
    main(params(photos=4))
    assert "gate: cut from 4 of 10 photos (gate.photos)" in caplog.text
    first = load_gate_set()
    assert len(first.names) == 4
    assert first.made["photos"] == 4
    # At the default the set says nothing of it, as those that were cut before there was one.
    main(params())
    assert len(load_gate_set().names) == 10
    assert "photos" not in load_gate_set().made


def of_source(source, path="data/photos"):
    values = params().model_dump()
    values["data"]["source"] = source
    values["data"]["folder"]["path"] = path
    return Params.model_validate(values)


def test_photos_of_another_source_need_another_set(here, caplog):
    """The sample's photos do not judge who learned from photos of their own."""
    main(of_source("sample"))
    first = load_gate_set()
    assert first.source == "the test photos of sample"
    main(of_source("folder"))
    assert "holds the test photos of sample, and photos now come from the test photos of the" in (
        caplog.text
    )
    second = load_gate_set()
    assert second.source == "the test photos of the folder data/photos"
    assert second.sha256 != first.sha256
    main(of_source("folder", "elsewhere"))
    assert load_gate_set().source == "the test photos of the folder elsewhere"
    main(of_source("folder", "elsewhere"))
    assert caplog.text.count("cut anew") == 3


def test_a_set_that_does_not_say_its_source(here, caplog):
    """One of an earlier version stays as long as one of its photos is there."""
    main(of_source("sample"))
    index = here / "data/gate/index.json"
    old = json.loads(index.read_text())
    del old["source"], old["sha256"]
    made = load_gate_set()
    old["sha256"] = _digest(old, made.low_NHWC, made.high_NHWC)
    index.write_text(json.dumps(old))
    (here / "data/raw/test/0.png").unlink()
    write_manifest(here)
    main(of_source("folder"))
    assert load_gate_set().source == ""
    (here / "data/raw/test/1.png").unlink()
    photo(here / "data/raw/test/street.png", 60)
    write_manifest(here)
    main(of_source("folder"))
    assert "holds no photo that is still there" in caplog.text
    assert load_gate_set().names == ["street.png"]


def test_a_damaged_set_is_cut_anew_where_dvc_has_none(here, caplog):
    main(params())
    first = load_gate_set()
    (here / "data" / "gate" / "low.npy").write_bytes(b"x")
    main(params())
    assert "is damaged" in caplog.text
    assert load_gate_set().sha256 == first.sha256


def test_a_kept_set_is_still_refused_when_its_photos_become_training_photos(here):
    main(params())
    first = load_gate_set()
    shutil.move(here / "data/raw/test/0.png", here / "data/raw/train/0.png")
    write_manifest(here)
    with pytest.raises(UserError, match=r"gate's photo 0\.png is also train/0\.png"):
        main(params())
    assert load_gate_set().sha256 == first.sha256
    main(params(version=2))
    assert load_gate_set().names == ["1.png"]


def test_photos_of_your_own(here, caplog):
    for seed in (70, 71):
        photo(here / "mine" / "deep" / f"{seed}.png", seed)
    photo(here / "mine" / "tiny.png", 72, size=(40, 200))
    shutil.copy(here / "mine" / "deep" / "70.png", here / "mine" / "copy.png")
    (here / "mine" / "broken.jpg").write_bytes(b"x")
    main(params(folder="mine"))
    assert load_gate_set().names == ["copy.png", "deep/71.png"]
    assert "left out 3 photos" in caplog.text
    shutil.copy(here / "data/raw/val/4.png", here / "mine" / "leak.png")
    with pytest.raises(UserError, match=r"leak\.png is also val/4\.png \(the same file\)"):
        main(params(folder="mine", version=2))


def test_what_cannot_be_cut_from_is_said(here):
    with pytest.raises(UserError, match=r"nowhere: no such folder: set gate\.folder"):
        main(params(folder="nowhere"))
    with pytest.raises(UserError, match=r"no photo has 400 pixels a side.*lower gate\.size"):
        main(params(size=400))
    assert not (here / "data" / "gate").exists()
