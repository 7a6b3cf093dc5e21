"""What `pip install kdsharp` would bring."""

import subprocess
import sys
import zipfile
from email.parser import Parser

import pytest

from tests.integration.checkout import make_checkout

pytestmark = pytest.mark.integration

LIGHT = {"numpy", "onnxruntime", "pillow", "rich", "typer"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    checkout = make_checkout(folder / "checkout")
    checkout.run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_kdsharp_alone(wheel):
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"kdsharp"}
    assert "kdsharp/py.typed" in names


def test_the_core_needs_no_torch(wheel):
    with zipfile.ZipFile(wheel) as opened:
        (metadata,) = (name for name in opened.namelist() if name.endswith("/METADATA"))
        fields = Parser().parsestr(opened.read(metadata).decode())
    needed = [line for line in fields.get_all("Requires-Dist") if "extra ==" not in line]
    assert {line.split(">")[0].strip() for line in needed} == LIGHT
    assert set(fields.get_all("Provides-Extra")) >= {"train", "serve", "video"}


def test_the_command_works_from_the_wheel_alone(wheel, tmp_path):
    """Without the checkout on the path, and with torch and onnx out of reach."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "sys.modules.update(torch=None, onnx=None, mlflow=None, pandas=None);"
        "import kdsharp; assert sys.argv[1] in kdsharp.__file__;"
        "from kdsharp.cli import app; app(['--help'], standalone_mode=False)"
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
        "def main():\n    import kdsharp.train.loop\n"
        "sys.exit(run(main))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        'kdsharp: error: training needs torch: pip install "kdsharp[train]"'
    )
