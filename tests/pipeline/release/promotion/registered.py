"""A tiny student, trained in name only, in a real registry: judged and promoted as a test asks."""

import json
import shutil
from pathlib import Path

import numpy as np
import torch

from kdsharp.files import sha256_file, write_json
from kdsharp.runtime.card import FORMAT, Card, Tensor, write_card
from kdsharp.train.config import StudentConfig
from kdsharp.train.export.fp32 import INPUT, OUTPUT, write_onnx
from kdsharp.train.loop.weights import read_about, save_weights
from kdsharp.train.student.network import Student
from pipeline.evaluation.report.model_card import write_model_card
from pipeline.paths import CURVES, EXPORT, MANIFEST, METRICS, RAW, STUDENT
from pipeline.release.promotion.decision_record import note_outcome, record_decision
from pipeline.release.promotion.production import change
from pipeline.release.registry.bundle import collect_student
from pipeline.release.registry.history import open_history
from pipeline.release.registry.register import _register
from pipeline.release.registry.versions import find_version
from pipeline.tracking.lineage import Lineage
from tests.integration.checkout import set_params
from tests.pipeline.release.gated import compare, photo

REPOSITORY = Path(__file__).parents[4]
LINEAGE = Lineage("c" * 40, False, "d" * 32, "e" * 64, "f" * 12)
ROW = {"ssim_y": 0.9, "psnr_rgb": 28.0, "ssim_rgb": 0.9}
VAL = {"input": {"psnr_y": 30.0, **ROW}, "student_onnx": {"psnr_y": 32.13, **ROW}}
PHOTOS = [{"split": "train", "source": "folder", "licence": "CC0"}]


def make_trained(root: Path, channels: int = 16, scale: int = 2, seed: int = 1) -> None:
    """Write what a run leaves into `root`, the working directory: a student that learned alone."""
    shutil.copy(REPOSITORY / "params.yaml", root)
    set_params(root, {"student.channels": channels, "degradation.scale": scale})
    set_params(root, {"student.teacher_weight": 0.0, "student.truth_weight": 1.0})
    set_params(root, {"student.loop.crop": 0, "teacher.loop.crop": 0})  # for any scale
    torch.manual_seed(seed)
    config = StudentConfig(channels=channels, teacher_weight=0.0, truth_weight=1.0)
    student = Student(config).eval()
    shutil.rmtree(EXPORT, ignore_errors=True)
    EXPORT.mkdir(parents=True)
    save_weights(STUDENT, "student", config, student.state_dict(), {"seed": seed})
    write_onnx(student, EXPORT / "student.onnx")
    card = Card(
        format=FORMAT,
        name="tiny",
        file="student.onnx",
        sha256=sha256_file(EXPORT / "student.onnx"),
        degradation="bicubic",
        scale=scale,
        color="luma",
        matrix="bt601-full",
        input=Tensor(INPUT, 1),
        output=Tensor(OUTPUT, 1),
        receptive_radius=student.receptive_radius,
        grid=config.unshuffle_factor,
        parameters=student.parameter_count,
        macs_per_pixel=student.macs_per_pixel,
        lineage={"student": {"sha256": sha256_file(STUDENT), **read_about(STUDENT)}},
        metrics={"val": VAL},
    )
    write_card(EXPORT, card)
    write_model_card(EXPORT, card, PHOTOS)
    CURVES.mkdir(parents=True, exist_ok=True)
    (CURVES / "student.csv").write_text("epoch,loss,lr,val_psnr_y\n1,0.1,0.001,30\n")
    write_json(METRICS, {"val": VAL, "test": VAL})
    train_on(seed)


def train_on(*seeds: int, gate: int = 0) -> None:
    """Let data/raw hold made-up photos of these seeds, and one test photo of the seed `gate`."""
    shutil.rmtree(RAW, ignore_errors=True)
    placed = [("train", seed) for seed in seeds] + [("test", gate)]
    photos = [(split, photo(RAW / split / f"{seed}.png", seed)) for split, seed in placed]
    lines = [f"{made.name},{split},{made.sha256}\n" for split, made in photos]
    MANIFEST.write_text("name,split,sha256\n" + "".join(lines))


def register_student(registry, name, made_for=("bicubic", 2)):
    """The version that `register` makes of it."""
    bundle = collect_student({"student": {"cmd": "train"}}, taught=False)
    tags = {"kdsharp.degradation": made_for[0], "kdsharp.scale": str(made_for[1])}
    return _register(registry, name, bundle, LINEAGE, tags, lambda _: None)


def decide_on(registry, version, gain_db=0.5):
    """Store a decision about it: passed where it gains; the same scores each time."""
    comparison, decision = compare(np.full(120, gain_db), incumbent=False)
    return decision, record_decision(registry, version, None, comparison, decision)


def promote_it(registry, version, gain_db=0.5, why="good"):
    """Judge `version` and put it into production, by force if it does not pass."""
    decision, recorded = decide_on(registry, version, gain_db)
    history = open_history(registry, version.name)
    stack = (*history.last.stack, version.number)
    forced = not decision.passed
    said = {"who": "ann", "why": why, "forced": forced, "decision": recorded.id}
    change(registry, history, "promote", stack, **said)
    note_outcome(registry, version, f"promoted by ann: {why}")
    return recorded


def refreshed(registry, version):
    return find_version(registry, version.name, version.number)


def decision_file(root: Path) -> Path:
    """The only record of a decision in the store below `root`."""
    (found,) = root.glob("mlruns/artifacts/**/decision.json")
    assert json.loads(found.read_text())["decision"]
    return found
