"""The page's own checks, and that what is built is the same here; skipped where npm is missing."""

import filecmp
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """A copy of web/ with what it needs."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    if int(re.sub(r"\D.*", "", version.strip().lstrip("v")) or 0) < 20:
        pytest.skip(f"the page needs Node.js 20, not {version.strip()}")
    folder = tmp_path_factory.mktemp("copy") / "web"
    shutil.copytree(ROOT / "web", folder, ignore=shutil.ignore_patterns("node_modules", ".built"))
    done = subprocess.run([npm, "ci"], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"npm cannot install: {done.stderr[-300:]}")
    return folder


def npm(web, *words):
    done = subprocess.run(
        ["npm", *words], cwd=web, capture_output=True, text=True, env={**os.environ, "CI": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_types_and_units(web):
    npm(web, "run", "check")
    npm(web, "test")


def test_the_built_page_is_that_of_the_sources(web):
    npm(web, "run", "build", "--", "--out", str(web.parent / "page"))
    compared = filecmp.dircmp(web.parent / "page", ROOT / "kdsharp" / "serve" / "page")

    def differing(one):
        yield from (*one.left_only, *one.right_only, *one.diff_files)
        for below in one.subdirs.values():
            yield from differing(below)

    assert list(differing(compared)) == []
