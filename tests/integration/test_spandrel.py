"""Another's network teaches: from its file to a student in production, by `dvc repro`."""

import json

import pytest

from kdsharp.files import sha256_file
from kdsharp.runtime.card import read_card
from tests.integration.checkout import make_checkout
from tests.integration.test_promotion import FOLDER, NAME, pipeline, retrained, status
from tests.kdsharp.train.teacher.foreign import compact, write

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

pytest.importorskip("spandrel", reason="needs the extra spandrel")


def test_a_network_that_was_trained_elsewhere_teaches(tmp_path):
    project = make_checkout(tmp_path)
    path = write(project.root / "net.pth", compact().state_dict())
    digest = sha256_file(path)
    project.set(
        teacher__arch="spandrel",
        teacher__weights="net.pth",
        teacher__weights_sha256=digest[:12],
        teacher__weights_licence="CC-BY-4.0",
        # It learns from the truth as well, because this teacher knows little.
        student__teacher_weight=0.1,
        student__truth_weight=1.0,
        student__loop__epochs=4,
        student__loop__batch_size=4,
        promotion__resamples=500,
    )
    done = project.run("dvc", "repro", "teacher", code=255)
    assert "net.pth: is RealESRGAN Compact" in done.stdout + done.stderr
    assert "set it to rgb" in done.stdout + done.stderr

    said = retrained(project, "Another's network", teacher__color="rgb")
    assert "kdsharp-teacher version 1: registered" in said
    assert f"{NAME} version 1: registered" in said
    page = (project.root / "reports/report.html").read_text()
    assert "trained elsewhere: net.pth, licence CC-BY-4.0" in page
    results = json.loads((project.root / "reports/metrics.json").read_text())
    assert results["test"]["teacher"]["psnr_y"] > 20

    (version,) = status(project, "--model", "teacher")["versions"]
    assert version["origin"]["architecture"].startswith("RealESRGAN Compact")
    assert version["origin"]["weights"] == "net.pth"
    assert version["origin"]["weights_sha256"] == digest
    assert version["origin"]["weights_licence"] == "CC-BY-4.0"
    # Its weights are random: the gate measures it like any other, and refuses it.
    refused = pipeline(project, "promote", "--model", "teacher", code=1)
    assert "version 1: refused" in refused

    assert "version 1: promoted" in pipeline(project, "promote")
    taught = read_card(project.root / FOLDER).lineage["teacher"]
    assert (taught["arch"], taught["weights"]) == ("spandrel", "net.pth")
    assert (taught["weights_sha256"], taught["weights_licence"]) == (digest, "CC-BY-4.0")
    assert str(project.root) not in json.dumps(taught)
    readme = (project.root / FOLDER / "README.md").read_text()
    assert "trained elsewhere: `net.pth`" in " ".join(readme.split())
    pipeline(project, "pull", "--model", "teacher", "--alias", "candidate", "--to", "elsewhere")
    assert (project.root / "elsewhere/teacher.safetensors").is_file()
