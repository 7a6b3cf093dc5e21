"""The int8 file is judged as that in fp32 is: it is what most users get."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch

from kdsharp.files import sha256_file
from kdsharp.runtime import engine as engines
from kdsharp.runtime import hardware
from kdsharp.runtime.card import read_card, write_card
from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.train.export.int8 import write_int8
from kdsharp.train.export.quantize import quantize
from kdsharp.train.student.network import load_student
from pipeline.release.gate import measure as measuring
from pipeline.release.gate.costs import loss_db
from pipeline.release.gate.decide import decide
from pipeline.release.gate.measure import measure
from pipeline.release.gate.report import markdown
from pipeline.release.promotion.decision_record import DecisionRecord
from pipeline.release.promotion.passed import card_gate, gate_section
from tests.models import make_int8
from tests.pipeline.release.gate.test_decide import failed
from tests.pipeline.release.gate.test_measure import gate_set, quick, run, student_folder
from tests.pipeline.release.gated import BEFORE, NOT_ASKED, POLICY, SOUND, compare

__all__ = ["gate_set", "quick"]  # fixtures

EQUAL = np.full(120, 0.1)


def with_int8(folder, gate, good=True):
    """The same student with its int8 file, or with one that makes pictures brighter."""
    student = load_student(folder / "student.safetensors")
    planes_NCHW = gate.low_NHWC[..., :1].transpose(0, 3, 1, 2)
    made = quantize(student, planes_NCHW)
    if not good:
        with torch.no_grad():
            made.biases[-1] += 60
    write_int8(made, folder / "student_int8.onnx")
    int8 = make_int8(folder / "student_int8.onnx")
    write_card(folder, dataclasses.replace(read_card(folder), int8=int8))
    return folder


def both(tmp_path, gate, name="model", good=True):
    return with_int8(student_folder(tmp_path / name), gate, good)


def test_each_file_is_scored_by_the_code_that_ships(tmp_path, gate_set):
    folder = both(tmp_path, gate_set)
    comparison, decision = run(folder, folder, gate_set)
    ours = comparison.candidate
    assert (ours.serving.precision, ours.int8.serving.precision) == ("fp32", "int8")
    assert ours.int8.serving.size_bytes == (folder / "student_int8.onnx").stat().st_size
    assert ours.int8.serving.parity <= 1 / 255 + 1e-9
    ship = Sharpener(folder, precision="int8")
    for index, low in enumerate(gate_set.low_NHWC):
        alone = dataclasses.replace(
            gate_set, low_NHWC=ship.array(low)[None], high_NHWC=gate_set.high_NHWC[index][None]
        )
        expected = measuring._score(lambda x: x, alone, POLICY, lambda _: None)
        assert ours.int8.quality.psnr_y[index] == pytest.approx(expected.psnr_y[0], abs=1e-9)
    assert (ours.int8.quality.psnr_y != ours.quality.psnr_y).any()
    names = [check.name for check in decision.checks]
    for name in ("loads", "parity", "psnr", "ssim", "worst decile", "latency", "size", "loss"):
        assert f"int8 {name}" in names
    assert decision.numbers["int8"]["loss_db"] == pytest.approx(loss_db(ours))


def test_a_bad_int8_file_beside_a_good_one_is_refused(tmp_path, gate_set):
    """What the gate let through for as long as it opened the file in fp32 alone."""
    incumbent = both(tmp_path, gate_set, "incumbent")
    candidate = both(tmp_path, gate_set, "candidate", good=False)
    _, decision = run(candidate, incumbent, gate_set)
    assert "int8 loss" in failed(decision)
    assert "int8 psnr" in failed(decision)
    assert not {"psnr", "ssim", "loads"} & set(failed(decision))
    assert "than the incumbent" in decision.reason


def test_an_int8_file_that_does_not_run_is_refused(tmp_path, gate_set):
    folder = both(tmp_path, gate_set)
    shutil.copy(folder / "student.onnx", folder / "student_int8.onnx")
    card = read_card(folder, files=False)
    int8 = dataclasses.replace(card.int8, sha256=sha256_file(folder / "student_int8.onnx"))
    write_card(folder, dataclasses.replace(card, int8=int8))
    comparison, decision = run(folder, None, gate_set)
    assert comparison.candidate.serving.loads
    assert "int8 loads" in failed(decision)
    assert "int8: it cannot be used: student_int8.onnx" in decision.reason


@pytest.mark.parametrize("flags", [{"avx512_vnni"}, set()])
def test_its_speed_counts_where_people_get_it(tmp_path, gate_set, monkeypatch, flags):
    monkeypatch.setattr(hardware, "cpu_flags", lambda: frozenset(flags))
    folder = both(tmp_path, gate_set)
    comparison, decision = run(folder, folder, gate_set)
    (said,) = [check for check in decision.checks if check.name == "int8 latency"]
    assert comparison.candidate.int8.quality is not None  # any engine computes it
    if flags and hardware.best_engine() == "openvino":
        assert comparison.incumbent.int8.serving.latency_ratio > 0
        assert "times the incumbent's time" in said.text
    else:
        assert comparison.incumbent.int8.serving.latency_ratio is None
        assert said.passed
        assert "skipped" in said.text


def test_int8_is_judged_with_onnx_runtime_alone(tmp_path, gate_set, monkeypatch):
    monkeypatch.setattr(engines, "best_engine", lambda: "onnxruntime")
    comparison = measure("student", both(tmp_path, gate_set), None, gate_set, POLICY)
    assert comparison.candidate.int8.serving.engine == "onnxruntime"
    assert comparison.candidate.int8.quality is not None


def test_without_int8_nothing_is_said_of_it(tmp_path, gate_set):
    folder = student_folder(tmp_path / "model")
    _, decision = run(folder, folder, gate_set)
    assert not any("int8" in check.name for check in decision.checks)
    assert "int8" not in decision.numbers


def test_the_loss_against_fp32_is_a_check_of_its_own():
    _, decision = compare(EQUAL, int8=EQUAL - 0.11, their_int8=EQUAL - 0.11)
    assert failed(decision) == ["int8 loss"]
    assert "int8 loses 0.110 dB against fp32, 0.1 is allowed" in decision.reason
    assert not failed(compare(EQUAL, int8=EQUAL - 0.09, their_int8=EQUAL - 0.09)[1])
    strict = POLICY.model_copy(update={"int8_loss_db": 0.05})
    _, decision = compare(EQUAL, int8=EQUAL - 0.09, their_int8=EQUAL - 0.09, policy=strict)
    assert failed(decision) == ["int8 loss"]


def test_int8_is_compared_with_what_the_same_people_have():
    """The incumbent's int8 file, or, where it has none, its fp32."""
    _, decision = compare(EQUAL, int8=EQUAL, their_int8=EQUAL + 0.2)
    assert failed(decision) == ["int8 psnr"]
    assert decision.reason.startswith("int8: worse than the incumbent: -0.200 dB")
    _, decision = compare(EQUAL, int8=EQUAL - 0.05)
    assert not failed(decision)
    numbers = decision.numbers["int8"]["psnr_y"]
    assert numbers["mean"] == pytest.approx(0.05)
    _, decision = compare(EQUAL, int8=EQUAL, incumbent=False)
    assert not failed(decision)
    assert failed(compare(EQUAL, int8=EQUAL - 0.3, incumbent=False)[1])[0] == "int8 psnr"


