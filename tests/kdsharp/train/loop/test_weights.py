import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from kdsharp.errors import UserError
from kdsharp.train.config import StudentConfig
from kdsharp.train.loop.weights import read_about, save_weights
from kdsharp.train.student.network import Student, load_student
from kdsharp.train.teacher.network import load_teacher
from tests.kdsharp.train.networks import TINY, student


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "student.safetensors"
    made = student(trained=True)
    save_weights(path, "student", TINY, made.state_dict(), {"best_epoch": 3})
    return path, made


def test_what_was_saved_is_loaded(saved):
    path, made = saved
    loaded = load_student(path)
    x = torch.rand(1, 1, 9, 9)
    assert torch.equal(loaded(x), made(x))
    assert loaded.config == TINY
    assert not loaded.training
    about = read_about(path)
    assert about["best_epoch"] == 3
    assert about["channels"] == TINY.channels


def test_the_same_contents_are_the_same_bytes_in_another_process(saved, tmp_path):
    path, _ = saved
    other = tmp_path / "other.safetensors"
    code = (
        "import sys; from kdsharp.train.student.network import load_student;"
        "from kdsharp.train.loop.weights import save_weights;"
        "s = load_student(sys.argv[1]);"
        "save_weights(sys.argv[2], 'student', s.config, s.state_dict(), {'best_epoch': 3})"
    )
    subprocess.run([sys.executable, "-c", code, path, other], check=True)
    assert other.read_bytes() == path.read_bytes()


def test_a_student_is_no_teacher(saved):
    with pytest.raises(UserError, match="holds a student, not a teacher"):
        load_teacher(saved[0])


def test_a_missing_file_says_what_makes_it(tmp_path):
    with pytest.raises(UserError, match="does not exist: run dvc repro"):
        load_student(tmp_path / "none.safetensors")


@pytest.mark.parametrize("length", [0, 5, 100, 400])
def test_a_truncated_file_is_refused(saved, length):
    path, _ = saved
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match="is not a safetensors file"):
        load_student(path)


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="was not written by kdsharp"):
        load_student(path)


@pytest.mark.parametrize("change", [{"channels": 8}, {"colour": "luma"}, {"kernels": [5, 3, 3]}])
def test_weights_of_another_architecture_are_refused(tmp_path, change):
    path = tmp_path / "other.safetensors"
    config = {"channels": 4, "kernels": [3, 3, 3]} | change
    described = {"kind": "student", "config": config, "notes": {}}
    weights = student().state_dict()
    save_file(weights, path, {"kdsharp": json.dumps(described)})
    with pytest.raises(UserError, match="is not a student of this version"):
        load_student(path)


def test_the_loop_survives_a_round_trip(tmp_path):
    config = StudentConfig()
    path = tmp_path / "full.safetensors"
    save_weights(path, "student", config, Student(config).state_dict())
    assert load_student(path).config == config
