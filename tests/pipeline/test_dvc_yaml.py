"""dvc.yaml names all code whose change changes a stage's bytes."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

STAGES = YAML(typ="safe").load(Path("dvc.yaml"))["stages"]

# Code that a stage imports and that cannot change what it writes.
HARMLESS = {
    "kdsharp/__init__.py",
    # Where the work is done, and not what it is.
    "kdsharp/cluster",
    "kdsharp/errors.py",
    "kdsharp/files.py",
    "kdsharp/progress.py",
    # No stage sharpens a video.
    "kdsharp/video",
    "kdsharp/train/__init__.py",
    "kdsharp/train/config.py",
    "pipeline/__init__.py",
    "pipeline/data/__init__.py",
    # Where they lie, and not what they hold.
    "pipeline/data/patches.py",
    "pipeline/data/space.py",
    "pipeline/environment.py",
    "pipeline/lock.py",
    "pipeline/params.py",
    "pipeline/paths.py",
    "pipeline/release/__init__.py",
    "pipeline/stages/__init__.py",
    "pipeline/stages/run.py",
    "pipeline/tracking",
}


def source(module):
    """The file of a project module; None for a package of others or a name inside a module."""
    path = Path(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


def imported(path):
    """The project files that `path` imports anywhere in it, but not for annotations alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
        for name in names:
            if name.split(".")[0] in {"kdsharp", "pipeline"} and (found := source(name)):
                yield found


def needed(start):
    """All project files that run when `start` does."""
    seen, waiting = set(), [start]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            # What harmless code imports in turn serves the harmless purpose.
            if not covered(path.as_posix(), HARMLESS):
                waiting += imported(path)
    return {path.as_posix() for path in seen if not covered(path.as_posix(), HARMLESS)}


def covered(path, deps):
    return any(path == dep or path.startswith(f"{dep}/") for dep in deps)


def module_of(stage):
    return source(STAGES[stage]["cmd"].removeprefix("python -m "))


@pytest.mark.parametrize("stage", STAGES)
def test_no_code_is_forgotten(stage):
    deps = STAGES[stage]["deps"]
    forgotten = sorted(path for path in needed(module_of(stage)) if not covered(path, deps))
    assert forgotten == [], f"add to the deps of {stage} in dvc.yaml"


@pytest.mark.parametrize("stage", STAGES)
def test_no_code_is_named_in_vain(stage):
    code = needed(module_of(stage))
    deps = [dep for dep in STAGES[stage]["deps"] if dep.startswith(("kdsharp/", "pipeline/"))]
    vain = [dep for dep in deps if not any(covered(path, [dep]) for path in code)]
    assert vain == [], f"{stage} runs again for a change that does not concern it"


def test_harmless_code_exists():
    assert [path for path in HARMLESS if not Path(path).exists()] == []


def test_stages_are_described():
    assert all(stage.get("desc") for stage in STAGES.values())