def test_who_loses_int8_is_thought_of():
    """A candidate without such a file is slower for those who had one."""
    comparison, _ = compare(EQUAL, their_int8=EQUAL - 0.05)
    slow = dataclasses.replace(comparison.incumbent.int8.serving, latency_ratio=3.0)
    fast = dataclasses.replace(comparison.incumbent.int8, serving=slow)
    rival = dataclasses.replace(comparison.incumbent, int8=fast)
    comparison = dataclasses.replace(comparison, incumbent=rival)
    decision = decide(comparison, SOUND, POLICY, NOT_ASKED, BEFORE)
    assert failed(decision) == ["int8 latency"]
    assert "fp32 instead of int8: 3.00 times the incumbent's time" in decision.reason


def test_pages_and_cards_have_its_numbers():
    _, decision = compare(EQUAL, int8=EQUAL - 0.02, their_int8=EQUAL - 0.03)
    page = markdown(decision, "title")
    assert "| Y-PSNR (dB), int8 | 30.080 | 30.070 | 29.000 |" in page
    assert "| Y-PSNR (dB), int8 | +0.010 | +0.010 | +0.010 |" in page
    gate = card_gate(DecisionRecord("m", 1, "", "version 1", "", decision), None, "")
    assert gate["int8"]["loss_db"] == pytest.approx(0.02)
    assert "| PSNR Y (dB), int8 | 30.080 | 30.070 | 29.000 | +0.010 |" in gate_section(gate)
