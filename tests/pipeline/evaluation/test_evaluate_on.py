"""`python -m pipeline evaluate --on`: the last run's models on photos of the user's choice."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from kdsharp.errors import UserError
from kdsharp.files import sha256_file
from pipeline.evaluation.evaluate_on import FILES, evaluate_on
from pipeline.tracking.lineage import Lineage
from pipeline.tracking.runs import start
from pipeline.tracking.store import open_store
from tests.pipeline.evaluation.evaluated import make_checkout

LINEAGE = Lineage("a" * 40, False, "d" * 32, "p" * 64, "r" * 12)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(make_checkout(tmp_path))
    random = np.random.default_rng(5)
    for name in ("Set5/a.png", "Set5/b.png", "mine/c.png"):
        path = tmp_path / "sets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((48, 48), Image.Resampling.BICUBIC).save(path)
    return tmp_path


def test_the_gains_are_printed_written_and_added_to_the_student_s_run(checkout, capsys):
    student = sha256_file(checkout / "models/student.safetensors")
    with start("student", LINEAGE, tags={"kdsharp.sha256": student}) as run:
        run.metrics({"loss": 1.0})
    evaluate_on([checkout / "sets"])
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines()[:-2])) <= 80
    for words in (
        "Y-PSNR",
        "SSIM",
        "seen",
        "Set5",
        "2 of 5",
        "mine",
        "all held-out",
        "The student",
    ):
        assert words in said
    found = json.loads(FILES[0].read_text())
    assert found["photos"] == {"test": 3, "held_out/Set5": 2, "held_out/mine": 1, "held_out": 3}
    assert found["student_sha256"] == student
    rows = pd.read_csv(FILES[1])
    assert list(rows["set"].unique()) == ["seen", "Set5", "mine", "all held-out"]
    with Image.open(FILES[2]) as picture:
        assert picture.format == "PNG"
    client, _ = open_store()
    stored = client.get_run(run.run_id)
    assert stored.info.status == "FINISHED"
    assert stored.data.metrics["loss"] == 1.0
    expected = found["results"]["held_out/Set5"]["student"]["psnr_y"]
    assert stored.data.metrics["held_out/Set5/psnr_y/student"] == expected
    kept = {item.path for item in client.list_artifacts(run.run_id, "generalisation")}
    assert kept == {f"generalisation/{path.name}" for path in FILES}


def test_a_mistake_writes_nothing(checkout):
    for folder in ("nowhere", "data/raw/train"):
        with pytest.raises(UserError, match=folder):
            evaluate_on([checkout / folder])
    assert not any(path.exists() for path in FILES)
