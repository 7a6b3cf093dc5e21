"""Which teacher a student may learn from again: that of its own degradation and scale."""

import datetime

import pytest
import torch

from kdsharp.errors import UserError
from kdsharp.train.config import TeacherConfig
from kdsharp.train.loop.weights import save_weights
from kdsharp.train.teacher.network import Teacher
from pipeline.params import load_params
from pipeline.paths import CURVES, TEACHER
from pipeline.release.promotion import pull
from pipeline.release.promotion.production import change
from pipeline.release.promotion.pull import fetch_production_teacher
from pipeline.release.promotion.teacher_age import TeacherAge, is_due, read_age
from pipeline.release.registry.bundle import collect_teacher
from pipeline.release.registry.history import open_history
from pipeline.release.registry.register import _register
from pipeline.release.registry.versions import find_version, open_registry
from tests.integration.checkout import set_params
from tests.pipeline.release.promotion.registered import LINEAGE, make_trained

NAME = "kdsharp-teacher"
X2 = {"kdsharp.degradation": "bicubic", "kdsharp.scale": "2"}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A trained teacher, and parameters whose student learns from one, as the working directory."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    make_trained(tmp_path)
    set_params(tmp_path, {"student.teacher_weight": 1.0})
    torch.manual_seed(1)
    config = TeacherConfig(depth=1, width=8, num_blocks=1)
    save_weights(TEACHER, "teacher", config, Teacher(config).state_dict())
    (CURVES / "teacher.csv").write_text("epoch,loss,lr,val_psnr_y\n1,0.1,0.001,30\n")
    return tmp_path


@pytest.fixture
def registry(checkout):
    with open_registry() as opened:
        yield opened


def register_teacher(registry, tags):
    bundle = collect_teacher({"teacher": {"cmd": "train"}})
    return _register(registry, NAME, bundle, LINEAGE, tags, lambda _: None)


def test_only_the_teacher_of_the_degradation_and_scale_is_taken(registry, checkout):
    before = TEACHER.read_bytes()
    with pytest.raises(UserError, match=f"{NAME} is not registered"):
        fetch_production_teacher()
    version = register_teacher(registry, {})
    with pytest.raises(UserError, match=f"no version of {NAME} is in production"):
        fetch_production_teacher()
    change(registry, open_history(registry, NAME), "promote", (1,), who="ann", why="good")
    with pytest.raises(UserError, match="does not say for which degradation it was trained"):
        fetch_production_teacher()
    # Registered again it says so, without becoming another version.
    assert register_teacher(registry, X2).number == version.number
    assert find_version(registry, NAME, 1).tags.items() >= X2.items()
    for key, other in (("scale", "3"), ("degradation", "noisy")):
        registry.client.set_model_version_tag(NAME, "1", f"kdsharp.{key}", other)
        found = " x".join({**X2, f"kdsharp.{key}": other}.values())
        with pytest.raises(UserError, match=f"for {found}, params.yaml asks for bicubic x2"):
            fetch_production_teacher()
        registry.client.set_model_version_tag(NAME, "1", f"kdsharp.{key}", X2[f"kdsharp.{key}"])
    set_params(checkout, {"degradation.scale": 3})
    with pytest.raises(UserError, match=f"{NAME}-x3 is not registered"):
        fetch_production_teacher()
    assert TEACHER.read_bytes() == before


def test_it_says_how_old_it_is_and_when_another_is_due(registry, checkout, monkeypatch):
    monkeypatch.setattr(pull, "_note", lambda entry: None)  # there is no DVC here
    due = lambda every: is_due(load_params(), every)  # noqa: E731
    assert due(3) == (True, f"a teacher is trained: {NAME} is not registered yet")
    version = register_teacher(registry, X2)
    assert due(3) == (True, f"a teacher is trained: no version of {NAME} is in production")
    change(registry, open_history(registry, NAME), "promote", (1,), who="ann", why="good")
    today = datetime.datetime.now(datetime.UTC)
    old = TeacherAge(version, today - datetime.timedelta(days=34.5), 1)
    assert f"{NAME} version 1 is 34 days old (registered 20" in str(old)
    assert str(old).endswith("; 1 student learned from it so far")
    said = []
    fetch_production_teacher(said.append)
    assert said[0] == f"{NAME} version 1: the student learns from it"
    assert said[1] == (
        f"{NAME} version 1 is less than a day old (registered {today:%Y-%m-%d}); no students "
        "learned from it so far"
    )
    for number, student in enumerate(("kdsharp-student", "kdsharp-student-nano-x2"), start=1):
        renew, why = due(3)
        assert not renew
        assert "one in 3 runs trains one" in why
        open_history(registry, student)
        tags = {"kdsharp.teacher_version": f"{NAME}/1"}
        registry.client.create_model_version(student, "s3://bucket/model", None, tags)
        assert read_age(registry, version).students == number
    assert due(3)[0]
    assert "a new teacher is trained: " in due(3)[1]
    assert not due(4)[0]
    set_params(checkout, {"student.teacher_weight": 0.0})
    assert "no teacher is renewed" in due(3)[1]


def test_who_learns_from_the_truth_alone_takes_none(checkout):
    set_params(checkout, {"student.teacher_weight": 0.0})
    with pytest.raises(UserError, match="learns from no teacher: leave out --distill-only"):
        fetch_production_teacher()
