"""scripts/audit.py tells a vulnerability, no vulnerability, and no answer apart."""

import json
import subprocess
import sys

import pytest

from scripts import audit

SOUND = {"name": "numpy", "version": "2.4.6", "vulns": []}
KNOWN = {"id": "CVE-1", "fix_versions": ["2.10.1", "3.0"]}
PROBE = {"name": "jinja2", "version": "2.10", "vulns": [KNOWN]}
UNKNOWN = {"name": "jinja2", "skip_reason": "not found"}


@pytest.fixture
def answers(monkeypatch):
    """Let pip-audit answer with these in turn: packages, a last line of stderr, or never (None)."""
    commands = []

    def use(*waiting):
        left = list(waiting)

        def run(command, timeout, **_):
            commands.append(command)
            answer = left.pop(0)
            if answer is None:
                raise subprocess.TimeoutExpired(command, timeout)
            if isinstance(answer, str):
                return subprocess.CompletedProcess(command, 1, "", f"Traceback ...\n{answer}\n")
            return subprocess.CompletedProcess(command, 0, json.dumps({"dependencies": answer}))

        monkeypatch.setattr(subprocess, "run", run)
        return commands

    return use


def test_no_vulnerability(answers, capsys):
    commands = answers([PROBE], [SOUND])
    assert audit.main([]) == 0
    assert capsys.readouterr() == ("audit: no known vulnerabilities in requirements.lock\n", "")
    assert str(audit.LOCK) in commands[1]
    assert audit.LOCK.exists()
    assert commands[1][0] == sys.executable


@pytest.mark.parametrize("words", [[], ["--if-reachable"]])
def test_a_vulnerability_fails(answers, capsys, words):
    unfixed = {"name": "old", "version": "1", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]}
    answers([PROBE], [SOUND, PROBE, unfixed])
    assert audit.main(words) == 1
    assert capsys.readouterr().out.splitlines() == [
        "jinja2 2.10: CVE-1, fixed in 2.10.1 and 3.0",
        "old 1: PYSEC-2, not fixed yet",
    ]


@pytest.mark.parametrize(
    "given",
    [
        [[UNKNOWN]],  # a mirror that has packages alone
        [[{**PROBE, "vulns": []}]],
        [None],
        ["ConnectionError: Failed to resolve the service"],
        [[PROBE], None],
        [[PROBE], "ERROR:pip_audit._cli:Could not connect to the vulnerability feed"],
    ],
)
def test_no_answer_is_told_in_one_line(answers, capsys, given):
    answers(*given, *given)
    assert audit.main([]) == 3
    line = capsys.readouterr().err
    assert line.startswith("audit: skipped, known vulnerabilities cannot be looked up: ")
    assert line.count("\n") == 1
    assert audit.main(["--if-reachable"]) == 0
    assert capsys.readouterr() == ("", line)


def test_a_lock_that_cannot_be_read_fails(answers, capsys):
    answers([PROBE], "ERROR:pip_audit._cli:requirement line 3 is invalid")
    assert audit.main(["--if-reachable"]) == 1
    assert "line 3 is invalid" in capsys.readouterr().err


def test_single_packages_that_nobody_knows_are_named(answers, capsys):
    answers([PROBE], [SOUND, UNKNOWN])
    assert audit.main([]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "audit: could not look up jinja2"


def test_what_is_ignored_is_named_to_pip_audit(answers, monkeypatch):
    monkeypatch.setattr(audit, "IGNORED", {"CVE-9": "not called here"})
    commands = answers([PROBE], [SOUND])
    assert audit.main([]) == 0
    assert commands[1][-2:] == ["--ignore-vuln", "CVE-9"]


def test_pip_audit_is_locked_and_understands_the_arguments():
    assert "\npip-audit==" in audit.LOCK.read_text(encoding="utf-8")
    command = [sys.executable, "-m", "pip_audit", "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for option in ("--disable-pip", "--no-deps", "--format", "--progress-spinner", "--ignore-vuln"):
        assert option in said
