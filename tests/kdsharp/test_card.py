import dataclasses
import json
from pathlib import Path

import pytest

from kdsharp.card import CARD, Card, Tensor, read_card, write_card
from kdsharp.errors import UserError
from tests.models import make_card

DOCS = Path(__file__).parents[2] / "docs" / "model-format.md"


@pytest.fixture
def folder(tmp_path):
    """A model folder whose file is no model: the card does not look inside."""
    (tmp_path / "student.onnx").write_bytes(b"weights")
    write_card(tmp_path, make_card(tmp_path / "student.onnx"))
    return tmp_path


def change(folder, **values):
    card = json.loads((folder / CARD).read_text())
    for name, value in values.items():
        *outer, key = name.split("__")
        place = card[outer[0]] if outer else card
        place[key] = value
    (folder / CARD).write_text(json.dumps(card))


def test_a_card_comes_back_as_it_was_written(folder):
    card = dataclasses.replace(
        make_card(folder / "student.onnx", "rgb"), lineage={"git": "abc"}, metrics={"psnr": 1.5}
    )
    write_card(folder, card)
    first = (folder / CARD).read_bytes()
    assert read_card(folder) == card
    write_card(folder, read_card(folder))
    assert (folder / CARD).read_bytes() == first


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": 2}, "format 2 was made by a newer kdsharp"),
        ({"format": True}, "format must be a whole number from 1, not True"),
        ({"format": "1"}, "format must be a whole number from 1, not '1'"),
        ({"name": ""}, "name must be a text, not ''"),
        ({"file": "../student.onnx"}, "file must be a plain file name"),
        ({"file": "/etc/passwd"}, "file must be a plain file name"),
        ({"file": "a\\b"}, "file must be a plain file name"),
        ({"file": ".."}, "file must be a plain file name"),
        ({"file": "other.onnx"}, "other.onnx: the model file that the card names is missing"),
        ({"sha256": "0" * 64}, "student.onnx: is damaged or not the model of this card"),
        ({"sha256": "0" * 63}, "sha256 must be 64 hexadecimal digits"),
        ({"sha256": None}, "sha256 must be 64 hexadecimal digits"),
        ({"scale": 0}, "scale must be a whole number from 1, not 0"),
        ({"scale": 2.0}, "scale must be a whole number from 1, not 2.0"),
        ({"color": "yuv"}, "color must be luma or rgb, not 'yuv'"),
        ({"color": ["luma"]}, "color must be luma or rgb"),
        ({"matrix": None}, "matrix must be bt601-full, not None"),
        ({"color": "rgb"}, "matrix must be null, not 'bt601-full'"),
        ({"input": 3}, "input must be an object, not 3"),
        ({"input__channels": 3}, "input.channels must be 1, not 3"),
        ({"input__channels": True}, "input.channels must be 1, not True"),
        ({"output__layout": "NHWC"}, "output.layout must be NCHW, not 'NHWC'"),
        ({"output__dtype": "uint8"}, "output.dtype must be float32"),
        ({"input__range": [0, 255]}, r"input.range must be [0, 1], not [0, 255]"),
        ({"input__unit": 1}, "input.unit is an unknown key"),
        ({"receptive_radius": -1}, "receptive_radius must be a whole number from 0"),
        ({"grid": 0}, "grid must be a whole number from 1"),
        ({"macs_per_pixel": "many"}, "macs_per_pixel must be a number from 0"),
        ({"lineage": []}, "lineage must be an object"),
        ({"extra": 1}, "extra is an unknown key"),
    ],
)
def test_wrong_values_are_named(folder, values, message):
    change(folder, **values)
    with pytest.raises(UserError) as caught:
        read_card(folder)
    assert message in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("key", [field.name for field in dataclasses.fields(Card)])
def test_every_key_must_be_there(folder, key):
    card = json.loads((folder / CARD).read_text())
    del card[key]
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(UserError, match=f"{key} is missing"):
        read_card(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": NaN}', "\xff", "[" * 100_000])
def test_what_is_no_card_is_one_line(folder, text):
    (folder / CARD).write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=r"card\.json: ") as caught:
        read_card(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(UserError, match="gone: no such model folder"):
        read_card(tmp_path / "gone")
    with pytest.raises(UserError, match=r"is no model folder: it has no card\.json"):
        read_card(tmp_path)


def test_a_changed_model_file_is_found(folder):
    (folder / "student.onnx").write_bytes(b"Weights")
    with pytest.raises(UserError, match="SHA-256 differs"):
        read_card(folder)


@pytest.mark.parametrize("kind", [Card, Tensor])
def test_every_key_is_documented(kind):
    text = DOCS.read_text(encoding="utf-8")
    for field in dataclasses.fields(kind):
        assert f"\n| `{field.name}` | " in text
