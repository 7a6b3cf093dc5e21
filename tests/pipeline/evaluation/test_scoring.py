import logging
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kdsharp.degrade import degrade
from kdsharp.errors import UserError
from kdsharp.metrics import METRICS, compare
from kdsharp.train.student.network import load_student
from kdsharp.train.teacher.network import load_teacher
from pipeline.evaluation.kept import KeptScores
from pipeline.evaluation.methods import _remembered, load_methods
from pipeline.evaluation.scoring import (
    EvalPhoto,
    averages,
    list_photos,
    load_pair,
    sampled,
    score,
)
from pipeline.params import DegradationParams, load_params
from tests.pipeline.evaluation.evaluated import NASTY, make_checkout


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(make_checkout(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """The params, the methods and the table of one scoring; `checkout` has the same photos."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(make_checkout(tmp_path_factory.mktemp("scored")))
        params, counts = load_params(), []
        methods = methods_of(params)
        table = score(list_photos(), methods, params.degradation, counts.append)
    assert counts == [1, 2, 3, 4, 5]
    return params, methods, table


def methods_of(params):
    teacher = load_teacher("models/teacher.safetensors")
    return load_methods(params, teacher, load_student("models/student.safetensors"))


def test_photos_are_those_of_val_and_test_by_name(checkout):
    assert [(p.split, p.name) for p in list_photos()] == [
        ("val", "a.png"),
        ("val", "c.png"),
        ("test", "a.png"),
        ("test", NASTY),
        ("test", "sub/ä b.png"),
    ]
    assert all(photo.path.is_file() for photo in list_photos())


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_split_without_photos_is_one_line(checkout, split):
    path = checkout / "data/raw/manifest.csv"
    table = pd.read_csv(path)
    table[table["split"] != split].to_csv(path, index=False)
    with pytest.raises(UserError, match=f"lists no {split} photos"):
        list_photos()


def test_no_manifest_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="dvc repro acquire"):
        list_photos()


def test_pair_is_cropped_and_degraded(checkout):
    params = load_params()
    low, truth = load_pair(EvalPhoto("test", NASTY), params.degradation)
    whole = Image.open(EvalPhoto("test", NASTY).path).convert("RGB").crop((0, 0, 40, 56))
    assert np.array_equal(truth, np.asarray(whole))
    assert np.array_equal(low, np.asarray(degrade(whole, "bicubic", 2)))


def test_what_a_recipe_draws_follows_from_the_photo_s_name(checkout):
    drawn = DegradationParams(
        name="some", scale=2, recipes={"some": [{"noise": {"sigma": [5, 50]}}]}
    )
    one, again = (load_pair(EvalPhoto("test", NASTY), drawn)[0] for _ in range(2))
    np.testing.assert_array_equal(one, again)
    source = EvalPhoto("test", NASTY).path
    shutil.copy(source, source.with_name("other.png"))
    assert not np.array_equal(load_pair(EvalPhoto("test", "other.png"), drawn)[0], one)


def test_a_photo_too_small_for_ssim_is_named(checkout):
    Image.new("RGB", (14, 40)).save("data/raw/val/c.png")
    with pytest.raises(UserError, match=r"c\.png: 14x40 is too small"):
        load_pair(EvalPhoto("val", "c.png"), load_params().degradation)


def test_rows_equal_the_metrics_of_every_method(checkout, scored):
    params, methods, table = scored
    assert list(table.columns) == ["split", "name", "method", *METRICS, "gain_y"]
    assert list(table["method"].unique()) == [
        "input", "unsharp", "teacher", "student", "student_onnx",
    ]  # fmt: skip
    assert list(table["split"].unique()) == ["test", "val"]
    photo = EvalPhoto("val", "c.png")
    low, truth = load_pair(photo, params.degradation)
    rows = table[(table["split"] == "val") & (table["name"] == "c.png")].set_index("method")
    for name, method in methods.items():
        expected = compare(method(low), truth, border=2)
        assert {k: rows.loc[name, k] for k in METRICS} == pytest.approx(expected, abs=1e-6)
        gain = rows.loc[name, "psnr_y"] - rows.loc["input", "psnr_y"]
        assert rows.loc[name, "gain_y"] == pytest.approx(gain, abs=1e-6)
    assert rows["psnr_y"].nunique() >= 4


def test_exported_student_scores_as_the_trained_one(scored):
    table = scored[2].set_index("method")
    close = table.loc["student", list(METRICS)].to_numpy(float)
    assert np.allclose(close, table.loc["student_onnx", list(METRICS)].to_numpy(float), atol=0.01)


def test_models_that_are_the_identity_score_as_the_input(tmp_path, monkeypatch):
    monkeypatch.chdir(make_checkout(tmp_path, trained=False))
    params = load_params()
    means = averages(score(list_photos(), methods_of(params), params.degradation))
    for split in ("val", "test"):
        for name in ("teacher", "student", "student_onnx"):
            assert means[split][name] == means[split]["input"]
        assert means[split]["unsharp"] != means[split]["input"]


def test_averages_are_the_means_over_the_photos(scored):
    table = scored[2]
    found = averages(table)
    assert list(found) == ["val", "test"]
    for split, methods in found.items():
        assert list(methods) == list(table["method"].unique())
        for method, metrics in methods.items():
            rows = table[(table["split"] == split) & (table["method"] == method)]
            assert metrics == {key: round(rows[key].mean(), 4) for key in METRICS}


def test_export_missing_is_one_line(checkout):
    (checkout / "models/export/card.json").unlink()
    with pytest.raises(UserError, match="not a model folder"):
        methods_of(load_params())


def test_large_pictures_are_scored_one_after_the_other(checkout, monkeypatch):
    params, running, most = load_params(), [], []

    def method(low):
        running.append(1)
        time.sleep(0.02)
        most.append(len(running))
        running.pop()
        return low // 2

    methods = {"input": lambda low: low, "darker": method}
    monkeypatch.setattr("pipeline.evaluation.scoring.os.cpu_count", lambda: 3)
    beside = score(list_photos(), methods, params.degradation)
    assert max(most) in (2, 3)
    most.clear()
    monkeypatch.setattr("pipeline.evaluation.scoring._PIXELS_AT_ONCE", 1)
    pd.testing.assert_frame_equal(score(list_photos(), methods, params.degradation), beside)
    assert max(most) == 1


def test_a_photo_that_fails_ends_the_scoring(checkout):
    Path("data/raw/test/a.png").write_bytes(b"no photo")
    with pytest.raises(UserError, match=r"test/a\.png"):
        score(list_photos(), {"input": lambda low: low}, load_params().degradation)


def test_kept_scores_are_not_computed_again(checkout):
    params, asked = load_params(), []
    photos = list_photos()

    def darker(low):
        asked.append(1)
        return low // 2

    def table(key="1", photos=photos):
        asked.clear()
        with KeptScores({"input": "", "darker": key}) as kept:
            methods = {"input": lambda low: low, "darker": darker}
            return score(photos, methods, params.degradation, kept=kept)

    first = table()
    assert len(asked) == 5
    pd.testing.assert_frame_equal(table(), first)
    assert len(asked) == 0
    table("2")
    assert len(asked) == 5
    Image.open("data/raw/test/a.png").point(lambda v: v // 2).save("data/raw/test/a.png")
    changed = table()
    assert len(asked) == 1
    assert not changed.equals(first)
    path = next(path for path in Path(".checkpoints/scores").glob("input-*"))
    path.write_text("no JSON\n" + path.read_text()[:-20])  # as a kill leaves it
    pd.testing.assert_frame_equal(table(), changed)
    assert len(asked) == 0


def test_old_scores_are_removed(checkout, monkeypatch):
    monkeypatch.setattr("pipeline.evaluation.kept._MOST", 3)
    for number in range(4):
        with KeptScores({"input": "", "student": str(number)}):
            pass
    assert len(list(Path(".checkpoints/scores").iterdir())) == 3


def test_of_many_photos_a_sample_is_scored(caplog):
    caplog.set_level(logging.INFO)
    params = load_params().evaluate.model_copy(update={"photos": 20})
    photos = [EvalPhoto(s, f"{n}.png") for s in ("val", "test", "held_out/a") for n in range(30)]
    few = [EvalPhoto("held_out/b", "0.png")]
    chosen = sampled([*photos, *few], params)
    assert [sum(p.split == s for p in chosen) for s in ("val", "test", "held_out/a")] == [20] * 3
    assert chosen[-1:] == few
    assert chosen == sampled([*photos, *few], params)
    said = re.findall(r"(\S+): 20 of 30 photos are scored .*sample ([0-9a-f]{8})", caplog.text)
    assert len({name for _, name in said}) == 3
    # One more takes the place of one at most.
    more = sampled([EvalPhoto("val", "new.png"), *photos], params)
    assert len(set(chosen) - set(more)) <= 1
    other = params.model_copy(update={"seed": 2})
    assert sampled(photos, other) != sampled(photos, params)
    assert sampled(photos, params.model_copy(update={"photos": 30})) == photos


def test_outputs_are_remembered_up_to_a_limit(monkeypatch):
    calls = []

    def method(low):
        calls.append(low.shape)
        return low + 1

    small, other = np.zeros((2, 8, 3), np.uint8), np.zeros((8, 2, 3), np.uint8)
    remembered = _remembered(method)
    for low in (small, small, other, other):
        assert np.array_equal(remembered(low), low + 1)
    assert calls == [small.shape, other.shape]
    monkeypatch.setattr("pipeline.evaluation.methods._BYTES_KEPT", 10)
    remembered = _remembered(method)
    remembered(small)
    remembered(small)
    assert len(calls) == 4
