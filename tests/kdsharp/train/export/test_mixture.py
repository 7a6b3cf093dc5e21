import importlib.util

import numpy as np
import onnxruntime
import pytest
import torch

from kdsharp.runtime.engine import ENGINES, load_engine
from kdsharp.runtime.windows import looked_at
from kdsharp.train.export.fp32 import check_parity
from kdsharp.train.export.mixture import write_kernels, write_mixer
from kdsharp.train.student.network import names_of
from tests.mixed import make_mixed_model, make_student

INSTALLED = [name for name in ENGINES if importlib.util.find_spec(name)]


@pytest.mark.parametrize("name", INSTALLED)
def test_the_exported_model_is_the_trained_student(tmp_path, name):
    student = make_student()
    folder = make_mixed_model(tmp_path / "model", student)
    assert check_parity(student, load_engine(folder, name).run, 1e-5) < 1e-5


def test_the_mixer_gives_the_shares_of_training(tmp_path):
    student, path = make_student(), tmp_path / "mixer.onnx"
    write_mixer(student.mixer, path)
    windows = looked_at(np.random.default_rng(0).random((150, 120), dtype=np.float32))
    (shares,) = onnxruntime.InferenceSession(path).run(None, {"windows": windows})
    expected = student.mixer(torch.from_numpy(windows)).detach().numpy()
    np.testing.assert_allclose(shares, expected, atol=1e-6)
    assert shares.sum() == pytest.approx(1)


def test_the_kernels_are_summed_as_in_training(tmp_path):
    student, path = make_student(), tmp_path / "kernels.onnx"
    write_kernels(student, path)
    shares = np.float32([0.2, 0.5, 0.3])
    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    made = dict(zip(names, session.run(names, {"shares": shares}), strict=True))
    plain = student.folded(torch.from_numpy(shares)).state_dict()
    for index, name in enumerate(names_of(3)):
        for short, long in (("w", "weight"), ("b", "bias")):
            expected = plain[f"{name}.{long}"].numpy()
            np.testing.assert_allclose(made[f"{short}{index}"], expected, atol=1e-6)


def test_the_same_student_gives_the_same_bytes(tmp_path):
    one, other = (make_mixed_model(tmp_path / name, make_student()) for name in "ab")
    for path in one.iterdir():
        assert path.read_bytes() == (other / path.name).read_bytes()
