import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from kdsharp.degrade import known_recipe
from kdsharp.errors import UserError
from kdsharp.train.config import PatchesConfig, TeacherConfig
from kdsharp.train.dataset.cut import cut_patches
from kdsharp.train.loop.weights import save_weights
from kdsharp.train.student.distill import cache_teacher_outputs
from kdsharp.train.student.label import inputs_of, label
from kdsharp.train.teacher.network import Teacher, load_teacher
from tests.kdsharp.train.networks import TINY

CONFIG = dataclasses.replace(TINY, feature_weight=0.5, ensemble=True)


@pytest.fixture
def teacher(tmp_path):
    torch.manual_seed(0)
    made = Teacher(TeacherConfig(depth=1, width=8, num_blocks=1, color="luma"))
    torch.nn.init.normal_(made.last.weight, std=0.05)
    path = tmp_path / "teacher.safetensors"
    save_weights(path, "teacher", made.config, made.state_dict(), {})
    return path


@pytest.fixture
def patches(tmp_path):
    """19 with a truth, no multiple of a batch, and 5 without."""
    random, photos = np.random.default_rng(0), []
    for number in range(3):
        photos.append(tmp_path / f"{number}.png")
        Image.fromarray(random.integers(0, 256, (60, 70, 3), np.uint8)).save(photos[-1])
    folder = tmp_path / "patches"
    folder.mkdir()
    cut, recipe = PatchesConfig(size=16, workers=1), known_recipe("bicubic")
    cut_patches(photos, 19, folder, "train", cut, recipe, 2)
    cut_patches(photos, 5, folder, "unlabelled", cut, recipe, 2, labelled=False)
    return folder


def test_labels_are_the_answers_that_a_training_would_ask_for(teacher, patches, tmp_path):
    far, here = tmp_path / "far", tmp_path / "here"
    # Without a cluster `spread` calls the same in threads.
    label(teacher, patches, CONFIG, far)
    cache_teacher_outputs(load_teacher(teacher), inputs_of(patches), CONFIG, here)
    for name in ("teacher.npy", "features.npy"):
        assert (far / name).read_bytes() == (here / name).read_bytes()
    assert len(np.load(far / "teacher.npy")) == 24


def test_what_is_there_is_not_asked_for_again(teacher, patches, tmp_path):
    label(teacher, patches, CONFIG, tmp_path)
    before = (tmp_path / "teacher.npy").stat().st_mtime_ns
    label(teacher, patches, CONFIG, tmp_path)
    assert (tmp_path / "teacher.npy").stat().st_mtime_ns == before


def test_a_teacher_that_knows_too_little_is_told_before_anybody_is_asked(
    teacher, patches, tmp_path
):
    rgb = dataclasses.replace(TINY, color="rgb")
    with pytest.raises(UserError, match="the teacher knows only luma"):
        label(teacher, patches, rgb, tmp_path / "none")
    assert not (tmp_path / "none").exists()
