import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kdsharp.degrade import degrade
from kdsharp.errors import UserError
from pipeline.params import DegradationParams
from pipeline.release.gate.crops import (
    CropSource,
    check_contamination,
    cut_gate_set,
    load_gate_set,
    made_with,
)
from tests.pipeline.release.gated import BICUBIC, gate_params, photo


@pytest.fixture
def photos(tmp_path):
    return [photo(tmp_path / "photos" / f"{seed}.png", seed) for seed in range(3)]


@pytest.fixture
def cut(tmp_path, photos):
    """Cuts a set and loads it."""

    def make(name="gate", some=None, **changes):
        cut_gate_set(some or photos, tmp_path / name, gate_params(**changes), BICUBIC)
        return load_gate_set(tmp_path / name)

    return make


def test_every_photo_gives_as_many_crops_and_at_least_those_asked_for(cut, photos):
    made = cut(crops=10)
    assert made.photo.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert made.low_NHWC.shape == made.high_NHWC.shape == (12, 48, 48, 3)
    assert made.low_NHWC.dtype == np.uint8
    assert made.names == [p.name for p in photos]
    assert [s.sha256 for s in made.sources] == [p.sha256 for p in photos]
    assert [s.perceptual_hash for s in made.sources] == [p.perceptual_hash for p in photos]
    assert (made.degradation, made.scale) == ("bicubic", 2)
    assert made.made == made_with(gate_params(crops=10), BICUBIC)
    assert len(cut("one", crops=2).photo) == 3


def test_pairs_are_cut_from_the_whole_photo_and_its_degraded_version(cut, photos, tmp_path):
    made = cut()
    places = json.loads((tmp_path / "gate" / "index.json").read_text())["places"]
    for low, high, index, (y, x) in zip(
        made.low_NHWC, made.high_NHWC, made.photo, places, strict=True
    ):
        with Image.open(photos[index].path) as image:
            whole = image.convert("RGB")
        for crop, picture in ((low, degrade(whole, "bicubic", 2)), (high, whole)):
            assert (crop == np.asarray(picture)[y : y + 48, x : x + 48]).all()


def test_the_same_photos_give_the_same_bytes(cut, tmp_path):
    first, again = cut("first"), cut("again")
    assert first.sha256 == again.sha256
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
    assert cut("other", seed=2).sha256 != first.sha256
    assert (cut("version", version=2).high_NHWC == first.high_NHWC).all()


def test_a_mixture_draws_for_each_crop_and_the_same_again(photos, tmp_path):
    robust = DegradationParams(name="robust", scale=2)
    for name in ("one", "again"):
        cut_gate_set(photos, tmp_path / name, gate_params(crops=24), robust)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
    made = load_gate_set(tmp_path / "one")
    assert made.degradation == "robust"
    errors = np.abs(made.low_NHWC.astype(int) - made.high_NHWC).mean((1, 2, 3))
    assert len(set(errors.round(6))) > 12


def test_own_recipes_are_part_of_what_a_set_is_made_with():
    own = [{"jpeg": {"quality": quality}} for quality in (60, 70)]
    made = [
        made_with(gate_params(), DegradationParams(name="a", scale=2, recipes={"a": [step]}))
        for step in own
    ]
    assert made[0] != made[1]
    assert "recipes" not in made_with(gate_params(), BICUBIC)


def test_a_photo_s_crops_do_not_depend_on_the_others(cut, photos):
    alone, among = cut("alone", photos[1:2], crops=4), cut("among", crops=12)
    assert (alone.high_NHWC == among.high_NHWC[among.photo == 1]).all()


def test_crops_spread_and_avoid_what_is_flat(tmp_path):
    """Half of the picture is flat; of the rest more is seen than random places show (0.58)."""
    random = np.random.default_rng(0)
    picture = np.full((200, 400, 3), 128, np.uint8)
    picture[:, :200] = random.integers(0, 256, (200, 200, 3))
    shown = photo(tmp_path / "half.png", 1)
    Image.fromarray(picture).save(shown.path)
    cut_gate_set([shown], tmp_path / "gate", gate_params(crops=16), BICUBIC)
    places = json.loads((tmp_path / "gate" / "index.json").read_text())["places"]
    seen = np.zeros((200, 400), int)
    for y, x in places:
        seen[y : y + 48, x : x + 48] += 1
    assert not load_gate_set(tmp_path / "gate").high_NHWC.std(axis=(1, 2, 3)).min() < 10
    assert (seen[:, :200] > 0).mean() > 0.65
    assert seen.max() <= 4


def test_a_damaged_or_missing_set_is_not_used(cut, tmp_path):
    cut()
    with pytest.raises(UserError, match="is missing or incomplete: dvc checkout, or dvc repro"):
        load_gate_set(tmp_path / "nowhere")
    for name in ("low.npy", "high.npy", "index.json"):
        broken = tmp_path / f"broken-{name}"
        shutil.copytree(tmp_path / "gate", broken)
        content = bytearray((broken / name).read_bytes())
        content[-200] ^= 1
        (broken / name).write_bytes(content)
        with pytest.raises(UserError, match="is damaged"):
            load_gate_set(broken)
        (broken / name).write_bytes(content[:40])
        with pytest.raises(UserError, match="is damaged"):
            load_gate_set(broken)
        (broken / name).unlink()
        with pytest.raises(UserError, match="incomplete"):
            load_gate_set(broken)


@pytest.fixture
def raw(tmp_path):
    """data/raw with two photos for training, one for validation, and its manifest."""
    rows = []
    for seed, split in ((10, "train"), (11, "train"), (12, "val"), (13, "test")):
        made = photo(tmp_path / "raw" / split / f"{seed}.png", seed)
        rows.append((made.name, split, made.sha256))
    return tmp_path / "raw", pd.DataFrame(rows, columns=["name", "split", "sha256"])


def sources(*photos):
    return [CropSource(p.name, p.sha256, p.perceptual_hash) for p in photos]


def test_photos_that_are_none_of_the_training_photos_pass(raw, photos):
    check_contamination(sources(*photos), raw[1], raw[0], 4)


@pytest.mark.parametrize(("seed", "where"), [(11, "train/11.png"), (12, "val/12.png")])
def test_the_same_file_in_train_or_val_is_refused(raw, tmp_path, seed, where):
    same = photo(tmp_path / "mine" / "mine.png", seed)
    said = rf"the gate's photo mine\.png is also {where} \(the same file\).*raise gate\.version"
    with pytest.raises(UserError, match=said):
        check_contamination(sources(same), raw[1], raw[0], 4)


def test_a_near_duplicate_in_train_is_refused(raw, tmp_path):
    near = photo(tmp_path / "mine" / "small.png", 11, size=(75, 70))
    with pytest.raises(UserError, match=r"small\.png is also train/11\.png \(distance \d\)"):
        check_contamination(sources(near), raw[1], raw[0], 4)
    plain = CropSource("plain.png", "0" * 64, None)
    check_contamination([plain], raw[1], raw[0], 4)


def test_test_photos_need_no_second_look_at_train(raw, tmp_path):
    """acquire has compared them: nothing is read, which the missing files would not survive."""
    tested = photo(tmp_path / "raw" / "test" / "13.png", 13)
    shutil.rmtree(raw[0] / "train")
    check_contamination(sources(tested), raw[1], raw[0], 4)
    with pytest.raises(UserError, match=r"10\.png no such file: dvc repro acquire"):
        check_contamination(sources(photo(tmp_path / "new.png", 99)), raw[1], raw[0], 4)
