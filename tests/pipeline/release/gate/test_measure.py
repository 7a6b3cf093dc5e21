import dataclasses
import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from kdsharp.metrics import compare as all_metrics
from kdsharp.runtime.card import write_card
from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.train.config import TeacherConfig
from kdsharp.train.export.fp32 import write_onnx
from kdsharp.train.loop.weights import save_weights
from kdsharp.train.teacher.network import Teacher
from pipeline.release.gate import speed as latency
from pipeline.release.gate.crops import cut_gate_set, load_gate_set
from pipeline.release.gate.decide import decide
from pipeline.release.gate.measure import measure
from pipeline.release.gate.speed import time_alone, time_beside
from tests.kdsharp.train.networks import student as make_student
from tests.models import make_card
from tests.pipeline.release.gated import BICUBIC, NOT_ASKED, POLICY, SOUND, gate_params, photo


@pytest.fixture(scope="module")
def gate_set(tmp_path_factory):
    root = tmp_path_factory.mktemp("gate")
    photos = [photo(root / f"{seed}.png", seed) for seed in range(2)]
    cut_gate_set(photos, root / "gate", gate_params(crops=6), BICUBIC)
    return load_gate_set(root / "gate")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(latency, "_SECONDS", 0)
    monkeypatch.setattr(latency, "_FRAME", {"student": (72, 128), "teacher": (32, 32)})


def student_folder(folder: Path, poison: float | None = None, trained: bool = True) -> Path:
    """A registered student: trained weights, the exported model and its card."""
    folder.mkdir()
    network = make_student(trained=trained)
    if poison is not None:
        with torch.no_grad():
            network.last.bias[0] = poison
    save_weights(folder / "student.safetensors", "student", network.config, network.state_dict())
    write_onnx(network, folder / "student.onnx")
    write_card(folder, make_card(folder / "student.onnx"))
    return folder


def run(candidate, incumbent, gate_set, kind="student"):
    comparison = measure(kind, candidate, incumbent, gate_set, POLICY)
    return comparison, decide(comparison, SOUND, POLICY, NOT_ASKED)


def test_scores_are_those_of_the_code_that_ships(tmp_path, gate_set):
    folder = student_folder(tmp_path / "model")
    comparison, _ = run(folder, None, gate_set)
    ship = Sharpener(folder)
    for scores, sharpen in ((comparison.candidate.quality, ship.array), (comparison.input, None)):
        for index, (low, high) in enumerate(
            zip(gate_set.low_NHWC, gate_set.high_NHWC, strict=True)
        ):
            expected = all_metrics(sharpen(low) if sharpen else low, high, border=2)
            capped = min(expected["psnr_y"], POLICY.ceiling_db)
            assert scores.psnr_y[index] == pytest.approx(capped, abs=1e-9)
            assert scores.ssim_y[index] == pytest.approx(expected["ssim_y"], abs=1e-9)
        assert (scores.photo == gate_set.photo).all()
    assert comparison.gate.sha256 == gate_set.sha256
    assert (comparison.gate.photos, comparison.gate.crops) == (2, 6)


def test_what_nobody_sees_does_not_count(tmp_path, gate_set):
    """Where nothing was done to a crop, doing nothing has a PSNR without bounds."""
    sharp = dataclasses.replace(gate_set, low_NHWC=gate_set.high_NHWC)
    comparison = measure("student", student_folder(tmp_path / "model"), None, sharp, POLICY)
    assert set(comparison.input.psnr_y) == {POLICY.ceiling_db}
    assert comparison.candidate.quality.psnr_y.max() <= POLICY.ceiling_db


def test_a_model_is_its_own_equal(tmp_path, gate_set):
    folder, counted = student_folder(tmp_path / "model"), []
    comparison = measure("student", folder, folder, gate_set, POLICY, done=counted.append)
    ours, theirs = comparison.candidate, comparison.incumbent
    assert (ours.quality.psnr_y == theirs.quality.psnr_y).all()
    assert ours.serving.loads
    assert 0 <= ours.serving.parity < 1e-5
    assert ours.serving.engine == Sharpener(folder).engine.name
    assert ours.serving.size_bytes == (folder / "student.onnx").stat().st_size
    assert ours.serving.latency_ms > 0
    assert theirs.serving.latency_ms > 0
    assert 0.2 < theirs.serving.latency_ratio < 5
    assert ours.int8 is None
    assert theirs.int8 is None
    assert sum(counted) == 3 * 6


