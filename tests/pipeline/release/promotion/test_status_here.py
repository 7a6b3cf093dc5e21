"""`status` speaks of the machine that it runs on; the store is the same for all."""

import hashlib
import json
from pathlib import Path

import pytest

from pipeline.release.promotion.production import find_served
from pipeline.release.promotion.status import Status
from pipeline.release.promotion.status_text import print_status
from pipeline.release.registry.history import Entry
from pipeline.release.registry.versions import Version

NAME = "kdsharp-student"


def version(number, text):
    sha256 = hashlib.sha256(text).hexdigest()
    tags = {"kdsharp.files": json.dumps({"student.onnx": sha256})}
    return Version(NAME, number, tags, 0, f"models:/m-{number}", None)


VERSIONS = (version(1, b"one"), version(2, b"two"))
HISTORY = (Entry(1, "promote", (1,), None, "", "", ""), Entry(2, "promote", (1, 2), 1, "", "", ""))


@pytest.fixture
def said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(text=None):
        if text is not None:
            Path("models/production").mkdir(parents=True, exist_ok=True)
            Path("models/production/student.onnx").write_bytes(text)
        served = find_served(NAME, VERSIONS)
        print_status(Status(NAME, VERSIONS, HISTORY, None, True, served and served.number))
        return capsys.readouterr().out

    return call


def test_nothing_was_pulled_here_yet(said):
    text = said()
    assert "models/production is not on this machine: python -m pipeline pull" in text
    assert "interrupted" not in text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"two", "In production   models/production, on this machine"),
        (b"one", "In production   version 2; models/production holds version 1: python -m"),
        (b"mine", "In production   version 2; models/production holds something else: python -m"),
    ],
)
def test_what_lies_here(said, text, line):
    assert line in said(text)
