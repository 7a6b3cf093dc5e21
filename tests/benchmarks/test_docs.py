"""What pages and scripts say that one can type is what the scripts take."""

import argparse
import importlib
import re
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SCRIPTS = {
    path.parent.name if path.stem == "__main__" else path.stem: path
    for path in sorted((ROOT / "benchmarks").rglob("*.py"))
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
}
CALL = re.compile(r"python -m benchmarks\.(?!NAME\b)(\w+)(.*)")  # NAME: any of them


def commands(text):
    """(benchmark, words) of each call in `text`: in fences, between backticks, or indented."""
    fences = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    rest = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", rest)]
    lines = "\n".join([*fences, *spans]).replace("\\\n", " ").split("\n")
    for line in lines:
        for part in re.split(r"&&|\|", line):
            if found := CALL.match(part.strip()):
                yield found[1], shlex.split(found[2], comments=True)


def of_docstring(path):
    """The same of the indented lines at the top of a script."""
    top = path.read_text(encoding="utf-8").split('"""')[1].replace("\\\n", " ")
    return commands("```\n" + "\n".join(line.strip() for line in top.split("\n")) + "\n```")


IN_PAGES = [(p.name, *found) for p in PAGES for found in commands(p.read_text(encoding="utf-8"))]
IN_SCRIPTS = [(name, *found) for name, path in SCRIPTS.items() for found in of_docstring(path)]


class Taken(Exception):  # noqa: N818 - it is no error
    """The arguments were parsed."""


@pytest.fixture
def take(monkeypatch, capsys):
    """Run the main of a benchmark with these words as far as its arguments are parsed."""
    parse = argparse.ArgumentParser.parse_args

    def parsed(parser, *given, **more):
        parse(parser, *given, **more)
        raise Taken

    def call(name, words):
        path = SCRIPTS[name].relative_to(ROOT).with_suffix("")
        module = importlib.import_module(".".join(path.parts))
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *words])
        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed)
        try:
            module.main()
        except Taken:
            return
        except SystemExit:
            pytest.fail(capsys.readouterr().err)

    return call


@pytest.mark.parametrize(
    ("where", "name", "words"), IN_PAGES + IN_SCRIPTS, ids=lambda value: str(value)[:60]
)
def test_what_one_can_type_is_taken(take, where, name, words):
    assert name in SCRIPTS
    take(name, words)


def test_what_is_not_taken_is_seen(take):
    with pytest.raises(pytest.fail.Exception, match="--no-such-option"):
        take("classifier", ["--photos", "DIR", "--no-such-option"])


def test_every_script_says_how_it_is_called():
    assert {name for _, name, _ in IN_SCRIPTS} == set(SCRIPTS)


def test_commands_are_found_in_fences_and_between_backticks():
    text = (
        "Run `python -m\nbenchmarks.front --scale 2` or:\n```sh\n"
        'dvc repro && python -m benchmarks.student --only "a b" \\\n  --seconds 3  # long\n```\n'
    )
    assert sorted(commands(text)) == [
        ("front", ["--scale", "2"]),
        ("student", ["--only", "a b", "--seconds", "3"]),
    ]
    assert len(IN_PAGES) > 15
