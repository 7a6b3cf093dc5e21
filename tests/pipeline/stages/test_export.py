import json
import logging

import numpy as np
import pytest
import torch

from kdsharp.color import luma
from kdsharp.errors import KdsharpError, UserError
from kdsharp.runtime.card import read_card
from kdsharp.runtime.engine import load_engine
from kdsharp.train.config import StudentConfig
from kdsharp.train.dataset.patches import load_patches
from kdsharp.train.export.add_upscalers import check_upscaler
from kdsharp.train.loop.weights import save_weights
from kdsharp.train.student.network import Student, load_student
from kdsharp.train.teacher.network import load_teacher
from pipeline.evaluation.methods import load_methods
from pipeline.evaluation.scoring import EvalPhoto, averages, load_pair, score
from pipeline.params import load_params
from pipeline.paths import EXPORT, PATCHES, STUDENT, TEACHER
from pipeline.stages import export
from tests.mixed import make_student
from tests.pipeline.evaluation.evaluated import make_checkout


@pytest.fixture
def params(tmp_path, monkeypatch):
    """A small checkout as it is before `export`, and its parameters."""
    monkeypatch.chdir(make_checkout(tmp_path))
    torch.set_num_threads(1)
    PATCHES.mkdir()
    random = np.random.default_rng(0)
    cells = random.integers(0, 256, (6, 8, 8, 3), np.uint8).repeat(4, 1).repeat(4, 2)
    np.save(PATCHES / "train_hr.npy", cells)
    np.save(PATCHES / "train_lr.npy", (cells // 2 + np.roll(cells, 1, 1) // 2))
    (PATCHES / "patches.json").write_text(json.dumps({"scale": 2}))
    return load_params()


def changed(params, **values):
    return params.model_copy(update={"export": params.export.model_copy(update=values)})


def test_both_files_with_their_card_and_rows(params, caplog):
    with caplog.at_level(logging.INFO):
        export.main(params)
    assert sorted(path.name for path in EXPORT.iterdir()) == [
        "README.md", "card.json", "student.onnx", "student_int8.onnx", "upscaler.onnx",
        "upscaler_int8.onnx",
    ]  # fmt: skip
    assert "`upscaler.onnx` (" in (EXPORT / "README.md").read_text()
    for precision in ("fp32", "int8"):
        check_upscaler(load_engine(EXPORT, "onnxruntime", precision=precision), 1e-4)
    assert "int8" in (EXPORT / "README.md").read_text()
    card = read_card(EXPORT)
    rows = card.metrics["val"]
    assert list(rows) == ["input", "student_onnx", "student_int8"]
    loss = rows["student_onnx"]["psnr_y"] - rows["student_int8"]["psnr_y"]
    assert card.int8.loss_db == pytest.approx(loss, abs=1e-4)
    assert abs(loss) < 0.1
    assert f"int8 costs {card.int8.loss_db:.3f} dB" in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]

    methods = load_methods(params, load_teacher(TEACHER), load_student(STUDENT))
    assert list(methods)[-2:] == ["student_onnx", "student_int8"]
    only = {name: methods[name] for name in ("input", "student_int8")}
    photos = [EvalPhoto(split, "a.png") for split in ("val", "test")]
    found = averages(score(photos, only, params.degradation))
    assert found["val"]["student_int8"] != found["val"]["input"]
    low, _ = load_pair(photos[0], params.degradation)
    engine = load_engine(EXPORT, "onnxruntime", precision="int8")
    levels_NCHW = np.rint(luma(low))[None, None].astype(np.uint8)
    step = engine.run8(levels_NCHW)[0, 0].astype(int) - levels_NCHW[0, 0]
    np.testing.assert_array_equal(
        methods["student_int8"](low), np.clip(low + step[..., None], 0, 255)
    )


def test_the_same_student_gives_the_same_bytes(params):
    export.main(params)
    before = {path.name: path.read_bytes() for path in EXPORT.iterdir()}
    export.main(params)
    assert {path.name: path.read_bytes() for path in EXPORT.iterdir()} == before


def test_without_int8_there_is_no_trace_of_it(params):
    export.main(changed(params, int8=False))
    assert sorted(path.name for path in EXPORT.iterdir()) == [
        "README.md",
        "card.json",
        "student.onnx",
        "upscaler.onnx",
    ]
    card = read_card(EXPORT)
    assert card.int8 is None
    assert list(card.metrics["val"]) == ["input", "student_onnx"]
    methods = load_methods(params, load_teacher(TEACHER), load_student(STUDENT))
    assert list(methods)[-1] == "student_onnx"


def test_a_mixture_is_exported_with_what_mixes_it(params):
    student = make_student()
    save_weights(STUDENT, "student", student.config, student.state_dict())
    export.main(changed(params, codes=2, calibration=3))
    assert sorted(path.name for path in EXPORT.iterdir()) == [
        "README.md",
        "card.json",
        "kernels.onnx",
        "mixer.onnx",
        "student.onnx",
        "student_int8.onnx",
        "student_int8_1.onnx",
    ]
    card = read_card(EXPORT)
    assert (card.mixture.sets, card.upscaler) == (student.config.mixture, None)
    page = " ".join((EXPORT / "README.md").read_text().split())
    assert "mixes 3 sets" in page
    assert "In whole numbers there are 2 mixtures, each a file of its own" in page
    rows = card.metrics["val"]
    loss = rows["student_onnx"]["psnr_y"] - rows["student_int8"]["psnr_y"]
    assert card.int8.loss_db == pytest.approx(loss, abs=1e-4)
    assert loss != 0
    methods = load_methods(params, load_teacher(TEACHER), load_student(STUDENT))
    low, _ = load_pair(EvalPhoto("val", "a.png"), params.degradation)
    exported, trained = (methods[name](low).astype(int) for name in ("student_onnx", "student"))
    assert np.abs(exported - trained).max() <= 1  # where one of them rounds the other way
    assert np.mean(exported != trained) < 1e-3


def test_without_int8_a_mixture_has_no_codes(params):
    student = make_student()
    save_weights(STUDENT, "student", student.config, student.state_dict())
    export.main(changed(params, int8=False))
    card = read_card(EXPORT)
    assert (card.int8, card.mixture.codes) == (None, ())
    assert not list(EXPORT.glob("*int8*"))


def test_a_loss_above_the_limit_is_one_warning(params, caplog, monkeypatch):
    def worse(card, folder, params):
        rows = real(card, folder, params)
        rows["student_int8"]["psnr_y"] = rows["student_onnx"]["psnr_y"] - 0.25
        return rows

    real = export._metrics
    monkeypatch.setattr(export, "_metrics", worse)
    export.main(params)
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "int8 costs more than export.int8_loss_db 0.1" in warning.getMessage()
    assert read_card(EXPORT).int8.loss_db == 0.25


def test_an_int8_file_that_computes_something_else_is_not_exported(params, monkeypatch):
    def wrong(quantized, path):
        with torch.no_grad():
            quantized.biases[2] += 1000
        write(quantized, path)
        with torch.no_grad():
            quantized.biases[2] -= 1000

    export.main(params)
    before = (EXPORT / "card.json").read_bytes()
    write = export.write_int8
    monkeypatch.setattr(export, "write_int8", wrong)
    with pytest.raises(KdsharpError, match="the int8 student differs from exact arithmetic"):
        export.main(params)
    assert (EXPORT / "card.json").read_bytes() == before


def test_patches_that_are_missing_are_one_line(params):
    (PATCHES / "train_lr.npy").unlink()
    with pytest.raises(UserError, match="holds no train patches"):
        export.main(params)


def test_patches_are_taken_evenly_and_as_the_student_sees_them(params):
    low_NHWC = load_patches(PATCHES, "train").lr_NHWC
    grey_NCHW = export._calibration(Student(StudentConfig()), 2)
    assert (grey_NCHW.shape, grey_NCHW.dtype) == ((2, 1, 32, 32), np.uint8)
    np.testing.assert_array_equal(grey_NCHW[1, 0], np.rint(luma(low_NHWC[5])))
    color_NCHW = export._calibration(Student(StudentConfig(color="rgb")), 100)
    np.testing.assert_array_equal(color_NCHW.transpose(0, 2, 3, 1), low_NHWC)
