"""CONTRIBUTING.md names what exists, and what is said in several files is the same in all."""

import re
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from kdsharp import __version__

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SUFFIXES = (".cff", ".lock", ".md", ".py", ".toml", ".yaml")


def spans(page):
    """What stands between backticks, on one line each; code blocks are not meant."""
    text = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]


def paths(page):
    """The words of the spans that look like a path of the repository."""
    for word in " ".join(spans(page)).split():
        plain = re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", word)
        if plain and ("/" in word or word.endswith(SUFFIXES)) and "NAME" not in word:
            yield word


def exists(path):
    """By its whole path, or a file by its name."""
    if "/" in path:
        return (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).exists()
    below = ("kdsharp", "pipeline", "benchmarks")
    return (ROOT / path).exists() or any(any((ROOT / top).rglob(path)) for top in below)


def targets(page):
    """X of each `make X`, code blocks included."""
    code = [*re.findall(r"```\w*\n(.*?)```", page, re.DOTALL), *spans(page)]
    return set(re.findall(r"^make ([a-z-]+)", "\n".join(code), re.MULTILINE))


def load(name):
    return YAML(typ="safe").load((ROOT / name).read_text(encoding="utf-8"))


def test_paths_exist():
    found = set(paths(PAGE))
    assert len(found) > 40
    assert [path for path in sorted(found) if not exists(path)] == []


def test_links_lead_somewhere():
    found = re.findall(r"\]\(([^)#:]+)[^)]*\)", PAGE)
    assert found
    assert [link for link in found if not (ROOT / link).exists()] == []


def test_make_has_the_targets():
    made = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets(PAGE) >= {"setup", "test", "test-integration", "lint", "audit"}
    assert targets(PAGE) <= made


def test_names_are_where_the_page_says():
    found = re.findall(r"`(\w+)(?:\.(\w+))?`\s+in\s+`([\w/.]+\.py)`", PAGE)
    assert len(found) > 5
    for name, member, path in found:
        text = (ROOT / path).read_text(encoding="utf-8")
        for word in filter(None, (name, member)):
            assert re.search(rf"\b{word}\b", text), f"{path} has no {word}"


def test_what_does_not_exist_is_seen():
    page = "`kdsharp/none.py`, `none.py` and `pytest tests/none/`, not `benchmarks/NAME.py`; `a.b`"
    assert [path for path in paths(page) if not exists(path)] == list(paths(page))
    assert list(paths(page)) == ["kdsharp/none.py", "none.py", "tests/none/"]
    assert targets("```sh\nmake nothing   # now\n```\n`make ui`, and make time") == {
        "nothing",
        "ui",
    }


def test_six_questions_are_answered():
    section = PAGE.split("## Where is ...")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 6
    assert all(any(exists(path) for path in paths(row)) for row in rows)


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changes = re.findall(r"^## (\S+) - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    citation = load("CITATION.cff")
    assert project["version"] == citation["version"] == changes[0][0] == __version__
    assert citation["date-released"].isoformat() == changes[0][1]
    assert citation["license"] == project["license"]


def test_the_citation_has_what_the_format_asks_for():
    citation = load("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()


def test_hooks_are_local_and_call_the_tools_of_the_project():
    (repo,) = load(".pre-commit-config.yaml")["repos"]
    assert repo["repo"] == "local"
    calls = [hook["entry"].split() for hook in repo["hooks"] if hook["language"] == "system"]
    assert {call[0] for call in calls} <= {
        "git",
        *(f".venv/bin/{n}" for n in ("ruff", "mypy", "python")),
    }
    assert [
        word for call in calls for word in call if word.endswith(".py") and not exists(word)
    ] == []


@pytest.mark.parametrize("event", ["push", "pull_request", "schedule"])
def test_ci_runs_what_is_run_here(event):
    workflow = load(".github/workflows/ci.yml")
    assert event in workflow["on"]
    (job,) = workflow["jobs"].values()
    assert job["timeout-minutes"] == 90
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def test_the_workflow_has_the_oldest_python_that_is_supported():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (job,) = load(".github/workflows/ci.yml")["jobs"].values()
    (python,) = (step["with"] for step in job["steps"] if "setup-python" in step.get("uses", ""))
    assert project["requires-python"].startswith(f">={python['python-version']},")
    assert (ROOT / python["cache-dependency-path"]).exists()
