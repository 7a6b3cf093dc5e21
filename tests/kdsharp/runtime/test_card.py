import dataclasses
import json
from pathlib import Path

import pytest

from kdsharp.errors import UserError
from kdsharp.files import sha256_file
from kdsharp.runtime.card import (
    CARD,
    FORMAT,
    Card,
    Code,
    File,
    Int8,
    Mixture,
    Tensor,
    Upscaler,
    read_card,
    write_card,
)
from tests.models import make_card, make_int8

DOCS = Path(__file__).parents[3] / "docs" / "model-format.md"


@pytest.fixture
def folder(tmp_path):
    """A model folder whose file is no model: the card does not look inside."""
    (tmp_path / "student.onnx").write_bytes(b"weights")
    write_card(tmp_path, make_card(tmp_path / "student.onnx"))
    return tmp_path


@pytest.fixture
def both(folder):
    """The same with a second file, in int8, and one that enlarges."""
    (folder / "student_int8.onnx").write_bytes(b"whole numbers")
    (folder / "upscaler.onnx").write_bytes(b"both steps")
    int8, card = make_int8(folder / "student_int8.onnx"), make_card(folder / "student.onnx")
    file = sha256_file(folder / "upscaler.onnx")
    upscaler = Upscaler("upscaler.onnx", file, card.input, card.output, 5)
    write_card(folder, dataclasses.replace(card, int8=int8, upscaler=upscaler))
    return folder


@pytest.fixture
def book(folder):
    """The same with a mixture of two sets, and a code book of two files."""
    for name in ("mixer", "kernels", "student_int8", "student_int8_1"):
        (folder / f"{name}.onnx").write_bytes(name.encode())
    mixer, kernels, first, second = (
        File(f"{name}.onnx", sha256_file(folder / f"{name}.onnx"))
        for name in ("mixer", "kernels", "student_int8", "student_int8_1")
    )
    codes = (
        Code(first.file, first.sha256, (0.25, 0.75)),
        Code(second.file, second.sha256, (1.0, 0.0)),
    )
    write_card(
        folder,
        dataclasses.replace(
            make_card(folder / "student.onnx"),
            int8=make_int8(folder / first.file),
            mixture=Mixture(2, mixer, kernels, codes),
        ),
    )
    return folder


