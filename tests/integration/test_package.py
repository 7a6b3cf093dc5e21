"""What `pip install kdsharp` would bring."""

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import Parser
from importlib.metadata import distribution

import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image
from skimage import data

from kdsharp.degrade import degrade
from tests.integration.checkout import make_checkout
from tests.models import make_model

pytestmark = pytest.mark.integration

LIGHT = {"numpy", "onnxruntime", "pillow", "rich", "typer"}


OFFLINE = """
import socket
def refuse(*_): raise OSError("no network in this test")
socket.socket.connect = socket.getaddrinfo = refuse
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the wheel and the source archive, with a model of tests if none ships yet."""
    folder = tmp_path_factory.mktemp("built")
    checkout = make_checkout(folder / "checkout")
    model = checkout.root / "kdsharp/weights/small-x2"
    if not model.exists():
        make_model(model)
    checkout.run(sys.executable, "-m", "hatchling", "build", "-d", str(folder))
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def core(wheel, tmp_path_factory):
    """The binaries of a fresh environment with the wheel, what it requires, and no network.

    Requirements are links to those of this environment: nothing is downloaded.
    """
    folder = tmp_path_factory.mktemp("core")
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in required("kdsharp"):
        for entry in {file.parts[0] for file in distribution(name).files} - {".."}:
            if not (site / entry).exists():
                (site / entry).symlink_to(distribution(name).locate_file(entry))
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), "install", "-q"]
    subprocess.run([*pip, "--no-index", "--no-deps", str(wheel)], check=True)
    (site / "sitecustomize.py").write_text(OFFLINE)
    return folder / "bin"


def required(name, seen=None):
    """Names of all distributions that `name` needs here without extras, however deep."""
    seen = set() if seen is None else seen
    for line in distribution(name).requires or ():
        needed = Requirement(line)
        wanted = needed.marker is None or needed.marker.evaluate({"extra": ""})
        if wanted and needed.name not in seen:
            seen.add(needed.name)
            required(needed.name, seen)
    return seen


def test_the_wheel_holds_kdsharp_alone(wheel):
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"kdsharp"}
    assert {"kdsharp/py.typed", "kdsharp/serve/page/index.html"} <= set(names)


def test_wheel_and_source_archive_bring_the_models(built, wheel):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        sources = {name.split("/", 1)[1] for name in opened.getnames()}
    with zipfile.ZipFile(wheel) as opened:
        wheels = set(opened.namelist())
    root = built / "checkout"
    weights = {p.relative_to(root).as_posix() for p in root.glob("kdsharp/weights/**/*.*")}
    weights = {name for name in weights if (root / name).is_file()}
    assert "kdsharp/weights/small-x2/student.onnx" in weights
    assert weights <= wheels
    assert weights <= sources
    assert not {name for name in sources if name.startswith(("data", "tests", "pipeline"))}


def test_the_core_alone_sharpens_offline_with_the_model_that_ships(core, tmp_path):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("KDSHARP_", "PYTHON"))}

    def run(*command):
        done = subprocess.run(
            [str(core / command[0]), *command[1:]],
            cwd=tmp_path,
            env=clean,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    for heavy in ("torch", "onnx", "openvino", "mlflow", "pandas"):
        probe = f"from importlib.util import find_spec; print(find_spec({heavy!r}))"
        assert run("python", "-c", probe) == "None\n"
    cells = np.random.default_rng(1).integers(0, 256, (9, 9, 3), np.uint8)
    photo = Image.fromarray(cells).resize((151, 133), Image.Resampling.BICUBIC)
    photo.save(tmp_path / "photo.jpg")
    run("kdsharp", "sharpen", "photo.jpg", "-o", "out.png", "--scale", "2")
    run("kdsharp", "sharpen", "photo.jpg", "-o", "named.png", "--model", "deep-small-x2")
    assert (tmp_path / "out.png").read_bytes() == (tmp_path / "named.png").read_bytes()
    # What was shrunk and enlarged again needs the model for that.
    low = degrade(Image.fromarray(data.astronaut()[:400, :400]).reduce(2), "bicubic", 2)
    low.save(tmp_path / "low.png")
    assert "deep-small-x2" in run("kdsharp", "sharpen", "low.png", "-o", "chosen.png")
    run("kdsharp", "sharpen", "low.png", "-o", "expected.png", "--model", "deep-small-x2")
    assert (tmp_path / "chosen.png").read_bytes() == (tmp_path / "expected.png").read_bytes()
    with Image.open(tmp_path / "photo.jpg") as low, Image.open(tmp_path / "out.png") as sharp:
        assert sharp.size == low.size
        assert not np.array_equal(np.asarray(sharp), np.asarray(low))
    assert "small-x2" in run("kdsharp", "models")


def test_the_core_needs_no_torch(wheel):
    with zipfile.ZipFile(wheel) as opened:
        (metadata,) = (name for name in opened.namelist() if name.endswith("/METADATA"))
        fields = Parser().parsestr(opened.read(metadata).decode())
    needed = [line for line in fields.get_all("Requires-Dist") if "extra ==" not in line]
    assert {re.split(r"[<>=]", line)[0].strip() for line in needed} == LIGHT
    assert set(fields.get_all("Provides-Extra")) >= {"train", "serve", "video"}


def test_the_command_works_from_the_wheel_alone(wheel, tmp_path):
    """Without the checkout on the path, and with torch and onnx out of reach."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "sys.modules.update(torch=None, onnx=None, mlflow=None, pandas=None);"
        "import kdsharp; assert sys.argv[1] in kdsharp.__file__;"
        "from kdsharp.cli.app import app; app(['--help'], standalone_mode=False)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(wheel)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "sharpen" in done.stdout


def test_training_without_its_extra_says_what_to_install(tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from kdsharp.errors import run\n"
        "def main():\n    import kdsharp.train.loop.fit\n"
        "sys.exit(run(main))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        'kdsharp: error: training needs torch: pip install "kdsharp[train]"'
    )
