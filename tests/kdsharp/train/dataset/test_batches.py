import numpy as np
import pytest
import torch

from kdsharp.errors import UserError
from kdsharp.train.dataset.batches import PatchDataset, Planes, batches


def examples(count=10, side=6):
    """Inputs whose target is the same picture, so that turns must agree."""
    values = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
    return PatchDataset(
        Planes(values, 255), [(0.5, Planes(values.astype(np.uint16) * 257, 65535))], 1
    )


def take(start, stop, rank=0, world=1, size=4):
    return list(batches(examples(), size, 7, start, stop, rank, world))


def test_a_batch_is_scaled_floats_channels_last():
    (batch,) = take(0, 1)
    assert batch.inputs_NCHW.shape == (4, 3, 6, 6)
    assert batch.inputs_NCHW.dtype == torch.float32
    assert batch.inputs_NCHW.is_contiguous(memory_format=torch.channels_last)
    assert batch.inputs_NCHW.min() >= 0
    assert batch.inputs_NCHW.max() <= 1


def test_inputs_and_targets_are_turned_alike():
    for batch in take(0, 20):
        ((weight, target),) = batch.targets
        assert weight == 0.5
        torch.testing.assert_close(batch.inputs_NCHW, target)


def test_all_eight_turns_occur():
    source = np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1)
    seen = {
        tuple((b.inputs_NCHW * 255).round().flatten().tolist())
        for b in batches(PatchDataset(Planes(source, 255), [], 1), 1, 0, 0, 200)
    }
    assert len(seen) == 8


def test_an_epoch_uses_no_example_twice_and_the_next_another_order():
    values = np.arange(8, dtype=np.uint8).reshape(8, 1, 1, 1)
    made = [
        (b.inputs_NCHW * 255).round().flatten().int().tolist()
        for b in batches(PatchDataset(Planes(values, 255), [], 1), 2, 1, 0, 8)
    ]
    first, second = [[row for batch in half for row in batch] for half in (made[:4], made[4:])]
    assert sorted(first) == sorted(second) == list(range(8))
    assert first != second


def test_made_ahead_they_are_the_same():
    ahead = list(batches(examples(), 4, 7, 3, 9, ahead=True))
    assert len(ahead) == 6
    for ours, theirs in zip(ahead, take(3, 9), strict=True):
        assert torch.equal(ours.inputs_NCHW, theirs.inputs_NCHW)


def test_any_step_can_be_the_first():
    whole = take(0, 6)
    for start in range(6):
        for ours, theirs in zip(take(start, 6), whole[start:], strict=True):
            assert torch.equal(ours.inputs_NCHW, theirs.inputs_NCHW)


def test_processes_share_a_batch_without_overlap():
    (whole,) = take(2, 3)
    halves = [take(2, 3, rank, 2)[0].inputs_NCHW for rank in range(2)]
    assert torch.equal(torch.stack(halves, 1).flatten(0, 1), whole.inputs_NCHW)


def test_too_few_examples_for_a_batch_are_told():
    with pytest.raises(UserError, match="10 patches do not fill a batch of 16"):
        take(0, 1, size=16)


def numbered(side=8, align=2, border=0):
    """Every pixel says where it is; features, half as wide, say where their first pixel is."""
    y, x = np.mgrid[:side, :side]
    places = (16 * y + x).astype(np.uint8)[None, ..., None].repeat(2, 0)
    features = Planes(places[:, ::2, ::2].astype(np.float16), 1)
    planes = Planes(places, 1)
    return PatchDataset(planes, [(1.0, planes)], align, (0.5, features), border=border)


def test_crops_lie_on_the_grid_of_the_degradation_and_reach_every_place():
    corners = set()
    for batch in batches(numbered(), 2, 3, 0, 200, crop=4):
        assert batch.inputs_NCHW.shape == (2, 1, 4, 4)
        for crop in batch.inputs_NCHW:
            corner = int(crop.min())
            corners.add((corner // 16, corner % 16))
    assert corners == {(y, x) for y in (0, 2, 4) for x in (0, 2, 4)}


@pytest.mark.parametrize(("crop", "reached"), [(4, (2, 4, 6)), (0, (2,))])
def test_what_lies_within_the_border_is_never_cut(crop, reached):
    corners = set()
    for batch in batches(numbered(side=12, border=2), 2, 3, 0, 100, crop=crop):
        assert batch.inputs_NCHW.shape == (2, 1, crop or 8, crop or 8)
        for cut in batch.inputs_NCHW:
            corners.add((int(cut.min()) // 16, int(cut.min()) % 16))
    assert corners == {(y, x) for y in reached for x in reached}


def test_a_border_that_leaves_no_room_is_refused():
    with pytest.raises(UserError, match="fit into patches of 8 without their border of 4"):
        next(batches(numbered(border=4), 2, 3, 0, 1))


def test_a_crop_takes_the_same_place_of_targets_and_features():
    for batch in batches(numbered(), 2, 3, 0, 50, crop=4):
        ((_, target),) = batch.targets
        weight, features = batch.features
        assert torch.equal(batch.inputs_NCHW, target)
        assert weight == 0.5
        assert features.shape == (2, 1, 2, 2)
        # Whichever way it is turned, the pooled minimum of each 2x2 block is the feature there.
        pooled = -torch.nn.functional.max_pool2d(-batch.inputs_NCHW, 2)
        assert torch.equal(pooled, features)


@pytest.mark.parametrize("crop", [3, 10])
def test_a_crop_that_does_not_fit_is_refused(crop):
    with pytest.raises(UserError, match=f"crop {crop} must be a multiple of the scale 2"):
        next(batches(numbered(), 2, 3, 0, 1, crop=crop))
