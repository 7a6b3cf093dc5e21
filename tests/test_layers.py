"""docs/architecture.md draws the layers and two walks through the folders: the imports agree."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGES = ("kdsharp", "pipeline")


def parse_layers(page):
    """{package: [[folder, ...] from the top]} of the block under "Layers"."""
    layers = {}
    for line in page.split("## Layers")[1].split("```")[1].strip("\n").split("\n"):
        words = line.split()
        if not line.startswith(" "):
            package, *words = words
            layers[package] = []
        layers[package].append(words)
    return layers


def parse_walk(page, title):
    """(folder, caller) of each row of the table under `title`."""
    section = page.split(f"## {title}")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.split("\n") if line.startswith("| `")]
    return [(row[0].strip(" `"), row[-1].strip(" `")) for row in rows]


LAYERS = parse_layers(PAGE)
WALKS = {
    title: parse_walk(PAGE, title)
    for title in ("From a photo to a sharpened picture", "From a photo to a published model")
}


def imported(path):
    """The project's modules that a file imports anywhere in it, as their paths without suffix."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
        elif isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] in PACKAGES:
                yield name.replace(".", "/")


def files(place):
    path = ROOT / place
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def calls(caller, folder):
    """Whether a file of `caller` imports something of `folder`."""
    if caller == "dvc.yaml":
        return folder.replace("/", ".") in (ROOT / caller).read_text(encoding="utf-8")
    return any(
        name == folder or name.startswith(f"{folder}/")
        for path in files(caller)
        for name in imported(path)
    )


def upward(layers, package):
    """Imports that go up, or beside each other on one line."""
    level = {name: depth for depth, names in enumerate(layers[package]) for name in names}
    for name, depth in level.items():
        for path in files(f"{package}/{name}"):
            for target in imported(path):
                first, _, rest = target.partition("/")
                other = rest.split("/")[0]
                if first == package and other != name and level.get(other, depth + 1) <= depth:
                    yield f"{path.relative_to(ROOT)} imports {target}"


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_go_down(package):
    assert sorted(upward(LAYERS, package)) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_has_its_layer(package):
    drawn = [name for names in LAYERS[package] for name in names]
    there = {path.parent.name for path in (ROOT / package).glob("*/*.py")}
    assert sorted(drawn) == sorted(there)


def test_what_goes_up_is_seen():
    assert list(upward({"kdsharp": [["imageio"], ["sharpening"]]}, "kdsharp"))


@pytest.mark.parametrize("title", WALKS)
def test_each_step_is_called_by_the_one_that_is_named(title):
    walk = WALKS[title]
    assert len(walk) >= 7
    for folder, caller in walk:
        assert (ROOT / folder).is_dir(), folder
        assert not caller or calls(caller, folder), f"{caller} does not import {folder}"
    assert [caller for _, caller in walk].count("") == 1  # where a person begins


def test_the_walks_pass_through_every_folder_but_the_helpers():
    passed = {"/".join(folder.split("/")[:2]) for walk in WALKS.values() for folder, _ in walk}
    there = {f"{package}/{name}" for package in PACKAGES for row in LAYERS[package] for name in row}
    assert there - passed == {"kdsharp/comparison", "kdsharp/export", "pipeline/services"}


def test_what_is_not_called_is_seen():
    assert not calls("kdsharp/imageio", "kdsharp/batch")


def test_every_path_on_the_page_is_there():
    named = re.findall(r"`((?:kdsharp|pipeline|benchmarks|tests)/[\w/.]*)`", PAGE)
    assert len(named) > 30
    assert [path for path in named if not (ROOT / path).exists()] == []
