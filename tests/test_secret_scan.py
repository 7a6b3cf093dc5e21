"""scripts/secret_scan.py finds a key that was committed, and takes nothing else for one."""

import json

import pytest

from scripts import secret_scan

LOCK = secret_scan.ROOT / "requirements.lock"
# Put together here, so that this file holds none.
PLANTED = {
    "GitHub Token": "token = 'ghp_" + "wWPw5k4aXcaT" + "4fNP0UcnZwJU" + "VFk6LO0pINUx" + "'",
    "AWS Access Key": "AKIA" + "Z7FQ3XKUJ5DPLW2M",
    "Private Key": "-----BEGIN " + "PRIVATE KEY-----",
    "Basic Auth Credentials": "https://ann:" + "hunter2@tracking.example.org/mlflow",
    "Secret Keyword": "AWS_SECRET_ACCESS_KEY" + ' = "wJalrXUtnFEM' + 'IK7MDENGbPxRfiCY"',
}


def test_the_tool_is_locked():
    assert "\ndetect-secrets==" in LOCK.read_text(encoding="utf-8")


@pytest.fixture
def tool():
    pytest.importorskip("detect_secrets", reason="make setup installs detect-secrets")


@pytest.mark.usefixtures("tool")
@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_key_is_found(tmp_path, kind):
    file = tmp_path / "settings.py"
    file.write_text(f"size = 3\n{PLANTED[kind]}\n", encoding="utf-8")
    found = secret_scan.find_secrets([file], tmp_path)
    assert f"settings.py:2: {kind}" in found
    assert not any(part in line for line in found for part in PLANTED[kind].split())


@pytest.mark.usefixtures("tool")
def test_what_is_found_fails_the_build(monkeypatch, capsys):
    assert secret_scan.main([str(LOCK)]) == 0
    assert capsys.readouterr() == ("secrets: none in 1 files\n", "")
    found = ["settings.py:2: GitHub Token"]
    monkeypatch.setattr(secret_scan, "find_secrets", lambda _: found)
    assert secret_scan.main([str(LOCK)]) == 1
    assert capsys.readouterr().out.splitlines() == found


@pytest.mark.usefixtures("tool")
def test_what_the_baseline_has_is_accepted_where_it_is_and_nowhere_else(tmp_path):
    kept = json.loads(secret_scan.BASELINE.read_text(encoding="utf-8"))["results"]
    name = "docs/scaling.md"
    assert name in kept
    assert secret_scan.find_secrets([secret_scan.ROOT / name]) == []
    copy = tmp_path / "copy.md"
    copy.write_bytes((secret_scan.ROOT / name).read_bytes())
    assert secret_scan.find_secrets([copy], tmp_path)


@pytest.mark.usefixtures("tool")
def test_hashes_are_no_secrets():
    cards = sorted((secret_scan.ROOT / "kdsharp" / "weights").glob("nano-x2/card.json"))
    assert secret_scan.find_secrets([LOCK, *cards]) == []


def test_files_that_git_ignores_are_left_out():
    if not (secret_scan.ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = {path.relative_to(secret_scan.ROOT).as_posix() for path in secret_scan.tracked_files()}
    assert {"requirements.lock", "docs/serve.md", "tests/test_secret_scan.py"} <= names
    assert not any(name.startswith((".venv/", ".mypy_cache/")) for name in names)