def change(folder, **values):
    card = json.loads((folder / CARD).read_text())
    for name, value in values.items():
        *outer, key = (int(part) if part.isdigit() else part for part in name.split("__"))
        place = card
        for part in outer:
            place = place[part]
        if value is ...:
            del place[key]
        else:
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
        ({"format": 7}, "format 7 was made by a newer kdsharp"),
        ({"format": 4}, "mixture is an unknown key"),
        ({"format": 3}, "upscaler is an unknown key"),
        ({"format": 2}, "gate is an unknown key"),
        ({"format": 1}, "int8 is an unknown key"),
        ({"format": True}, "format must be a whole number >= 1, not True"),
        ({"format": "1"}, "format must be a whole number >= 1, not '1'"),
        ({"name": ""}, "name must be a non-empty text, not ''"),
        ({"file": "../student.onnx"}, "file must be a plain file name"),
        ({"file": "/etc/passwd"}, "file must be a plain file name"),
        ({"file": "a\\b"}, "file must be a plain file name"),
        ({"file": ".."}, "file must be a plain file name"),
        ({"file": "other.onnx"}, "other.onnx: the model file that the card names is missing"),
        ({"sha256": "0" * 64}, "student.onnx: is damaged, or not this card's model"),
        ({"sha256": "0" * 63}, "sha256 must be 64 hexadecimal digits"),
        ({"sha256": None}, "sha256 must be 64 hexadecimal digits"),
        ({"scale": 0}, "scale must be a whole number >= 1, not 0"),
        ({"scale": 2.0}, "scale must be a whole number >= 1, not 2.0"),
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
        ({"receptive_radius": -1}, "receptive_radius must be a whole number >= 0"),
        ({"grid": 0}, "grid must be a whole number >= 1"),
        ({"macs_per_pixel": "many"}, "macs_per_pixel must be a number >= 0"),
        ({"lineage": []}, "lineage must be an object"),
        ({"int8": 8}, "int8 must be null or an object, not 8"),
        ({"extra": 1}, "extra is an unknown key"),
        ({"gate": []}, "gate must be null or an object, not []"),
        ({"gate": {}}, "gate.judged is missing"),
        ({"gate": {"judged": 1}}, "gate.judged must be true or false, not 1"),
        ({"gate": {"judged": True, "why": "x"}}, "gate.decision is missing"),
        ({"gate": {"judged": False, "why": ""}}, "gate.why must be a non-empty text, not ''"),
        ({"int8__file": "../student.onnx"}, "int8.file must be a plain file name"),
        ({"int8__file": "other.onnx"}, "other.onnx: the model file that the card names is missing"),
        ({"int8__sha256": "x"}, "int8.sha256 must be 64 hexadecimal digits"),
        ({"int8__input__dtype": "float32"}, "int8.input.dtype must be uint8, not 'float32'"),
        ({"int8__output__range": [0, 1]}, "int8.output.range must be [0, 255], not [0, 1]"),
        ({"int8__input__channels": 3}, "int8.input.channels must be 1, not 3"),
        ({"int8__loss_db": "little"}, "int8.loss_db must be a finite number, not 'little'"),
        ({"int8__loss_db": True}, "int8.loss_db must be a finite number, not True"),
        ({"int8__loss_db": ...}, "int8.loss_db is missing"),
        ({"int8__gain": 1}, "int8.gain is an unknown key"),
        ({"upscaler": 2}, "upscaler must be null or an object, not 2"),
        ({"upscaler__file": "other.onnx"}, "other.onnx: the model file that the card names"),
        ({"upscaler__file": "../u.onnx"}, "upscaler.file must be a plain file name"),
        ({"upscaler__sha256": "0" * 64}, "upscaler.onnx: is damaged, or not this card's model"),
        ({"upscaler__receptive_radius": ...}, "upscaler.receptive_radius is missing"),
        ({"upscaler__times": 2}, "upscaler.times is an unknown key"),
        ({"upscaler_int8": []}, "upscaler_int8 must be null or an object, not []"),
    ],
)
def test_wrong_values_are_named(both, values, message):
    change(both, **values)
    with pytest.raises(UserError) as caught:
        read_card(both)
    assert message in str(caught.value)
    assert str(both) in str(caught.value)


CODE = "mixture.codes[1]"
SUM = "must be 2 numbers from 0 to 1, whose sum is 1, not"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": 5}, "mixture.codes is an unknown key"),
        ({"mixture__codes": ...}, "mixture.codes is missing"),
        ({"mixture__codes": {}}, "mixture.codes must be a list, not {}"),
        ({"mixture__codes": []}, "mixture.codes must begin with the file of int8"),
        ({"int8": None}, "mixture.codes must begin with the file of int8"),
        ({"int8__sha256": "0" * 64}, "mixture.codes must begin with the file of int8"),
        ({"mixture__codes__1": 3}, f"{CODE} must be an object"),
        ({"mixture__codes__1__file": "../a.onnx"}, f"{CODE}.file must be a plain file name"),
        ({"mixture__codes__1__file": "gone.onnx"}, "gone.onnx: the model file that the card"),
        ({"mixture__codes__1__sha256": "0" * 64}, "student_int8_1.onnx: is damaged, or not this"),
        ({"mixture__codes__1__sha256": "0"}, f"{CODE}.sha256 must be 64 hexadecimal digits"),
        ({"mixture__codes__1__loss": 0}, f"{CODE}.loss is an unknown key"),
        ({"mixture__codes__1__shares": ...}, f"{CODE}.shares is missing"),
        ({"mixture__codes__1__shares": 1}, f"{CODE}.shares {SUM} 1"),
        ({"mixture__codes__1__shares": [1.0]}, f"{CODE}.shares {SUM} [1.0]"),
        ({"mixture__codes__1__shares": [0.5, 0.4]}, f"{CODE}.shares {SUM} [0.5, 0.4]"),
        ({"mixture__codes__1__shares": [1.5, -0.5]}, f"{CODE}.shares {SUM} [1.5, -0.5]"),
        ({"mixture__codes__1__shares": [True, 0]}, f"{CODE}.shares {SUM} [True, 0]"),
        ({"mixture__codes__1__shares": [[1], 0]}, f"{CODE}.shares {SUM} [[1], 0]"),
        ({"mixture__codes__1__shares": [0.25, 0.75]}, f"{CODE}.shares is that of another code"),
        ({"mixture__codes__1__file": "student_int8.onnx"}, f"{CODE}.file is that of another"),
        ({"mixture__sets": 3}, "mixture.codes[0].shares must be 3 numbers from 0 to 1"),
    ],
)
def test_wrong_codes_are_named(book, values, message):
    read_card(book)
    change(book, **values)
    with pytest.raises(UserError) as caught:
        read_card(book)
    assert message in str(caught.value)
    assert str(book) in str(caught.value)


