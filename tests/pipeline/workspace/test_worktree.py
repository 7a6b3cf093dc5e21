"""The clean worktree of a scheduled run, and the branch it leaves, with real git and DVC."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from dvc.cli import main as dvc_main

from kdsharp.errors import UserError
from pipeline.workspace.branch import Branch, clean_afterwards, commit_lock, git, note_decision
from pipeline.workspace.worktree import WORKTREE, _held, hold_worktree, mirror, prepare

PARAMS = """
data:
  folder: {path: data/photos}
  div2k: {zips: null}
teacher: {weights: encoder.pth}
"""
DVC_YAML = """
stages:
  first:
    cmd: cat code.txt data/photos/*.jpg > first.txt
    deps: [code.txt, data/photos]
    outs: [first.txt]
"""
IGNORED = "/.worktree/\n/.services/\n/data/photos/*\n!/data/photos/README.md\n/encoder.pth\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A checkout with a stage that has run and is committed, and a photo that git ignores."""
    root = tmp_path_factory.mktemp("template")
    files = {
        "params.yaml": PARAMS,
        "dvc.yaml": DVC_YAML,
        ".gitignore": IGNORED,
        "code.txt": "one\n",
        "data/photos/README.md": "photos go here\n",
        "data/photos/a.jpg": "a\n",
        "encoder.pth": "weights\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git("init", "-q", "-b", "main", at=root)
    dvc("init", "-q", at=root)
    dvc("repro", "-q", at=root)
    save(root, "Start")
    return root


@pytest.fixture
def checkout(template, tmp_path, monkeypatch):
    for name in ("KDSHARP_CHECKPOINTS", "KDSHARP_PRODUCTION", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "checkout"
    shutil.copytree(template, root)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def worktree(checkout, monkeypatch):
    """The working directory is the worktree, whose stage has run on other photos."""
    (checkout / "data/photos/b.jpg").write_text("b\n")
    folder = ready()[0]
    monkeypatch.chdir(folder)
    dvc("repro", "-q", at=folder)
    return folder


def dvc(*arguments, at):
    """What DVC's command line prints; in this process, which has imported it."""
    said = io.StringIO()
    with contextlib.chdir(at), contextlib.redirect_stdout(said):
        assert dvc_main(list(arguments)) == 0
    return said.getvalue()


def save(root, message):
    git("add", "-A", at=root)
    git(
        "-c", "user.name=t", "-c", "user.email=t@example.invalid", "commit", "-qm", message, at=root
    )


def ready():
    """The worktree, what was said, and the environment."""
    said, env = [], {}
    return prepare(said.append, env), said, env


def test_it_is_head_whatever_the_checkout_holds(checkout):
    (checkout / "code.txt").write_text("not committed\n")
    (checkout / "new.py").write_text("")
    worktree, said, env = ready()
    assert worktree == checkout / WORKTREE
    assert (worktree / "code.txt").read_text() == "one\n"
    assert (worktree / "first.txt").read_text() == "one\na\n"
    head = git("rev-parse", "--short", "HEAD")
    assert said == [f"works on {head} Start", "left out because not committed: code.txt, new.py"]
    assert env["KDSHARP_CHECKPOINTS"] == str(checkout / ".checkpoints")
    assert env["KDSHARP_PRODUCTION"] == str(checkout / "models/production")
    assert env["MLFLOW_TRACKING_URI"] == f"sqlite:///{checkout}/mlruns/mlflow.db"
    assert git("status", "--porcelain", at=worktree) == ""
    assert (checkout / "code.txt").read_text() == "not committed\n"


def test_what_a_killed_run_left_is_gone(checkout):
    worktree = ready()[0]
    (worktree / "code.txt").write_text("changed\n")
    (worktree / "left.txt").write_text("over\n")
    Path(git("rev-parse", "--absolute-git-dir", at=worktree), "index.lock").touch()
    (checkout / "code.txt").write_text("two\n")
    save(checkout, "Two")
    ready()
    assert (worktree / "code.txt").read_text() == "two\n"
    assert git("status", "--porcelain", at=worktree) == ""
    shutil.rmtree(worktree)
    assert (ready()[0] / "code.txt").read_text() == "two\n"


def test_a_moved_checkout_takes_it_along(checkout, monkeypatch):
    ready()
    moved = checkout.with_name("moved")
    checkout.rename(moved)
    monkeypatch.chdir(moved)
    worktree = ready()[0]
    assert git("rev-parse", "--show-toplevel", at=worktree) == str(moved / WORKTREE)
    assert dvc("cache", "dir", at=worktree).strip() == str(moved / ".dvc/cache")


def test_dvc_shares_cache_and_remotes(checkout, tmp_path):
    dvc("remote", "add", "-q", "-d", "store", "../remote", at=checkout)
    dvc("remote", "modify", "-q", "--local", "store", "verify", "true", at=checkout)
    save(checkout, "Remote")
    worktree = ready()[0]
    assert dvc("cache", "dir", at=worktree).strip() == str(checkout / ".dvc/cache")
    dvc("push", "-q", at=worktree)
    assert (tmp_path / "remote/files").is_dir()
    assert "store.verify=true" in dvc("config", "--local", "--list", at=worktree)


def test_no_git_repository_is_one_line(checkout):
    shutil.rmtree(".git")
    with pytest.raises(UserError, match="not a git repository: scheduled runs work on a commit"):
        ready()


def test_photos_are_the_same_files(checkout):
    worktree = ready()[0]
    assert Path("data/photos/a.jpg").samefile(worktree / "data/photos/a.jpg")
    assert Path("encoder.pth").samefile(worktree / "encoder.pth")
    assert not Path("data/photos/README.md").samefile(worktree / "data/photos/README.md")
    deep = Path("data/photos/deep/c.jpg")
    deep.parent.mkdir()
    deep.write_text("c")
    Path("data/photos/link.jpg").symlink_to("a.jpg")
    Path("data/photos/README.md").unlink()
    ready()
    assert deep.samefile(worktree / deep)
    assert (worktree / "data/photos/link.jpg").resolve() == checkout / "data/photos/a.jpg"
    assert (worktree / "data/photos/README.md").exists()  # git says what is in it
    shutil.rmtree(deep.parent)
    Path("data/photos/a.jpg").unlink()
    ready()
    assert sorted(path.name for path in (worktree / "data/photos").iterdir()) == [
        "README.md",
        "link.jpg",
    ]


def test_another_disk_gets_copies(checkout, monkeypatch):
    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    worktree = ready()[0]
    copy = worktree / "data/photos/a.jpg"
    assert copy.read_text() == "a\n"
    before = copy.stat().st_ino
    ready()
    assert copy.stat().st_ino == before  # once
    Path("data/photos/a.jpg").write_text("another\n")
    ready()
    assert copy.read_text() == "another\n"


def test_a_relative_path_that_leads_out_is_refused(checkout):
    with pytest.raises(UserError, match="leads out of the checkout by a relative path"):
        mirror(Path("../photos"), checkout, checkout)


def test_one_run_at_a_time(checkout):
    said, waited = [], threading.Event()
    code = """
import time
from pipeline.workspace.worktree import hold_worktree
hold_worktree(print)
print("held", flush=True)
import os, sys
os.execv(sys.executable, [sys.executable, "-c", "input()"])
"""
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": root},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "held\n"

        def say(line):
            said.append(line)
            waited.set()

        def end():
            waited.wait(30)
            other.stdin.close()

        thread = threading.Thread(target=end)
        thread.start()
        hold_worktree(say)
        _held.clear()
        thread.join()
    assert said == ["another process is busy with a run in .worktree: waiting for it"]


def test_dvc_lock_goes_to_a_branch(worktree, checkout):
    hook = checkout / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    (worktree / "data/.gitignore").write_text("/gate\n")
    branch = commit_lock("1a2b3c", "Lock retraining 1a2b3c")
    assert branch.name.startswith("retrain/20")
    assert branch.name.endswith("-1a2b3c")
    assert branch.decision == ""
    assert git("status", "--porcelain") == ""
    assert git("rev-parse", "--abbrev-ref", "HEAD") == "HEAD"  # nobody's branch is taken
    changed = git("diff", "--name-only", "main", branch.name).splitlines()
    assert changed == ["data/.gitignore", "dvc.lock"]
    assert git("status", "--porcelain", at=checkout) == ""
    git("merge", "-q", branch.name, at=checkout)
    dvc("checkout", "-q", at=checkout)
    assert (checkout / "first.txt").read_text() == "one\na\nb\n"


def test_the_same_results_are_committed_once(worktree, checkout, monkeypatch):
    first = commit_lock("1a2b3c", "Lock")
    note_decision(first, "kdsharp-student 7: promoted")
    assert git("config", f"branch.{first.name}.description") == "kdsharp-student 7: promoted"

    monkeypatch.chdir(checkout)
    monkeypatch.chdir(ready()[0])
    assert commit_lock("1a2b3c", "Lock") is None  # HEAD's own results
    dvc("repro", "-q", at=worktree)
    assert commit_lock("1a2b3c", "Lock") == Branch(first.name, "kdsharp-student 7: promoted")

    (checkout / "data/photos/c.jpg").write_text("c\n")
    monkeypatch.chdir(checkout)
    monkeypatch.chdir(ready()[0])
    dvc("repro", "-q", at=worktree)
    assert commit_lock("1a2b3c", "Lock") == Branch(f"{first.name}-2", "")


def test_nobody_in_particular_commits_where_git_knows_nobody(worktree, monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    branch = commit_lock("1a2b3c", "Lock")
    author = git("log", "-1", "--format=%an <%ae> %cn", branch.name)
    assert author == "kdsharp <kdsharp@localhost> kdsharp"


def test_a_failure_leaves_a_clean_tree(worktree):
    with pytest.raises(RuntimeError), clean_afterwards():
        raise RuntimeError
    assert git("status", "--porcelain") == ""


def test_a_person_s_checkout_is_left_alone(checkout):
    Path("code.txt").write_text("mine\n")
    with pytest.raises(UserError, match="in the worktree of a scheduled run"), clean_afterwards():
        pass
    assert Path("code.txt").read_text() == "mine\n"
