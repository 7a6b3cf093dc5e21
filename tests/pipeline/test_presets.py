import shutil

import pytest

from kdsharp.errors import UserError
from kdsharp.runtime.catalog import SCALES, WIDTHS
from kdsharp.train.config import KERNELS, student_name
from kdsharp.train.student.network import Student
from pipeline.params import load_params
from pipeline.paths import PARAMS
from pipeline.presets import PRESETS, apply_preset, list_presets


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    shutil.copy(PARAMS, tmp_path)
    shutil.copytree(PRESETS, tmp_path / PRESETS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_preset_is_described(checkout):
    about = list_presets()
    assert {"original", "sample"} <= set(about)
    assert all(about.values())


def test_original(checkout):
    before = PARAMS.read_text().splitlines()
    changes = apply_preset("original")
    params = load_params()
    assert params.data.source == "div2k"
    assert (params.data.div2k.train, params.data.div2k.val, params.data.div2k.test) == (500, 50, 50)
    assert params.teacher.pretrained
    assert params.patches.train == 20000
    assert params.teacher.loop.loss == params.student.loop.loss == "mse"
    assert "data.source: sample -> div2k" in changes
    after = PARAMS.read_text().splitlines()
    assert len(after) == len(before)  # comments and order stay
    assert sum(old != new for old, new in zip(before, after, strict=True)) == len(changes)


def test_there_and_back_is_the_same_file(checkout):
    before = PARAMS.read_bytes()
    apply_preset("original")
    assert apply_preset("sample")
    assert PARAMS.read_bytes() == before
    assert apply_preset("sample") == []
    assert PARAMS.read_bytes() == before


def test_own_values_stay(checkout):
    PARAMS.write_text(PARAMS.read_text().replace("channels: 32", "channels: 24"))
    apply_preset("original")
    assert load_params().student.channels == 24


def test_several_are_laid_over_each_other_in_order(checkout):
    changes = apply_preset("release", "nano-x3")
    params = load_params()
    assert (params.data.source, params.data.folder.jpeg_shrink) == ("folder", 2)
    assert (params.student.loop.optimizer, params.student.loop.crop) == ("soap", 66)
    assert "student.channels: 32 -> 24" in changes
    assert apply_preset("release", "nano-x3") == []
    before = PARAMS.read_bytes()
    apply_preset("large-x4", "nano-x3")
    assert PARAMS.read_bytes() == before
    # New keys join their section, before the empty line that ends it.
    assert "\n\nstudent:" in before.decode()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", WIDTHS)
def test_the_presets_of_the_sizes_are_the_family(checkout, size, scale):
    apply_preset(f"{size}-x{scale}")  # goes with the sample as well
    apply_preset(f"{size}-x{scale}")  # goes with the sample as well
    apply_preset("release", f"{size}-x{scale}")
    params = load_params()
    student, teacher = params.student, params.teacher
    assert student_name(student, params.degradation.scale) == f"{size}-x{scale}"
    assert params.degradation.scale == scale
    assert student.kernels == KERNELS
    assert params.export.name == f"kdsharp-{size}-x{scale}"
    about = list_presets()[f"{size}-x{scale}"]
    assert about.startswith(f"The {size} student that undoes x{scale}")
    # What is cut for training lies on the grid of the degradation, and has an inside.
    for crop in (student.loop.crop, teacher.loop.crop):
        assert crop % scale == 0
        assert crop <= params.patches.size
    assert student.loop.crop > 2 * Student(student).margin


def test_the_mixture_goes_with_a_size(checkout):
    apply_preset("release", "small-x2", "mixture")
    params = load_params()
    assert (params.student.mixture, params.student.needs_teacher) == (8, False)
    assert params.student.loop.late_loss == "psnr"
    assert student_name(params.student, 2, params.degradation.name) == "small-x2-k8-mixture"
    apply_preset("release", "small-x2")
    plain = load_params()
    assert (plain.degradation.name, plain.student.mixture) == ("bicubic", 0)
    assert (plain.patches.shifted, plain.patches.drawings) == (0, 0)


@pytest.mark.parametrize("name", ["robust", "videocall"])
def test_a_preset_of_a_degradation_goes_with_a_recipe_and_a_size(checkout, name):
    apply_preset("release", "nano-x2", name)
    params = load_params()
    assert (params.degradation.recipe.name, params.degradation.recipe.random) == (name, True)
    assert params.data.source == "folder"
    apply_preset("release", "nano-x2")
    assert load_params().degradation.name == "bicubic"


def test_unknown_preset(checkout):
    with pytest.raises(
        UserError,
        match=r"no preset 'nope' \(known: .*original, ready-teacher, release, robust, sample",
    ):
        apply_preset("nope")
    with pytest.raises(UserError, match="no preset"):
        apply_preset("../params")
    before = PARAMS.read_bytes()
    with pytest.raises(UserError, match="no preset 'nope'"):
        apply_preset("release", "nope")
    assert PARAMS.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("teacher: {widht: 3}", "teacher.widht is not a known key"),
        ("patches: {size: 1}", "patches.size is 1"),
        ("teacher: {loop: 3}", "teacher.loop"),
        ("[1, 2]", "holds no keys"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_wrong_preset_changes_nothing(checkout, text, words):
    (PRESETS / "wrong.yaml").write_text(text)
    before = PARAMS.read_bytes()
    with pytest.raises(UserError, match=words) as error:
        apply_preset("wrong")
    assert "presets/wrong.yaml" in str(error.value)
    with pytest.raises(UserError, match=words):
        apply_preset("sample", "wrong")
    assert PARAMS.read_bytes() == before
    assert [path.name for path in checkout.glob(".part-*")] == []
