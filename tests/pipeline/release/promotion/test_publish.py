"""What may ship, on a real registry: the version that came into production through the gate."""

import contextlib
import json
import shutil
from pathlib import Path

import pytest

from kdsharp.errors import UserError
from kdsharp.runtime.card import read_card
from pipeline.paths import EXPORT, STUDENT
from pipeline.release.promotion import publish as module
from pipeline.release.promotion.decision_record import note_outcome
from pipeline.release.promotion.passed import gate_section
from pipeline.release.promotion.publish import publish
from pipeline.release.promotion.rollback import rollback
from pipeline.release.registry.versions import find_version, open_registry
from tests.pipeline.release.promotion.registered import (
    LINEAGE,
    VAL,
    decide_on,
    decision_file,
    make_trained,
    promote_it,
    register_student,
)

NAME = "kdsharp-student-nano-x2"
WEIGHTS = Path("weights")


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A store with one version of nano-x2, not judged."""
    root = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(root):
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        make_trained(root)
        with open_registry() as registry:
            register_student(registry, NAME)
    return root


@pytest.fixture
def checkout(template, tmp_path, monkeypatch):
    """A copy of it as the working directory."""
    root = shutil.copytree(template, tmp_path / "checkout")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def registry(checkout):
    with open_registry() as opened:
        yield opened


@pytest.fixture
def version(registry):
    return find_version(registry, NAME, 1)


def refused(words, **chosen):
    with pytest.raises(UserError, match=words) as caught:
        publish(to=WEIGHTS, log=lambda _: None, **chosen)
    assert "\n" not in str(caught.value)
    assert not WEIGHTS.exists()


def test_what_is_in_production_ships_with_its_decision(registry, version):
    recorded, said = promote_it(registry, version), []
    (WEIGHTS / "nano-x2").mkdir(parents=True)
    (WEIGHTS / "nano-x2" / "old").touch()
    shutil.rmtree(EXPORT)  # the registry's files ship, not those of the checkout
    folder = publish(to=WEIGHTS, log=said.append)
    assert folder == WEIGHTS / "nano-x2"
    assert [path.name for path in WEIGHTS.iterdir()] == ["nano-x2"]
    names = {path.name for path in folder.iterdir()}
    assert names == {"README.md", "card.json", "student.onnx"}
    gate = read_card(folder).gate
    assert (gate["judged"], gate["decision"]) == (True, recorded.id)
    assert (gate["verdict"], gate["forced"]) == ("passed", None)
    assert (gate["model"], gate["version"]) == (NAME, 1)
    assert (gate["against"], gate["commit"]) == ("doing nothing", LINEAGE.git_commit)
    assert gate["gate_set"]["sha256"] == "f" * 64
    assert (gate["gate_set"]["degradation"], gate["gate_set"]["scale"]) == ("bicubic", 2)
    assert gate["psnr_y"]["candidate"] - gate["psnr_y"]["input"] == pytest.approx(0.5)
    assert gate["psnr_y"]["verdict"] == "better"
    assert gate_section(gate) in (folder / "README.md").read_text()
    first, *rest = said
    assert first == (
        f"weights/nano-x2: {NAME} version 1, which passed the gate by decision {recorded.id}"
    )
    assert rest[-1].strip() == "val student_onnx: PSNR Y 32.13 dB (+2.13)"


def test_published_again_it_is_the_same(registry, version):
    promote_it(registry, version)
    folder = publish(to=WEIGHTS, log=lambda _: None)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert publish(NAME, 1, to=WEIGHTS, log=lambda _: None) == folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_nothing_is_in_production(checkout):
    refused(f"no version of {NAME} is in production: python -m pipeline promote")


def test_a_teacher_does_not_ship(checkout):
    refused("kdsharp-teacher: teachers do not ship", model="teacher")


def test_never_judged(registry):
    refused("version 1 was never judged: python -m pipeline promote", number=1)


def test_refused_by_the_gate(registry, version):
    decide_on(registry, version, gain_db=-0.5)
    refused("version 1 was refused by the gate: worse than doing nothing", number=1, forced=True)


def test_rejected_by_a_person(registry, version):
    decide_on(registry, version)
    note_outcome(registry, version, "rejected by ann: halos")
    refused(r"passed the gate, but was not promoted \(rejected by ann: halos\)", number=1)


def test_taken_back(registry, version, checkout):
    promote_it(registry, version)
    make_trained(checkout, seed=2)
    promote_it(registry, register_student(registry, NAME))
    assert publish(number=1, to=WEIGHTS, log=lambda _: None) == WEIGHTS / "nano-x2"
    shutil.rmtree(WEIGHTS)
    rollback(why="halos on faces", who="bob", log=lambda _: None)
    refused("version 2 was taken back from production by bob: halos on faces", number=2)
    publish(to=WEIGHTS, log=lambda _: None)
    assert read_card(WEIGHTS / "nano-x2").gate["version"] == 1


def test_forced_only_when_asked_and_the_card_says_so(registry, version):
    promote_it(registry, version, gain_db=-0.5, why="a test of halos")
    refused(r"refused by the gate and promoted by force \(a test of halos\): --forced")
    folder = publish(forced=True, to=WEIGHTS, log=lambda _: None)
    gate = read_card(folder).gate
    assert (gate["verdict"], gate["forced"]) == ("refused", "a test of halos")
    assert "**forced** into production nevertheless: a test of halos" in (
        folder / "README.md"
    ).read_text().replace("\n", " ")


def test_judged_again_and_refused(registry, version):
    promote_it(registry, version)
    decide_on(registry, version, gain_db=-0.5)
    refused(r"judged again after its promotion, and not promoted by it \(refused: worse")


def test_judged_before_decisions_had_an_id(registry, version, monkeypatch):
    promote_it(registry, version)
    run_id = registry.client.get_registered_model(NAME).tags["kdsharp.history"]
    (text,) = [t for k, t in registry.client.get_run(run_id).data.params.items() if k.isdigit()]
    old = {key: value for key, value in json.loads(text).items() if key != "decision"}
    old["token"] = "other"
    registry.client.log_param(run_id, "0002", json.dumps(old))
    refused("was judged before decisions had an id")


def test_a_record_that_was_changed(registry, version, checkout):
    promote_it(registry, version)
    path = decision_file(checkout)
    path.write_text(path.read_text().replace('"weak": false', '"weak": true '))
    refused("decision [0-9a-f]{12} was changed in the store")
    path.unlink()
    refused("decision [0-9a-f]{12} cannot be read in the store")


@pytest.mark.parametrize("name", ["student.onnx", "student.safetensors", "card.json", "README.md"])
def test_files_that_changed_since(registry, version, checkout, name):
    promote_it(registry, version)
    (stored,) = checkout.glob(f"mlruns/artifacts/**/files/{name}")
    stored.write_bytes(stored.read_bytes() + b" ")
    refused(f"{name} is damaged in the store")


def test_files_that_are_not_those_that_were_judged(registry, version):
    promote_it(registry, version)
    files = {**version.files, STUDENT.name: "0" * 64}
    registry.client.set_model_version_tag(NAME, "1", "kdsharp.files", json.dumps(files))
    refused("its files are not those that were judged")


def test_too_large(registry, version, monkeypatch):
    promote_it(registry, version)
    monkeypatch.setattr(module, "LARGEST", 5_000)
    refused(r"student\.onnx: has [0-9,]+ bytes; what ships may have at most 5,000")


@pytest.mark.parametrize(
    ("channels", "scale", "name", "words"),
    [
        (24, 2, "kdsharp-student-c24-x2", "c24-x2 is not a size that ships"),
        (16, 2, "kdsharp-student-nano-x3", "version 1 holds a different student, .*-nano-x2"),
        (16, 3, "kdsharp-student-c16-x3", "made for bicubic x3, but was judged on bicubic x2"),
    ],
)
def test_another_model_than_its_name_and_decision_say(
    checkout, registry, channels, scale, name, words
):
    make_trained(checkout, channels, scale)
    promote_it(registry, register_student(registry, name))
    refused(words, model=name)


def test_the_numbers_of_the_card_are_those_of_the_export(registry, version):
    promote_it(registry, version)
    card = read_card(publish(to=WEIGHTS, log=lambda _: None))
    assert card.metrics == {"val": VAL}
    assert card.lineage == read_card(EXPORT).lineage


def test_card_and_page_say_how_long_it_was_trained_and_on_what(registry, version):
    promote_it(registry, version)
    publish(to=WEIGHTS, log=lambda _: None)
    assert "training" not in read_card(WEIGHTS / "nano-x2").lineage
    client = registry.client
    client.log_metric(version.run_id, "train_s", 5400.0)
    for key, value in {"cpu": "A CPU", "threads": "2", "precision": "bf16"}.items():
        client.set_tag(version.run_id, f"kdsharp.{key}", value)
    publish(to=WEIGHTS, log=lambda _: None)
    assert read_card(WEIGHTS / "nano-x2").lineage["training"] == {
        "student": {"hours": 1.5, "cpu": "A CPU", "threads": 2, "precision": "bf16"}
    }
    page = (WEIGHTS / "nano-x2" / "README.md").read_text(encoding="utf-8")
    assert "- **Time**: student 1.5 hours on A CPU, 2 threads, in bf16.\n" in page
    before, _, after = page.partition("- **Time**")
    assert before.rindex("- **Training**") > before.rindex("- **Photos**")
    assert "\n- **Measured**" in after
