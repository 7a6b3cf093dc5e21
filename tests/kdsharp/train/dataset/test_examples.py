import numpy as np
import pytest
import torch

from kdsharp.color import luma
from kdsharp.train.config import LoopConfig
from kdsharp.train.dataset.batches import PatchDataset, Planes
from kdsharp.train.dataset.examples import FINE, Answers, make_dataset, planes_of
from kdsharp.train.dataset.patches import PatchSet
from kdsharp.train.dataset.rows import map_files


@pytest.fixture(params=[2, 3])
def patches(request):
    random = np.random.default_rng(0)
    lr, hr = (random.integers(0, 256, (20, 12, 12, 3), np.uint8) for _ in range(2))
    return PatchSet(lr, hr, request.param)


@pytest.mark.parametrize("color", ["luma", "rgb"])
def test_shards_give_the_batches_of_one_array(patches, color, tmp_path):
    """And those of luma that is computed beforehand, to the last bit."""
    sharded = []
    for name, array in (("lr", patches.lr_NHWC), ("hr", patches.hr_NHWC)):
        parts = [tmp_path / f"{name}{n}.npy" for n in range(3)]
        for path, part in zip(parts, np.split(array, [3, 11]), strict=True):
            np.save(path, part)
        sharded.append(map_files(parts))
    before = []
    for array in (patches.lr_NHWC, patches.hr_NHWC):
        fine = np.stack([np.rint(luma(p) * 256)[..., None].astype(np.uint16) for p in array])
        before.append(Planes(fine, FINE) if color == "luma" else Planes(array, 255))
    made = [
        make_dataset(patches, color),
        make_dataset(PatchSet(*sharded, patches.scale), color),
        PatchDataset(before[0], [(1.0, before[1])], patches.scale),
    ]
    loop = LoopConfig(batch_size=4, crop=6, seed=3)
    batches = [list(each.batches(loop, 0, 7, (0, 1), ahead=False)) for each in made]
    for one, other, third in zip(*batches, strict=True):
        assert torch.equal(one.inputs_NCHW, other.inputs_NCHW)
        assert torch.equal(one.inputs_NCHW, third.inputs_NCHW)
        assert torch.equal(one.targets[0][1], other.targets[0][1])
        assert torch.equal(one.targets[0][1], third.targets[0][1])


def values(planes):
    return planes.array_NHWC[:] / planes.peak


def test_luma_planes_are_finer_than_8_bit(patches):
    planes = planes_of(patches.lr_NHWC, "luma")
    expected = luma(patches.lr_NHWC)[..., None] / 255
    assert np.abs(values(planes) - expected).max() <= 0.51 / FINE


def test_rgb_planes_are_the_patches_themselves(patches):
    assert planes_of(patches.lr_NHWC, "rgb").array_NHWC is patches.lr_NHWC


@pytest.mark.parametrize("color", ["luma", "rgb"])
def test_without_answers_the_truth_is_the_target(patches, color):
    made = make_dataset(patches, color)
    ((weight, target),) = made.targets
    assert weight == 1
    assert np.array_equal(values(made.inputs), values(planes_of(patches.lr_NHWC, color)))
    assert np.array_equal(values(target), values(planes_of(patches.hr_NHWC, color)))
    assert made.border == 0


@pytest.mark.parametrize("color", ["luma", "rgb"])
@pytest.mark.parametrize("answered", [False, True])
def test_every_crop_begins_on_the_grid_of_the_degradation(patches, color, answered):
    said = planes_of(patches.hr_NHWC, color)
    answers = Answers(said, 1.0, border=1) if answered else None
    made = make_dataset(patches, color, 1.0, answers)
    assert made.align == patches.scale
    assert made.border == (patches.scale if answered else 0)


def test_a_target_without_weight_is_left_out(patches):
    said = Planes(planes_of(patches.hr_NHWC, "luma").array_NHWC, FINE)
    assert [w for w, _ in make_dataset(patches, "luma", 0.0, Answers(said, 0.5)).targets] == [0.5]
    assert [w for w, _ in make_dataset(patches, "luma", 0.5, Answers(said, 0.0)).targets] == [0.5]
