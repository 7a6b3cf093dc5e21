"""Whether the commit on a page holds what was measured."""

import subprocess

import pytest

from benchmarks.common import machine
from benchmarks.front.__main__ import header


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    def git(*words):
        about = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", tmp_path, *about, *words], check=True, capture_output=True)

    (tmp_path / "kdsharp").mkdir()
    (tmp_path / "kdsharp" / "a.py").write_text("a = 1\n")
    git("init")
    git("add", ".")
    git("commit", "-m", "a")
    monkeypatch.setattr(machine, "_ROOT", tmp_path)
    return tmp_path


def test_a_clean_tree_is_said_and_nothing_is_warned_of(checkout):
    (checkout / "notes.txt").write_text("what is not code may lie about")
    assert machine.is_clean()
    lines = header()
    assert lines[-1] == f"Commit {machine.commit()}, the tree was clean."
    assert machine.cpu() in lines[1]


@pytest.mark.parametrize("file", ["kdsharp/a.py", "kdsharp/weights/new/card.json"])
def test_a_tree_that_differs_is_warned_of(checkout, file):
    path = checkout / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a = 2\n")
    assert not machine.is_clean()
    *_, commit, warning = header()
    assert commit.endswith(", with changes that are not committed.")
    assert warning.startswith("**Warning:** no commit holds the code")
    assert "\n" not in warning


def test_no_checkout_is_not_clean(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_ROOT", tmp_path)
    assert not machine.is_clean()
    assert machine.commit() == "no git checkout"
    assert "Warning" in header()[-1]