def test_a_code_book_comes_back_as_it_was_written(book):
    card = read_card(book)
    assert [code.shares for code in card.mixture.codes] == [(0.25, 0.75), (1.0, 0.0)]
    before = (book / CARD).read_bytes()
    write_card(book, card)
    assert (book / CARD).read_bytes() == before


def test_the_files_of_a_card_are_named_once(book):
    names = [part.file for part in read_card(book).files]
    assert sorted(names) == sorted(path.name for path in book.iterdir() if path.name != CARD)


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
    with pytest.raises(UserError, match=r"not a model folder: it has no card\.json"):
        read_card(tmp_path)


@pytest.mark.parametrize("name", ["student.onnx", "student_int8.onnx", "upscaler.onnx"])
def test_a_changed_model_file_is_found(both, name):
    read_card(both)
    (both / name).write_bytes(b"Weights")
    with pytest.raises(UserError, match=f"{name}: is damaged, .* SHA-256 differs"):
        read_card(both)
    (both / name).unlink()
    with pytest.raises(UserError, match=f"{name}: the model file that the card names is missing"):
        read_card(both)


def test_int8_comes_back_as_it_was_written(both):
    card = read_card(both)
    assert card.int8 == make_int8(both / "student_int8.onnx")
    first = (both / CARD).read_bytes()
    write_card(both, card)
    assert (both / CARD).read_bytes() == first


def test_a_card_of_format_1_is_read_and_has_no_int8(folder):
    change(folder, format=1, int8=..., gate=..., upscaler=..., upscaler_int8=..., mixture=...)
    card = read_card(folder)
    assert (card.format, card.int8, card.gate) == (FORMAT, None, None)
    write_card(folder, card)
    assert read_card(folder) == card


def test_a_card_of_format_2_is_read_and_tells_nothing_of_a_gate(both):
    before = read_card(both)
    change(both, format=2, gate=..., upscaler=..., upscaler_int8=..., mixture=...)
    assert read_card(both) == dataclasses.replace(before, upscaler=None)
    assert before.gate is None


def test_a_card_of_format_3_is_read_and_enlarges_nothing(both):
    before = read_card(both)
    change(both, format=3, upscaler=..., upscaler_int8=..., mixture=...)
    assert read_card(both) == dataclasses.replace(before, upscaler=None)
    assert before.upscaler is not None


def test_a_card_of_format_4_is_read_and_has_no_mixture(both):
    before = read_card(both)
    change(both, format=4, mixture=...)
    assert read_card(both) == before
    assert before.mixture is None


def test_a_card_of_format_5_is_read_and_has_no_codes(book):
    before = read_card(book)
    card = json.loads((book / CARD).read_text())
    del card["mixture"]["codes"]
    (book / CARD).write_text(json.dumps({**card, "format": 5, "int8": None}))
    plain = dataclasses.replace(before.mixture, codes=())
    assert read_card(book) == dataclasses.replace(before, mixture=plain, int8=None)


@pytest.mark.parametrize(
    "gate", [{"judged": True, "decision": "a1"}, {"judged": False, "why": "x"}]
)
def test_what_a_card_tells_of_the_gate_comes_back(folder, gate):
    write_card(folder, dataclasses.replace(read_card(folder), gate={**gate, "more": [1.5]}))
    assert read_card(folder).gate == {**gate, "more": [1.5]}


@pytest.mark.parametrize("kind", [Card, Code, File, Int8, Mixture, Tensor, Upscaler])
def test_every_key_is_documented(kind):
    text = DOCS.read_text(encoding="utf-8")
    for field in dataclasses.fields(kind):
        assert f"\n| `{field.name}` | " in text
