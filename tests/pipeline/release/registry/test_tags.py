"""What anybody may have written into a store reaches neither git nor a path."""

import json
import subprocess
from pathlib import Path

import pytest

from kdsharp.errors import UserError
from pipeline.release.registry.provenance import OUTS, commit_file, read_provenance
from pipeline.release.registry.versions import Version

SHA256 = "0" * 64


def version(files):
    return Version("kdsharp-student", 7, {"kdsharp.files": files}, 0, "models:/m-1", None)


@pytest.mark.parametrize(
    "files",
    [
        json.dumps({"../../evil.py": SHA256}),
        json.dumps({"/etc/passwd": SHA256}),
        json.dumps({"-rf": SHA256}),
        json.dumps({"": SHA256}),
        json.dumps({"student.onnx": "not a hash"}),
        json.dumps(["student.onnx"]),
        json.dumps({"student.onnx": None}),
        "[[",
    ],
)
def test_names_of_files_are_plain_names(files):
    wrong = r"kdsharp-student version 7: its tag kdsharp\.files is not"
    with pytest.raises(UserError, match=wrong):
        _ = version(files).files


def test_files_as_register_writes_them():
    names = {"student.onnx": SHA256, "student_int8.onnx": SHA256, "README.md": SHA256}
    assert version(json.dumps(names)).files == names


@pytest.mark.parametrize("commit", ["--output=stolen", "HEAD", "main", "0" * 39, "0" * 40 + "\n"])
def test_only_the_hash_of_a_commit_reaches_git(commit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in (["init", "-q"], ["add", "a"]):
        Path("a").write_text("text")
        subprocess.run(["git", *command], check=True)
    assert commit == "HEAD" or commit_file(commit, Path("a")) is None
    found = read_provenance({"kdsharp.git_commit": commit, OUTS: "[]"})
    assert (found.git_commit, found.outs) == (None, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == [".git", "a"]
