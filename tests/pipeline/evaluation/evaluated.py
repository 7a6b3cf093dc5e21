"""A small checkout as it is before `evaluate`: photos, tiny models, curves and params."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from kdsharp.files import sha256_file
from kdsharp.runtime.card import write_card
from kdsharp.train.config import StudentConfig, TeacherConfig
from kdsharp.train.engine import torch_engine
from kdsharp.train.export.fp32 import INPUT, OUTPUT, write_onnx
from kdsharp.train.loop.weights import save_weights
from kdsharp.train.student.network import Student
from kdsharp.train.teacher.network import Teacher

ROOT = Path(__file__).parents[3]
NASTY = "b<i>&\"x'.png"
PHOTOS = [
    ("test", "a.png", (64, 48)),
    ("test", NASTY, (41, 57)),
    ("test", "sub/ä b.png", (50, 50)),
    ("val", "a.png", (64, 48)),
    ("val", "c.png", (48, 64)),
    ("train", "t.png", (48, 48)),
]


def make_checkout(root: Path, trained: bool = True) -> Path:
    """Fill `root`; models that are not `trained` are the identity."""
    shutil.copy(ROOT / "params.yaml", root / "params.yaml")
    _photos(root / "data/raw")
    _models(root / "models", trained)
    (root / "reports/curves").mkdir(parents=True)
    for seed, name in enumerate(("teacher", "student"), start=1):
        rows = {"epoch": [1, 2, 3], "loss": [0.1 / seed, 0.01, 0.005 / seed], "lr": 0.001}
        curve = pd.DataFrame({**rows, "val_psnr_y": [30.0, 31.0, 31.0 + seed / 10]})
        curve.to_csv(root / f"reports/curves/{name}.csv", index=False)
    return root


def _photos(raw: Path) -> None:
    random = np.random.default_rng(0)
    for split, name, (width, height) in PHOTOS:
        path = raw / split / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = random.integers(0, 256, (height // 3 + 1, width // 3 + 1, 3), dtype=np.uint8)
        large = np.kron(noise, np.ones((3, 3, 1), np.uint8))[:height, :width]
        Image.fromarray(large).save(path)
    rows = [(n, s, "0" * 64, *size, "sample", "CC0") for s, n, size in PHOTOS]
    columns = ["name", "split", "sha256", "width", "height", "source", "licence"]
    pd.DataFrame(rows, columns=columns).to_csv(raw / "manifest.csv", index=False)


def _models(folder: Path, trained: bool) -> None:
    torch.manual_seed(0)
    teacher, student = (
        Teacher(TeacherConfig(depth=1, width=4, num_blocks=1)),
        Student(StudentConfig()),
    )
    if trained:
        for network in (teacher, student):
            torch.nn.init.normal_(network.last.weight, std=0.003)
    notes = {"best_epoch": 2, "pretrained": False}
    for network, kind in ((teacher, "teacher"), (student, "student")):
        save_weights(
            folder / f"{kind}.safetensors", kind, network.config, network.state_dict(), notes
        )
    export = folder / "export"
    write_onnx(student, export / "student.onnx")
    card = torch_engine(student).card
    card = dataclasses.replace(
        card,
        file="student.onnx",
        sha256=sha256_file(export / "student.onnx"),
        degradation="bicubic",
        scale=2,
        input=dataclasses.replace(card.input, name=INPUT),
        output=dataclasses.replace(card.output, name=OUTPUT),
    )
    write_card(export, card)
