"""What is said about versions without changing anything: dry runs, comparisons, the status."""

import contextlib
import json
import shutil
from pathlib import Path

import pytest

from kdsharp.errors import UserError
from pipeline.cli.terminal import judge_here, promote_here, status_here
from pipeline.paths import PRODUCTION
from pipeline.release.gate.crops import cut_gate_set
from pipeline.release.promotion.compare import compare, compared_params
from pipeline.release.promotion.dry_run import dry_run
from pipeline.release.promotion.rollback import rollback
from pipeline.release.promotion.status import read_all, read_status
from pipeline.release.registry.history import find_history
from pipeline.release.registry.versions import (
    fetch_files,
    find_content,
    last_versions,
    list_versions,
    open_registry,
    pick_versions,
)
from tests.integration.checkout import set_params
from tests.pipeline.release.gated import BICUBIC, gate_params, photo
from tests.pipeline.release.promotion.registered import (
    decide_on,
    make_trained,
    promote_it,
    refreshed,
    register_student,
    train_on,
)

NAME, SMALL = "kdsharp-student-nano-x2", "kdsharp-student"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Version 1 in production, 2 waits; beside them another model in production. No git here."""
    root = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(root):
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        photos = [photo(Path(f"gate/{seed}.png"), seed) for seed in (100, 101)]
        cut_gate_set(photos, Path("data/gate"), gate_params(), BICUBIC)
        with open_registry() as registry:
            make_trained(root, channels=32)
            promote_it(registry, register_student(registry, SMALL))
            make_trained(root)
            promote_it(registry, register_student(registry, NAME))
            make_trained(root, seed=2)
            train_on(1, 5)
            register_student(registry, NAME)
    return root


@pytest.fixture
def checkout(template, tmp_path, monkeypatch):
    root = shutil.copytree(template, tmp_path / "checkout")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(root)
    return root


def state(root):
    """All that a verdict may not touch."""
    with open_registry() as registry:
        entries = find_history(registry, NAME).entries
        tags = [version.tags for version in list_versions(registry, NAME)]
    files = {path: path.read_bytes() for path in (root / "models").rglob("*") if path.is_file()}
    runs = sorted(path.name for path in root.glob("mlruns/artifacts/**/decision.json"))
    return entries, tags, files, runs


def test_a_dry_run_says_and_does_nothing(checkout, capsys):
    (checkout / "models/production-nano-x2/card.json").unlink()  # an interrupted change stays so
    before = state(checkout)
    assert judge_here("student", None, as_json=False) == 1
    said = capsys.readouterr().out
    assert f"{NAME} version 2 would be refused: " in said
    assert "| lineage | yes |" in said
    assert "| data | **no** |" in said
    assert f"{NAME} is a model of its own: it is not compared with {SMALL} version 1" in said
    assert state(checkout) == before
    # The same words as the deed.
    assert promote_here("student", None, force=False, accept_weak=False, why="") == 1
    assert state(checkout) != before


def test_verdicts_as_json(checkout, capsys):
    assert judge_here("student", None, as_json=True) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["version"], found["previous"]) == (NAME, 2, 1)
    assert found["would"] == "be refused"
    decision = found["decision"]
    assert (decision["passed"], decision["id"]) == (False, None)
    assert isinstance(decision["numbers"]["psnr_y"]["candidate"], float)
    given = {"force": True, "accept_weak": False, "why": "to see it", "as_json": True}
    assert promote_here("student", None, **given) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["outcome"], found["reason"]) == ("promoted", "to see it")
    assert len(found["decision"]["id"]) == 12
    assert judge_here("student", 2, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["would"] == "change nothing"


def test_what_was_refused_is_told_with_its_scores(checkout, capsys):
    with open_registry() as registry:
        (version,) = (v for v in list_versions(registry, NAME) if v.number == 2)
        decision, recorded = decide_on(registry, version, gain_db=-0.5)
        tags = refreshed(registry, version).tags
    status_here("student", every=False, as_json=False)
    said = capsys.readouterr().out
    assert f"Candidate       version 2: refused by decision {recorded.id}" in said
    assert "gate set: Y-PSNR 29.500 dB (input 30.000)" in said
    assert "val: Y-PSNR student_onnx 32.13 (+2.13) dB" in said
    assert decision.reason.split(":")[0] in " ".join(said.split())
    assert f"Other models    {SMALL} (version 1 in production)" in said
    assert f"python -m pipeline judge --model {NAME}" in said
    # The same, typed and nested.
    found = read_status().to_dict()
    json.dumps(found, allow_nan=False)
    first, second = found["versions"]
    assert (first["alias"], second["alias"]) == ("production", "candidate")
    assert (first["dirty"], first["scale"], first["degradation"]) == (False, 2, "bicubic")
    assert isinstance(first["parameters"], int)
    assert first["metrics"]["val"]["student_onnx"]["psnr_y"] == 32.13
    assert (first["gate"]["passed"], second["gate"]["passed"]) == (True, False)
    assert second["gate"]["numbers"]["psnr_y"]["candidate"] == pytest.approx(29.5)
    assert second["gate"]["decision"] == tags["kdsharp.decision"]
    assert second["teacher"] is None
    assert found["others"] == [{"name": SMALL, "production": 1, "candidate": 1}]


def test_all_models(checkout, capsys):
    assert [status.name for status in read_all()] == [SMALL, NAME]
    status_here("student", every=True, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["production"]) for one in found] == [(SMALL, 1), (NAME, 1)]
    assert [one["folder"] for one in found] == ["models/production", "models/production-nano-x2"]
    status_here("student", every=True, as_json=False)
    said = capsys.readouterr().out
    assert any(
        line.startswith(f"{NAME}  1") and "2, not judged" in line for line in said.split("\n")
    )


def test_an_emergency_does_not_follow_params_yaml(checkout):
    """An experiment, a preset or a broken file: it is about what was promoted here."""
    with open_registry() as registry:
        (version,) = (v for v in list_versions(registry, NAME) if v.number == 2)
        promote_it(registry, version)
    set_params(checkout, {"student.channels": 8, "degradation.scale": 3})
    said = []
    done = rollback(log=said.append)
    assert (done.name, done.version) == (NAME, 1)
    assert said == [f"{NAME}: the student that was promoted here last"]
    (checkout / "params.yaml").write_text("nonsense: [")
    assert read_status().name == NAME
    with pytest.raises(UserError, match=f"{NAME}: there is no way back"):
        rollback(log=said.append)
    assert PRODUCTION.exists()


def test_two_versions_beside_each_other(checkout):
    lines = list(compare("student", "production", "2"))
    text = "\n".join(lines)
    assert f"{NAME} version 1" in text
    assert f"{NAME} version 2" in text
    assert "val student_onnx" in text
    assert "On the gate set of 8 crops of 2 photos" in text
    assert "Y-PSNR (dB)" in text
    assert "B minus A: +0.000 dB" in text  # untrained: both are the identity
    assert "  1 -> 2" in lines
    assert "  added 1: train/5.png" in lines
    assert not any(line.startswith("  gone") for line in lines)
    (picture,) = Path("reports/promotion").glob("compare-*.png")
    assert str(picture) in text


def test_across_models_and_what_is_none(checkout):
    lines = list(compare("student", f"{SMALL}/1", "production"))
    assert any("nothing" not in line and SMALL in line for line in lines)
    with pytest.raises(UserError, match=f"{NAME} has no version 7"):
        list(compare("student", "1", "7"))
    with pytest.raises(UserError, match="no model 'x'"):
        list(compare("student", "x/1", "1"))


def test_parameters_that_differ():
    one = {"student.channels": 32, "student.loop.lr": 0.1, "a": 1}
    other = {"student.channels": 16, "student.loop.lr": 0.1, "b": None}
    assert compared_params(one, other) == [
        "  student.channels: 32 -> 16",
        "  a: 1 -> not recorded",
    ]


def test_a_set_of_other_photos_judges_nobody(checkout):
    """data.source was changed, and the gate was not cut since."""
    photos = [photo(Path("gate/100.png"), 100)]
    of_before = "the test photos of the folder before"
    cut_gate_set(photos, Path("data/gate"), gate_params(), BICUBIC, of_before)
    with pytest.raises(UserError, match=f"was cut from {of_before}, but params.yaml has the test"):
        judge_here("student", None, as_json=False)
    set_params(checkout, {"data.source": "folder", "data.folder.path": "before"})
    said = []
    found = dry_run(log=said.append)
    assert any(line.endswith(f"on 8 crops of {of_before} ...") for line in said)
    assert f"Measured on 8 crops (photos: 1) from {of_before}, bicubic x2" in found.report
    assert found.decision.numbers["gate"]["source"] == of_before
    assert f"1 photo from {of_before}" in found.reason


def test_of_many_versions_the_last_are_read_and_those_in_use(checkout):
    with open_registry() as registry:
        for seed in (3, 4, 5):
            make_trained(checkout, seed=seed)
            made = register_student(registry, NAME)
        registry.client.delete_model_version(NAME, "4")
        whole, few = read_status(NAME), read_status(NAME, last=1)
        assert [version.number for version in whole.versions] == [1, 2, 3, 5]
        assert [version.number for version in few.versions] == [1, 5]
        assert (few.here, few.production, few.in_place) == (1, 1, True)
        assert [v.number for v in last_versions(registry, NAME, 2)] == [3, 5]
        assert list(pick_versions(registry, NAME, (None, 4, 5, 9))) == [5]
        assert find_content(registry, NAME, made.tags["kdsharp.content"]) == made
        assert find_content(registry, NAME, "0" * 64) is None
        # An old version lies here, which is not among the last.
        shutil.rmtree(PRODUCTION.with_name("production-nano-x2"))
        PRODUCTION.with_name("production-nano-x2").mkdir()
        fetch_files(registry, whole.versions[2], PRODUCTION.with_name("production-nano-x2"))
    assert read_status(NAME, last=1).here == 3