def test_weights_that_are_not_the_exported_ones_are_seen(tmp_path, gate_set):
    folder, other = student_folder(tmp_path / "model"), student_folder(tmp_path / "b", poison=0.5)
    shutil.copy(other / "student.safetensors", folder)
    comparison, decision = run(folder, None, gate_set)
    assert comparison.candidate.serving.parity == pytest.approx(0.5, abs=0.1)
    assert "export the trained model again" in decision.reason


def damage(folder, case):
    if case == "no file":
        (folder / "student.onnx").unlink()
    elif case == "no card":
        (folder / "card.json").unlink()
    elif case == "no weights":
        (folder / "student.safetensors").unlink()
    elif case == "wrong hash":
        (folder / "student.onnx").write_bytes(b"x")
    elif case == "no model":
        (folder / "student.onnx").write_bytes(b"x" * 5000)
        write_card(folder, make_card(folder / "student.onnx"))
    elif case == "other scale":
        card = json.loads((folder / "card.json").read_text())
        (folder / "card.json").write_text(json.dumps(card | {"scale": 3}))


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("no file", "student.onnx: the model file that the card names is missing"),
        ("no card", "not a model folder"),
        ("no weights", "student.safetensors does not exist"),
        ("wrong hash", "its SHA-256 differs"),
        ("no model", "student.onnx: cannot be run by"),
        ("other scale", "it is made for bicubic x3, the gate set for bicubic x2"),
    ],
)
def test_a_candidate_that_cannot_be_used_is_refused_with_its_reason(tmp_path, gate_set, case, said):
    folder = student_folder(tmp_path / "model")
    damage(folder, case)
    comparison, decision = run(folder, None, gate_set)
    assert not comparison.candidate.serving.loads
    assert comparison.candidate.quality is None
    assert not decision.passed
    assert said in decision.reason
    assert str(tmp_path) not in decision.reason


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_candidate_that_answers_with_nan_is_refused(tmp_path, gate_set, poison):
    comparison, decision = run(student_folder(tmp_path / "bad", poison), None, gate_set)
    assert not comparison.candidate.serving.loads
    assert "it returns numbers that are not finite" in decision.reason


def test_a_broken_incumbent_is_said_and_not_in_the_way(tmp_path, gate_set):
    (tmp_path / "empty").mkdir()
    ours = student_folder(tmp_path / "ours", trained=False)
    comparison, decision = run(ours, tmp_path / "empty", gate_set)
    assert not comparison.incumbent.serving.loads
    assert decision.against == "input"
    assert comparison.candidate.serving.latency_ms > 0
    assert any("the incumbent cannot be scored" in check.text for check in decision.checks)


def test_a_teacher_is_measured_in_torch(tmp_path, gate_set):
    config = TeacherConfig(depth=1, width=8, num_blocks=0)
    teacher = Teacher(config)
    save_weights(tmp_path / "teacher.safetensors", "teacher", config, teacher.state_dict())
    comparison, _ = run(tmp_path, tmp_path, gate_set, "teacher")
    ours = comparison.candidate
    assert (ours.serving.engine, ours.serving.parity) == ("torch", None)
    assert ours.serving.size_bytes == (tmp_path / "teacher.safetensors").stat().st_size
    assert ours.parameters == teacher.parameter_count
    # Untrained it is the identity.
    assert ours.quality.psnr_y == pytest.approx(comparison.input.psnr_y, abs=1e-6)


def sleeping(seconds):
    return lambda: time.sleep(next(seconds) if hasattr(seconds, "__next__") else seconds)


def test_the_ratio_is_that_of_pairs():
    found = time_beside(sleeping(0.004), sleeping(0.002), limit=10)
    assert found.ours_ms > found.theirs_ms > 1.5
    assert 1.2 < found.ratio < 2.5
    assert time_alone(sleeping(0.002)) > 1.9


def test_a_ratio_over_the_limit_is_measured_once_more():
    """Slow for as long as one measurement takes, as when something else starts."""
    first = latency._WARM_UP + latency._LEAST
    slow = (0.004 if turn < first else 0.001 for turn in range(10**6))
    found = time_beside(sleeping(slow), sleeping(0.001), limit=1.25)
    assert found.ratio < 2
    again = (0.004 for _ in range(10**6))
    assert time_beside(sleeping(again), sleeping(0.001), limit=1.25).ratio > 1.25
