import numpy as np
import pytest

from kdsharp.errors import UserError
from kdsharp.export.network import FOUR, import_onnx, read_network
from kdsharp.export.text import matrix, number, pixels_of, vector
from kdsharp.runtime.catalog import SHIPPED, shipped_models
from kdsharp.runtime.engine import load_engine

FORMS = [(2, "luma", 3), (3, "luma", 6), (4, "luma", 3), (2, "rgb", 3), (3, "rgb", 8)]


def run(network, planes_CHW):
    """What shaders do, in numpy: fold, sums of matrices, unfold, add."""
    grid, planes = network.grid, network.planes
    height, width = planes_CHW.shape[1:]
    margins = network.margins()
    rows, columns = (-(-side // grid) for side in (height, width))
    y, x = (
        np.clip(np.arange(-margins[0] * grid, (cells + margins[0]) * grid), 0, side - 1)
        for cells, side in ((rows, height), (columns, width))
    )
    padded = planes_CHW[:, y[:, None], x]
    count = network.layers[0].inputs
    before = np.zeros((count * FOUR, len(y) // grid, len(x) // grid), np.float32)
    for group in range(count):
        for at, place in enumerate(pixels_of(group, planes, grid)):
            if place:
                before[FOUR * group + at] = padded[place[2], place[0] :: grid, place[1] :: grid]
    for index, layer in enumerate(network.layers):
        margin = margins[index + 1]
        high, wide = rows + 2 * margin, columns + 2 * margin
        after = []
        for group in range(layer.outputs):
            total = np.zeros((FOUR, high, wide)) + layer.start(group)[:, None, None]
            for term in layer.terms(group):
                inputs = before[FOUR * term.source : FOUR * term.source + FOUR]
                part = inputs[:, term.y : term.y + high, term.x : term.x + wide]
                total += np.einsum("oi,ihw->ohw", term.matrix, part)
            after.append(total)
        before = np.concatenate(after)
        if index < len(network.layers) - 1:
            before = np.maximum(before, 0)
    cells = before[: planes * grid**2].reshape(planes, grid, grid, rows, columns)
    detail = cells.transpose(0, 3, 1, 4, 2).reshape(planes, rows * grid, columns * grid)
    return planes_CHW + detail[:, :height, :width]


@pytest.mark.parametrize(("scale", "color", "convs"), FORMS)
def test_the_matrices_are_the_student(student_folder, scale, color, convs):
    folder = student_folder(scale, color, convs)
    network = read_network(folder)
    assert len(network.layers) == convs
    shape = (network.planes, 13, 19)
    planes_CHW = np.random.default_rng(1).random(shape, dtype=np.float32)
    expected = load_engine(folder, "onnxruntime").run(planes_CHW[None])[0]
    np.testing.assert_allclose(run(network, planes_CHW), expected, atol=1e-5)


@pytest.mark.parametrize("name", shipped_models())
def test_what_ships_can_be_read(name):
    network = read_network(SHIPPED / name)
    assert sum(layer.weight.size + layer.bias.size for layer in network.layers) == (
        network.card.parameters
    )


def test_another_model_is_refused(luma_model):
    with pytest.raises(UserError, match=r"student\.onnx: not a student's file, which is all that"):
        read_network(luma_model)


def test_a_mixture_is_refused(mixed_model):
    with pytest.raises(UserError, match="mixture of kernels"):
        read_network(mixed_model)


def test_a_file_that_is_not_onnx_is_refused(student_folder, tmp_path):
    import dataclasses

    from kdsharp.files import sha256_file
    from kdsharp.runtime.card import read_card, write_card

    (tmp_path / "student.onnx").write_bytes(b"\xff" * 100)
    card = read_card(student_folder())
    digest = sha256_file(tmp_path / "student.onnx")
    write_card(tmp_path, dataclasses.replace(card, sha256=digest, int8=None))
    with pytest.raises(UserError, match=r"student\.onnx: cannot be read as ONNX"):
        read_network(tmp_path)


def test_without_onnx_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(UserError, match=r'pip install "kdsharp\[export\]"'):
        import_onnx()


def test_numbers_are_floats_in_every_language():
    assert number(1) == "1.0"
    assert number(0.1234567891) == "0.1234568"
    assert number(1e-9) == "1e-09"
    assert vector([0, 1, -2, 0.5]) == "vec4(0.0, 1.0, -2.0, 0.5)"
    columns = np.arange(16, dtype=np.float32).reshape(4, 4)
    assert matrix(columns, "mat4x4f").startswith("mat4x4f(0.0, 4.0, 8.0, 12.0, 1.0,")
