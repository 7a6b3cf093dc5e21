"""Who may import whom, and what a public name owes its reader."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = sorted((ROOT / "kdsharp").rglob("*.py"))
SOURCES = [*CORE, *sorted((ROOT / "pipeline").rglob("*.py"))]
SOURCES += sorted((ROOT / "benchmarks").rglob("*.py"))
EDGE = {"mlflow", "prefect", "dvc", "pipeline"}
TRAINING = {"torch", "torchvision"}
HEAVY = ("torch", "fastapi", "pydantic", "onnxruntime", "openvino", "PIL", "numpy", "rich")


def imported(path):
    """The top-level packages that a file imports anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def defined(body):
    """Every name that a module's body defines or takes in for others, with its node."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Assign):
            names = [name for target in node.targets for name in ast.walk(target)]
            yield from ((name.id, node) for name in names if isinstance(name, ast.Name))
        elif isinstance(node, ast.AnnAssign):
            yield node.target.id, node
        elif isinstance(node, ast.If):  # if TYPE_CHECKING
            for inner in node.body:
                if isinstance(inner, ast.ImportFrom):
                    yield from ((name.name, inner) for name in inner.names)


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_does_not_know_its_edge(path):
    packages = set(imported(path))
    assert not packages & EDGE
    if (ROOT / "kdsharp" / "train") not in path.parents:
        assert not packages & TRAINING


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_names_exist_and_are_described(path):
    """Read, not imported: importing torch takes longer than all of these tests."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    names = dict(defined(tree.body))
    if "__all__" not in names:
        assert path.name == "__init__.py", f"{path} has no __all__"
        assert not [name for name in names if name[0] != "_"]
        return
    for public in ast.literal_eval(names["__all__"].value):
        assert public in names, f"{path} has no {public}"
        node = names[public]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            assert ast.get_docstring(node), f"{path}: {public} has no docstring"


@pytest.mark.parametrize("statement", ["import kdsharp", "import kdsharp.cli.app"])
def test_importing_is_cheap(statement):
    code = f"import sys; {statement}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_sharpener_comes_when_asked_for():
    import kdsharp

    assert kdsharp.Sharpener.__module__ == "kdsharp.sharpening.sharpener"
    with pytest.raises(AttributeError, match="no attribute 'Blurrer'"):
        _ = kdsharp.Blurrer
