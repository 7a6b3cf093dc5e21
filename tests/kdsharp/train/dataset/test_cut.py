import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from kdsharp.degrade import crop_to_multiple, degrade, known_recipe
from kdsharp.errors import UserError
from kdsharp.train.config import PatchesConfig
from kdsharp.train.dataset.cut import _shards, cut_patches, patches_per_photo
from kdsharp.train.dataset.patches import load_patches, load_unlabelled

CONFIG = PatchesConfig(size=32, tries=4, workers=1, seed=3)


@pytest.fixture
def photos(tmp_path):
    random = np.random.default_rng(0)
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, side in enumerate((64, 97, 200)):
        noise = random.integers(0, 256, (side, side + 11, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{index}.png")
    return sorted(folder.iterdir())


def cut(photos, folder, count=20, config=CONFIG, recipe="bicubic"):
    folder.mkdir()
    cut_patches(photos, count, folder, "train", config, known_recipe(recipe), 2)
    return load_patches(folder, "train")


def test_every_pair_is_a_place_of_a_degraded_photo(photos, tmp_path):
    pairs = cut(photos[:1], tmp_path / "out", 5)
    whole = crop_to_multiple(Image.open(photos[0]), 2)
    high = np.lib.stride_tricks.sliding_window_view(np.asarray(whole), (32, 32, 3))[:, :, 0]
    low_whole = np.asarray(degrade(whole, "bicubic", 2))
    for lr, hr in zip(pairs.lr_NHWC, pairs.hr_NHWC, strict=True):
        ((y, x),) = np.argwhere((high == hr).all((2, 3, 4)))
        assert (low_whole[y : y + 32, x : x + 32] == lr).all()
        assert y % 2 == x % 2 == 0  # the grid of the degradation


@pytest.mark.parametrize("recipe", ["bicubic", "robust"])
def test_the_bytes_do_not_depend_on_the_number_of_workers(photos, tmp_path, recipe):
    folders = [tmp_path / f"by {workers}" for workers in (1, 2, 3)]
    for workers, folder in enumerate(folders, start=1):
        cut(photos, folder, 60, dataclasses.replace(CONFIG, workers=workers), recipe)
    for path in folders[0].iterdir():
        for other in folders[1:]:
            assert path.read_bytes() == (other / path.name).read_bytes()


def test_a_mixture_degrades_patches_in_several_ways_and_leaves_the_truth(photos, tmp_path):
    mixed, plain = (cut(photos, tmp_path / name, 60, recipe=name) for name in ("robust", "bicubic"))
    np.testing.assert_array_equal(mixed.hr_NHWC, plain.hr_NHWC)
    errors = np.abs(mixed.lr_NHWC.astype(int) - mixed.hr_NHWC).mean((1, 2, 3))
    assert (errors == 0).sum() in range(1, 12)  # one in eighteen is left as it is
    assert len(set(errors)) > 40
    same = (mixed.lr_NHWC == plain.lr_NHWC).all((1, 2, 3)).sum()
    assert same in range(1, 20)
    other = cut(photos, tmp_path / "seed", 60, dataclasses.replace(CONFIG, seed=4), recipe="robust")
    assert not np.array_equal(other.lr_NHWC, mixed.lr_NHWC)


@pytest.fixture
def album(tmp_path):
    folder = tmp_path / "album"
    folder.mkdir()
    for index in range(40):
        noise = np.random.default_rng(index).integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{index:02}.png")
    return sorted(folder.iterdir())


def test_shards_hold_the_same_patches_in_the_same_order(album, tmp_path, monkeypatch):
    pairs = {}
    for photos in (1, 4, 256):
        monkeypatch.setattr("kdsharp.train.dataset.cut._PHOTOS_A_SHARD", photos)
        pairs[photos] = cut(album, tmp_path / str(photos), 60)
    assert len(list((tmp_path / "1").glob("*_lr.npy"))) == 40
    assert 5 <= len(list((tmp_path / "4").glob("*_lr.npy"))) <= 20
    assert {path.name for path in (tmp_path / "256").iterdir()} == {
        "train_lr.npy",
        "train_hr.npy",
        "patches.json",
    }
    for photos in (1, 4):
        np.testing.assert_array_equal(pairs[photos].lr_NHWC[:], pairs[256].lr_NHWC)
        np.testing.assert_array_equal(pairs[photos].hr_NHWC[:], pairs[256].hr_NHWC)


def test_fewer_patches_than_photos_leave_no_empty_shard(album, tmp_path, monkeypatch):
    monkeypatch.setattr("kdsharp.train.dataset.cut._PHOTOS_A_SHARD", 1)
    assert len(cut(album, tmp_path / "out", 7)) == 7
    assert len(list((tmp_path / "out").glob("*_lr.npy"))) == 7


def test_a_photo_more_changes_few_shards(album, tmp_path, monkeypatch):
    monkeypatch.setattr("kdsharp.train.dataset.cut._PHOTOS_A_SHARD", 4)
    for left_out in (7, 0, 39):
        before, after = tmp_path / f"without {left_out}", tmp_path / f"with {left_out}"
        cut([p for i, p in enumerate(album) if i != left_out], before, 78)
        cut(album, after, 80)  # two of each photo, so that no share changes
        shards = {path.name: path.read_bytes() for path in before.glob("*.npy")}
        changed = [p for p in after.glob("*.npy") if shards.get(p.name) != p.read_bytes()]
        assert len(changed) in (2, 4)  # its shard, or that too which it has split


def test_very_many_photos_have_larger_shards_with_some_of_the_same_borders(tmp_path):
    photos = [tmp_path / f"{number:05}.png" for number in range(40_000)]
    few, many = (_shards(photos[:count], [1] * count, "train") for count in (20_000, 40_000))
    assert 550 < len(few) < 700  # of 32 photos
    assert 550 < len(many) < 700  # of 64
    same = [name for name in few if name in many]
    assert 0.4 < len(same) / len(few) < 0.6


def test_each_split_has_its_shards(album, tmp_path, monkeypatch):
    monkeypatch.setattr("kdsharp.train.dataset.cut._PHOTOS_A_SHARD", 4)
    folder = tmp_path / "out"
    cut(album, folder)
    for split, photos in (("val", album[:20]), ("unlabelled", album[:2])):
        recipe = known_recipe("bicubic")
        labelled = split == "val"
        cut_patches(photos, 20, folder, split, CONFIG, recipe, 2, labelled=labelled)
    assert len(load_patches(folder, "train")) == 20
    assert len(load_patches(folder, "val")) == 20
    assert len(load_unlabelled(folder)) == 20


def test_drawings_come_last_in_the_only_shard(photos, tmp_path):
    plain = cut(photos, tmp_path / "plain", 15)
    drawn = cut(photos, tmp_path / "drawn", 20, dataclasses.replace(CONFIG, drawings=0.25))
    assert (len(plain), len(drawn)) == (15, 20)
    np.testing.assert_array_equal(drawn.hr_NHWC[:15], plain.hr_NHWC)
    assert all(patch.any() for patch in drawn.hr_NHWC[15:])
    assert json.loads((tmp_path / "drawn" / "patches.json").read_text()).get("shards") is None


def test_drawings_have_a_shard_of_their_own_beside_several(album, tmp_path, monkeypatch):
    pairs = {}
    for photos in (4, 256):
        monkeypatch.setattr("kdsharp.train.dataset.cut._PHOTOS_A_SHARD", photos)
        folder = tmp_path / str(photos)
        pairs[photos] = cut(album, folder, 80, dataclasses.replace(CONFIG, drawings=0.25))
    np.testing.assert_array_equal(pairs[4].lr_NHWC[:], pairs[256].lr_NHWC)
    np.testing.assert_array_equal(pairs[4].hr_NHWC[:], pairs[256].hr_NHWC)
    shards = json.loads((tmp_path / "4" / "patches.json").read_text())["shards"]
    assert list(shards) == ["train"]
    assert shards["train"][-1] == "train-drawings"
    assert len(np.load(tmp_path / "4" / "train-drawings_lr.npy")) == 20


def test_all_patches_may_be_drawings(photos, tmp_path):
    assert len(cut(photos, tmp_path / "out", 1, dataclasses.replace(CONFIG, drawings=0.9))) == 1


def test_another_seed_cuts_elsewhere(photos, tmp_path):
    one = cut(photos, tmp_path / "one")
    other = cut(photos, tmp_path / "other", config=dataclasses.replace(CONFIG, seed=4))
    assert not np.array_equal(one.hr_NHWC, other.hr_NHWC)


def test_larger_photos_give_more_by_the_root_of_their_area(photos, tmp_path):
    pairs = cut(photos, tmp_path / "out", 40)
    assert len(pairs) == 40
    sources = [np.asarray(Image.open(photo)) for photo in photos]
    counts = [
        sum(
            any((hr[0] == row[:, None]).all((1, 2)).any() for row in _rows(s))
            for hr in pairs.hr_NHWC
        )
        for s in sources
    ]
    assert counts == patches_per_photo(photos, 40)
    roots = np.sqrt([s.shape[0] * s.shape[1] for s in sources])
    assert np.abs(np.array(counts) - 40 * roots / roots.sum()).max() < 1


def _rows(picture):
    """For each row, all runs of 32 pixels: (W - 31, 32, 3), so that a crop's first row is found."""
    for row in picture:
        windows = np.lib.stride_tricks.sliding_window_view(row, 32, axis=0)
        yield windows.transpose(0, 2, 1)[:, :, :].reshape(-1, 1, 32, 3)[:, 0]


def test_flat_places_are_avoided(tmp_path):
    picture = np.full((256, 256, 3), 128, np.uint8)
    picture[:, 128:] = np.random.default_rng(0).integers(0, 256, (256, 128, 3))
    path = tmp_path / "half.png"
    Image.fromarray(picture).save(path)
    flat = {}
    for tries in (1, 8):
        config = dataclasses.replace(CONFIG, tries=tries)
        pairs = cut([path], tmp_path / f"tries{tries}", 100, config)
        flat[tries] = sum(int(patch.std() == 0) for patch in pairs.hr_NHWC)
    assert flat[1] > 20
    assert flat[8] <= 2


def test_a_photo_smaller_than_a_patch_is_named(photos, tmp_path):
    with pytest.raises(UserError, match=r"0\.png is 74x64, smaller than a patch of 128"):
        cut(photos, tmp_path / "out", config=dataclasses.replace(CONFIG, size=128))


@pytest.mark.parametrize("damage", ["missing", "truncated", "pickled"])
def test_damaged_patches_are_told(photos, tmp_path, damage):
    folder = tmp_path / "out"
    cut(photos, folder)
    target = folder / "train_lr.npy"
    if damage == "missing":
        target.unlink()
    elif damage == "truncated":
        target.write_bytes(target.read_bytes()[:1000])
    else:
        np.save(target, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="no train patches"):
        load_patches(folder, "train")
