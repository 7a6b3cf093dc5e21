"""The command line, run within the test."""

import sys

import pytest

from kdsharp.cli import app as cli
from kdsharp.errors import run


@pytest.fixture
def kdsharp(monkeypatch, capsys, tmp_path, luma_model):
    """Runs the command in an empty folder; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KDSHARP_MODEL", str(luma_model))

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["kdsharp", *map(str, arguments)])
        code = run(cli.main)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return call
