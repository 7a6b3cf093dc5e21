"""Branches of retrainings on real remotes of git and DVC, also after one was away."""

import json
from pathlib import Path

import pytest

from kdsharp.errors import UserError
from pipeline.workspace.branch import commit_lock, git
from pipeline.workspace.pull_request import pull_request
from pipeline.workspace.push import git_remote, push_branches
from tests.pipeline.workspace import test_worktree
from tests.pipeline.workspace.test_worktree import dvc, save

checkout, template, worktree = (
    getattr(test_worktree, name) for name in ("checkout", "template", "worktree")
)


@pytest.fixture
def remotes(worktree, tmp_path):
    """Addresses of git's remote and of DVC's; nothing is there yet."""
    there = tmp_path / "there.git", tmp_path / "files"
    git("remote", "add", "origin", str(there[0]))
    return there


def push():
    said, warned = [], []
    return push_branches(said.append, warned.append), said, warned


def test_a_failed_push_is_tried_again_by_the_next_run(remotes, tmp_path):
    branch = commit_lock("1a2b3c", "Lock").name
    pushed, _, (warning,) = push()
    assert pushed == []
    assert warning.startswith(f"git push of {branch} failed: git push: ")
    assert warning.endswith("the next run tries again")
    git("init", "-q", "--bare", str(remotes[0]), at=tmp_path)
    assert push() == ([branch], [f"{branch} is on origin"], [])
    assert git("rev-parse", branch, at=remotes[0]) == git("rev-parse", branch)
    assert push() == ([], [], [])


def test_a_branch_waits_for_its_files(remotes, worktree, tmp_path):
    git("init", "-q", "--bare", str(remotes[0]), at=tmp_path)
    remotes[1].write_text("a file where a folder should be")
    dvc("remote", "add", "--local", "-d", "store", str(remotes[1]), at=worktree)
    branch = commit_lock("1a2b3c", "Lock").name
    pushed, _, (warning,) = push()
    assert pushed == []
    assert warning.startswith(f"dvc push of {branch} failed: ")
    assert git("for-each-ref", at=remotes[0]) == ""
    remotes[1].unlink()
    assert push()[0] == [branch]
    assert list(remotes[1].rglob("*"))


def test_the_remote_is_origin_or_the_only_one_or_the_named_one(worktree, monkeypatch):
    assert git_remote() is None
    git("remote", "add", "hub", "nowhere")
    assert git_remote() == "hub"
    git("remote", "add", "backup", "nowhere")
    assert git_remote() is None
    git("remote", "add", "origin", "nowhere")
    assert git_remote() == "origin"
    monkeypatch.setenv("KDSHARP_GIT_REMOTE", "backup")
    assert git_remote() == "backup"
    monkeypatch.setenv("KDSHARP_GIT_REMOTE", "")
    assert git_remote() is None
    monkeypatch.setenv("KDSHARP_GIT_REMOTE", "nope")
    with pytest.raises(UserError, match="KDSHARP_GIT_REMOTE: git knows no remote 'nope'"):
        git_remote()


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("git@github.com:some/one.git", "https://github.com/some/one/compare/{}?expand=1"),
        (
            "https://me:secret@github.com/some/one",
            "https://github.com/some/one/compare/{}?expand=1",
        ),
        (
            "ssh://git@gitlab.lan:2222/team/one.git",
            "https://gitlab.lan/team/one/-/merge_requests/new?merge_request%5Bsource_branch%5D={}",
        ),
        ("/srv/git/one.git", None),
    ],
)
def test_a_pull_request_has_its_text(worktree, address, page):
    git("remote", "add", "origin", address)
    for value in (30.0, 30.25):
        Path("metrics.json").write_text(json.dumps({"test": {"student": {"psnr_y": value}}}))
        git("add", "metrics.json")
        save(worktree, "Numbers")
    git("branch", "retrain/2026-01-01-1a2b3c")
    name = "retrain/2026-01-01-1a2b3c"
    text = "\n".join(pull_request(name, "kdsharp-student 7: promoted: better", "origin"))
    assert text.startswith(f"# {name}: kdsharp-student 7\n\nkdsharp-student 7: promoted: better\n")
    assert "| test.student.psnr_y | 30.0 | 30.25 | +0.25 |" in text
    assert "secret" not in text
    expected = page and page.format(name.replace("/", "%2F"))
    assert text.rpartition("Open it: ")[2] == expected if page else "Open it" not in text
