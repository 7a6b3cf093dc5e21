import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kdsharp.errors import UserError
from kdsharp.train.dataset.patches import load_patches, load_unlabelled
from pipeline.params import Params, load_params
from pipeline.paths import MANIFEST, PATCHES, RAW
from pipeline.stages.patches import main


@pytest.fixture
def params(tmp_path, monkeypatch):
    """A raw folder of two photos a split, and params of these counts of small patches."""
    values = load_params().model_dump()
    for role in ("teacher", "student"):
        values[role]["loop"]["crop"] = 0
    values["student"]["answer_margin"] = 0
    monkeypatch.chdir(tmp_path)
    rows = []
    for seed, split in enumerate(("train", "val", "unlabelled") * 2):
        path = RAW / split / f"{seed}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (48, 40, 3), np.uint8)
        Image.fromarray(pixels).save(path)
        rows.append((path.name, split))
    pd.DataFrame(rows, columns=["name", "split"]).to_csv(MANIFEST, index=False)

    def made(**counts):
        patches = {**values["patches"], "size": 32, "train": 6, "val": 3, **counts}
        return Params.model_validate({**values, "patches": patches})

    return made


def test_pairs_and_nothing_else(params):
    main(params())
    assert len(load_patches(PATCHES, "train")) == 6
    assert len(load_patches(PATCHES, "val")) == 3
    assert load_unlabelled(PATCHES) is None


def test_unlabelled_patches_are_inputs_alone(params):
    main(params(unlabelled=5))
    low = load_unlabelled(PATCHES)
    assert low.shape == (5, 32, 32, 3)
    assert not (PATCHES / "unlabelled_hr.npy").exists()
    # Cut and degraded as the others: the same photos as training photos give the same inputs.
    for path in (RAW / "unlabelled").iterdir():
        path.replace(RAW / "train" / path.name)
    table = pd.read_csv(MANIFEST)
    table = table[table["split"] != "train"].replace("unlabelled", "train")
    table.to_csv(MANIFEST, index=False)
    main(params(train=5))
    np.testing.assert_array_equal(load_patches(PATCHES, "train").lr_NHWC, low)


def test_unlabelled_patches_need_unlabelled_photos(params):
    table = pd.read_csv(MANIFEST)
    table[table["split"] != "unlabelled"].to_csv(MANIFEST, index=False)
    with pytest.raises(UserError, match=r"patches\.unlabelled is 1, and there are no unlabelled"):
        main(params(unlabelled=1))
    assert not PATCHES.exists()


def test_damaged_unlabelled_patches_are_told(params):
    main(params(unlabelled=5))
    path = PATCHES / "unlabelled_lr.npy"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match="unlabelled patches are damaged"):
        load_unlabelled(PATCHES)
    np.save(path, np.zeros((2, 3)))
    with pytest.raises(UserError, match="unlabelled patches are not 8-bit RGB"):
        load_unlabelled(PATCHES)


def test_a_disk_without_room_is_told_before(params, monkeypatch):
    """Memory maps on a full disk would end the process by SIGBUS."""
    free = shutil.disk_usage(".")._replace(free=6 * 32 * 32 * 3 * 2)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    with pytest.raises(UserError, match=r"55\.3 kB needed, 36\.9 kB free: free some space"):
        main(params())
    assert not PATCHES.exists()
    main(params(train=4, val=2))
    assert len(load_patches(PATCHES, "train")) == 4
