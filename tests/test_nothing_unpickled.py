"""Nothing is unpickled, evaluated or run from a file: by the code, and by the files in git."""

import ast
import pickle
import subprocess
from pathlib import Path

import pytest

from tests.pickled import pickled_among

ROOT = Path(__file__).parents[1]
PACKAGES = ("kdsharp", "pipeline", "benchmarks", "scripts")

UNPICKLING = {"cPickle", "cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
"""Modules whose whole use is to restore objects, and with them code."""

HARMLESS = {"pickle.UnpicklingError"}
"""What may be used of them: the error that others raise, which is caught."""

RUNS_TEXT = {"eval", "exec", "__import__"}
SHELLS = {"os.popen", "os.system", "subprocess.getoutput", "subprocess.getstatusoutput"}
UNSAFE = {
    "torch.hub.load",
    "torch.jit.load",
    "yaml.full_load",
    "yaml.load",
    "yaml.load_all",
    "yaml.unsafe_load",
}
UNSAFE_METHODS = {"read_pickle", "to_pickle"}

ALLOWED: dict[tuple[str, str], str] = {}
"""(file, what was found) -> why it may stay. Nothing has to, today."""


def found_in(text):
    """What of `text` could run something that comes from a file: (line, what)."""
    tree = ast.parse(text)
    names = aliases(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in UNPICKLING:
            for name in node.names:
                if f"{node.module}.{name.name}" not in HARMLESS:
                    yield node.lineno, f"{node.module}.{name.name}"
        elif isinstance(node, ast.Import):
            # `import pickle` alone is for its error; each other use is found below.
            unknown = UNPICKLING - {"pickle"}
            yield from ((node.lineno, n.name) for n in node.names if n.name in unknown)
        elif isinstance(node, ast.Attribute):
            what = dotted(node, names)
            if what.split(".")[0] in UNPICKLING and what not in HARMLESS:
                yield node.lineno, what
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, what) for what in calls(node, names))


def calls(node, names):
    what = dotted(node.func, names)
    given = {word.arg: word.value for word in node.keywords}
    # A variable may be called yaml, too: ruamel's reader, which is safe.
    other = what.startswith("yaml.") and "yaml" not in names.values()
    if what in RUNS_TEXT | SHELLS | UNSAFE - ({what} if other else set()):
        yield what
    if what.rpartition(".")[2] in UNSAFE_METHODS:
        yield what
    if what == "torch.load" and not is_constant(given.get("weights_only"), True):
        yield "torch.load without weights_only=True"
    if "allow_pickle" in given and not is_constant(given["allow_pickle"], False):
        yield f"{what} with allow_pickle"
    if "shell" in given and not is_constant(given["shell"], False):
        yield f"{what} with shell"
    if what.rpartition(".")[2] == "YAML" and is_constant(given.get("typ"), "unsafe"):
        yield f"{what} of type unsafe"


def aliases(tree):
    """Name in the file -> what it is: `np` -> `numpy`, `load` -> `torch.load`."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.asname or name.name: name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {n.asname or n.name: f"{node.module}.{n.name}" for n in node.names}
    return found


def dotted(node, names):
    """`torch.load` of such an expression; empty for all others."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        before = dotted(node.value, names)
        return f"{before}.{node.attr}" if before else f".{node.attr}"
    return ""


def is_constant(node, value):
    return isinstance(node, ast.Constant) and node.value == value


def python_files():
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            if path.suffix == ".py" or (package == "scripts" and is_script(path)):
                yield path


def is_script(path):
    return path.is_file() and not path.suffix and b"python" in path.read_bytes()[:60]


def test_no_code_runs_what_comes_from_a_file():
    files = list(python_files())
    assert len(files) > 250
    found = {
        (path.relative_to(ROOT).as_posix(), what): line
        for path in files
        for line, what in found_in(path.read_text(encoding="utf-8"))
    }
    new = [f"{f}:{line}: {what}" for (f, what), line in found.items() if (f, what) not in ALLOWED]
    assert new == []
    assert set(ALLOWED) <= set(found), "allowed, and not there any more"


@pytest.mark.parametrize(
    "code",
    [
        "import pickle\npickle.load(file)",
        "import pickle as p\np.loads(data)",
        "from pickle import Unpickler",
        "import dill",
        "import joblib",
        "import torch\ntorch.load(path)",
        "from torch import load\nload(path, weights_only=False)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import numpy as np\nnp.load(path, allow_pickle=choice)",
        "import yaml\nyaml.load(text, Loader=yaml.Loader)",
        "from ruamel.yaml import YAML\nYAML(typ='unsafe')",
        "eval(text)",
        "exec(text)",
        "import subprocess\nsubprocess.run(line, shell=True)",
        "import os\nos.system(line)",
        "import pandas as pd\npd.read_pickle(path)",
    ],
)
def test_each_way_is_seen(code):
    assert list(found_in(code))


@pytest.mark.parametrize(
    "code",
    [
        "import pickle\ntry: pass\nexcept pickle.UnpicklingError: pass",
        "import torch\ntorch.load(path, weights_only=True)",
        "import numpy as np\nnp.load(path, allow_pickle=False)\nnp.load(path)",
        "network.eval()",
        "from ruamel.yaml import YAML\nYAML(typ='safe').load(text)",
        "import subprocess\nsubprocess.run(words)",
    ],
)
def test_what_is_safe_is_left_alone(code):
    assert list(found_in(code)) == []


def test_no_file_in_git_holds_a_pickle():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    assert len(files) > 500
    assert pickled_among([path for path in files if path.is_file()], ROOT) == []


def test_a_planted_pickle_is_found(tmp_path):
    (tmp_path / "innocent.npy").write_bytes(pickle.dumps([1]))
    (tmp_path / "plain.txt").write_bytes(b"plain")
    assert pickled_among(sorted(tmp_path.iterdir()), tmp_path) == ["innocent.npy"]
