import re
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from kdsharp.errors import UserError
from pipeline.params import load_params
from pipeline.paths import PARAMS
from pipeline.release.gate.crops import made_with

GATE = load_params().gate


@pytest.fixture
def changed(tmp_path):
    """Write params.yaml with one value changed, added, or (value `...`) left out; give its path."""

    def write(key, value):
        values = YAML(typ="safe").load(PARAMS)
        *sections, last = key.split(".")
        section = values
        for name in sections:
            section = section[name]
        if value is ...:
            del section[last]
        else:
            section[last] = value
        path = tmp_path / "params.yaml"
        with path.open("w") as opened:
            YAML(typ="safe").dump(values, opened)
        return path

    return write


def leaves(section, prefix=""):
    for key, value in section.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def test_the_repo_s_own_params_are_valid():
    assert load_params().data.source == "sample"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("teecher", {}, "teecher is not a known key"),
        ("data.folder.vall", 0.1, "data.folder.vall is not a known key"),
        ("teacher.loop.learning_rate", 1, "teacher.loop.learning_rate is not a known key"),
        ("student.width", 1, "student.width is not a known key"),
        ("data.source", "imagenet", "data.source is 'imagenet'"),
        ("data.folder.path", 3, "data.folder.path is 3"),
        ("data.folder.val", 0.5, "data.folder.val is 0.5"),
        ("data.folder.val", "a tenth", "data.folder.val is 'a tenth'"),
        ("data.div2k.train", 801, "data.div2k.train is 801"),
        ("degradation.name", "sepia", "degradation: recipe 'sepia' is unknown: choose one of"),
        ("degradation.name", 3, "degradation.name is 3"),
        ("degradation.recipes", ["web"], "degradation.recipes is ['web']"),
        ("degradation.recipes", {"a": ["a"]}, "degradation: recipe 'a' contains itself: a -> a"),
        (
            "degradation.recipes",
            {"a": [{"sepia": {}}]},
            "recipe 'a', step 1: 'sepia' is not a step",
        ),
        (
            "degradation.recipes",
            {"a": [{"jpeg": {"quality": 101}}]},
            "degradation: recipe 'a', step 1 (jpeg): quality is 101: must lie between 10 and 100",
        ),
        ("degradation.scale", 5, "degradation.scale is 5"),
        ("degradation.scale", 2.5, "degradation.scale is 2.5"),
        ("degradation.mixed_in", {"sepia": 0.1}, "degradation: recipe 'sepia' is unknown"),
        ("degradation.mixed_in", {"web": 0.5, "jpeg": 0.2}, "mixed_in adds up to 0.7: at most 0.6"),
        ("degradation.mixed_in", {"web": 0}, "degradation.mixed_in.web is 0"),
        ("monitor.retrain", "yes", "monitor.retrain is 'yes'"),
        ("monitor.cooldown_days", 0, "monitor.cooldown_days is 0"),
        ("patches.min_detail", float("nan"), "patches.min_detail is nan"),
        ("patches.size", -1, "patches.size is -1"),
        ("teacher.loop.lr", float("inf"), "teacher.loop.lr is inf"),
        ("teacher.loop.lr", float("nan"), "teacher.loop.lr is nan"),
        ("teacher.loop.grad_clip_norm", float("nan"), "teacher.loop.grad_clip_norm is nan"),
        ("teacher.loop.grad_clip_norm", float("inf"), "teacher.loop.grad_clip_norm is inf"),
        ("teacher.loop.checkpoint_minutes", float("inf"), "checkpoint_minutes is inf"),
        ("teacher.loop.lr", 0, "teacher.loop.lr is 0"),
        ("teacher.loop.epochs", 0, "teacher.loop.epochs is 0"),
        ("teacher.loop.loss", "ssim", "teacher.loop.loss is 'ssim'"),
        ("teacher.pretrained", "perhaps", "teacher.pretrained is 'perhaps'"),
        ("teacher", None, "teacher is None"),
        ("teacher.arch", "vgg", "teacher.arch is 'vgg'"),
        ("teacher.window", 1, "teacher.window is 1"),
        ("student.kernels", [5, 3], "student.kernels"),
        ("student.kernels", [5, 4, 3], "student.kernels.1 is 4"),
        ("student.teacher_weight", float("inf"), "student.teacher_weight is inf"),
        ("student.teacher_weight", 0.0, "nothing to learn from"),
        ("export.tolerance", float("nan"), "export.tolerance is nan"),
        ("export.calibration", 0, "export.calibration is 0"),
        ("export.int8_loss_db", float("inf"), "export.int8_loss_db is inf"),
        ("export.int8", "perhaps", "export.int8 is 'perhaps'"),
        ("evaluate.unsharp_radius", 0, "evaluate.unsharp_radius is 0"),
        ("data.min_side", ..., "data.min_side is missing"),
        ("evaluate", ..., "evaluate is missing"),
    ],
)
def test_every_mistake_is_named(changed, key, value, words):
    path = changed(key, value)
    with pytest.raises(UserError) as error:
        load_params(path)
    assert words in str(error.value)
    assert str(error.value).startswith(f"{path}: ")


