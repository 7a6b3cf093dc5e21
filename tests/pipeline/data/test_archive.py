import json

import pytest

from kdsharp.errors import UserError
from pipeline.data.archive import ARCHIVES_VARIABLE, DIV2K, Archive, known_archives, verify

ENTRY = {"name": "own.zip", "size": 5, "sha256": "0" * 64}


def test_div2k_itself_is_the_default(monkeypatch):
    monkeypatch.delenv(ARCHIVES_VARIABLE, raising=False)
    assert known_archives() is DIV2K


def test_a_file_can_describe_others(tmp_path, monkeypatch):
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"train": ENTRY, "valid": {**ENTRY, "name": "other.zip"}}))
    monkeypatch.setenv(ARCHIVES_VARIABLE, str(path))
    assert known_archives().train == Archive("own.zip", 5, "0" * 64)
    assert known_archives().valid.name == "other.zip"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("no json", "the file: Invalid JSON"),
        ("[]", "the file: "),
        (json.dumps({"train": ENTRY}), "valid: Field required"),
        (json.dumps({"train": {**ENTRY, "name": "../x"}, "valid": ENTRY}), r"train\.name"),
        (json.dumps({"train": {**ENTRY, "sha256": "0"}, "valid": ENTRY}), r"train\.sha256"),
        (json.dumps({"train": {**ENTRY, "size": 0}, "valid": ENTRY}), r"train\.size"),
    ],
)
def test_a_mistake_in_that_file_is_named(tmp_path, monkeypatch, content, line):
    path = tmp_path / "own.json"
    path.write_text(content)
    monkeypatch.setenv(ARCHIVES_VARIABLE, str(path))
    with pytest.raises(UserError, match=line):
        known_archives()


def test_a_missing_description_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv(ARCHIVES_VARIABLE, str(tmp_path / "none.json"))
    with pytest.raises(UserError, match=r"none\.json: No such file"):
        known_archives()


@pytest.mark.parametrize(
    ("size", "sha256", "line"),
    [(6, "0" * 64, "has 5 bytes, 6 expected"), (5, "0" * 64, "has SHA-256 2cf24dba5fb0")],
)
def test_verify_names_what_differs(tmp_path, size, sha256, line):
    path = tmp_path / "own.zip"
    path.write_bytes(b"hello")
    with pytest.raises(UserError, match=line):
        verify(path, Archive("own.zip", size, sha256))
    with pytest.raises(UserError, match="no such file"):
        verify(tmp_path / "none.zip", Archive("none.zip", size, sha256))