def test_the_reason_comes_without_the_section(changed):
    """Not behind all that a section holds."""
    with pytest.raises(UserError) as error:
        load_params(changed("student.teacher_weight", 0.0))
    assert str(error.value).endswith(
        ": student: teacher_weight and truth_weight are both 0: nothing to learn from"
    )


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("student.loop.crop", 45, "student.loop.crop is 45: it must be a multiple of degradation"),
        ("teacher.loop.crop", 130, "teacher.loop.crop is 130: it must be a multiple of"),
        ("student.loop.crop", 100, "fit into patches.size 128 less answer_margin 16"),
        ("degradation.scale", 3, "loop.crop is 44: it must be a multiple of degradation.scale 3"),
    ],
)
def test_a_crop_off_the_grid_is_known_at_once(changed, key, value, words):
    """And not when the teacher has been trained for hours."""
    with pytest.raises(UserError) as error:
        load_params(changed(key, value))
    assert words in str(error.value)
    assert str(error.value).count("loop.crop") == 1


def test_who_is_not_trained_needs_no_crop(tmp_path):
    values = YAML(typ="safe").load(PARAMS)
    values["teacher"]["loop"]["crop"] = 77
    values["student"] |= {"teacher_weight": 0.0, "truth_weight": 1.0}
    values["student"]["loop"]["crop"] = 128
    path = tmp_path / "params.yaml"
    with path.open("w") as opened:
        YAML(typ="safe").dump(values, opened)
    load_params(path)


def test_own_recipes(tmp_path):
    text = PARAMS.read_text().replace("name: bicubic  ", "name: office  ")
    own = "{office: [{shrink: {kernel: [area, bicubic]}}, {jpeg: {}}], both: {office: 1, web: 1}}"
    path = tmp_path / "params.yaml"
    path.write_text(text.replace("recipes: {}", f"recipes: {own}"))
    params = load_params(path)
    assert params.degradation.recipe.name == "office"
    assert params.digest() != load_params().digest()


def test_the_example_of_the_docs_is_valid(tmp_path):
    page = Path("docs/robustness.md").read_text(encoding="utf-8")
    values = YAML(typ="safe").load(PARAMS)
    values["degradation"].update(
        YAML(typ="safe").load(page.split("```yaml")[1].split("```")[0])["degradation"]
    )
    path = tmp_path / "params.yaml"
    with path.open("w") as opened:
        YAML(typ="safe").dump(values, opened)
    params = load_params(path)
    assert params.degradation.name in params.degradation.recipes


def test_what_is_mixed_in_is_taught_and_not_judged_on(changed):
    made = load_params(changed("degradation.mixed_in", {"blocky": 0.4, "noisy": 0.1})).degradation
    assert made.recipe.name == made.taught.name == "bicubic"
    assert made.taught.weights == pytest.approx((0.5, 0.4, 0.1))
    drawn = [made.taught.draw(np.random.default_rng(seed), 2) for seed in range(400)]
    share = np.mean([any(step.name in ("jpeg", "webp") for step in steps) for steps in drawn])
    assert 0.33 < share < 0.47
    assert made_with(GATE, made) == made_with(GATE, load_params().degradation)


def test_without_it_hashes_are_what_they_were(changed):
    """And without a section on the monitor, which an older file has not."""
    plain = load_params().degradation
    assert "mixed_in" not in plain.model_dump()
    assert plain.taught == plain.recipe
    assert load_params(changed("monitor", ...)).digest() == load_params().digest()
    assert load_params(changed("monitor.retrain", "auto")).digest() == load_params().digest()
    assert load_params(changed("degradation.mixed_in", {"web": 0.1})).digest() != (
        load_params().digest()
    )


def test_more_than_one_mistake_is_counted(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("{}")
    with pytest.raises(UserError, match=r"data is missing \(and 8 more\)"):
        load_params(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no keys"),
        ("3", "holds no keys"),
        ("[1]", "holds no keys"),
        ("a: [", "is not valid YAML: .*line 2"),
        ("a: 1\na: 2", 'is not valid YAML: .*duplicate key "a"'),
        ("\xff", "is not valid YAML: .*can't decode byte"),
    ],
)
def test_no_params_at_all(tmp_path, text, said):
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=rf"(?s)params\.yaml:? {said}"):
        load_params(path)


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match="run from the root of the checkout"):
        load_params(tmp_path / "params.yaml")


def test_digest_ignores_order_and_comments(tmp_path):
    values = YAML(typ="safe").load(PARAMS)
    backwards = {
        key: dict(reversed(value.items())) if isinstance(value, dict) else value
        for key, value in reversed(list(values.items()))
    }
    path = tmp_path / "params.yaml"
    with path.open("w") as opened:
        YAML(typ="safe").dump(backwards, opened)
    assert load_params(path).digest() == load_params().digest()


def test_digest_knows_every_value(changed):
    assert load_params(changed("student.loop.seed", 2)).digest() != load_params().digest()


def test_every_key_is_documented():
    """`x.loop.*` describes the keys of both loops."""
    page = Path("docs/params.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z0-9_.*]+)`", page))
    missing = [
        key
        for key in leaves(YAML(typ="safe").load(PARAMS))
        if key not in named
        and not (
            ".loop." in key and {key.split(".loop.")[1], f"loop.{key.split('.loop.')[1]}"} & named
        )
    ]
    assert missing == []
