"""docs/api.md is what the docstrings say, and signatures are shown as they are written."""

import ast
import inspect
from dataclasses import dataclass, field
from importlib import import_module

import pytest

from scripts import api_page


class Sample:
    """A class with one of each."""

    def __init__(self, first: int, *, words: "list[str] | None" = None) -> None:
        """Not shown: the class is."""

    @property
    def size(self) -> int:
        """A property."""

    @classmethod
    def of(cls, *parts: str, **named: str) -> "Sample":
        """Another way to make one."""

    def method(self, a, /, b=(1, 2), *, c: str = "x y") -> None:
        """A method."""

    def _hidden(self) -> None:
        """Not shown."""


@dataclass(frozen=True)
class Fields:
    """Fields are arguments."""

    name: str
    found: dict[str, int] = field(default_factory=dict)


def bare():
    pass


def entry(value, monkeypatch):
    module = inspect.getmodule(value)
    monkeypatch.setattr(module, "shown", value, raising=False)
    return "\n".join(api_page._entry(module, "shown"))


def test_the_page_is_that_of_the_docstrings(capsys):
    code = api_page.main(["--check"])
    assert (code, capsys.readouterr().err) == (0, "")


def test_a_stale_page_is_told_and_written_anew(tmp_path, monkeypatch, capsys):
    page = tmp_path / "api.md"
    monkeypatch.setattr(api_page, "PAGE", page)
    for text in (None, "another text\n"):
        if text is not None:
            page.write_text(text)
        assert api_page.main(["--check"]) == 1
        assert capsys.readouterr().err.count("\n") == 1
        assert not page.exists() or page.read_text() == text
    assert api_page.main([]) == 0
    assert api_page.main(["--check"]) == 0
    assert page.read_text(encoding="utf-8") == api_page.render()


def test_every_name_has_its_place_and_lines_fit():
    lines = api_page.render().splitlines()
    for module, names in api_page.PUBLIC.items():
        assert f"## {module}" in lines
        assert set(names) <= set(import_module(module).__all__)
        assert all(f"### {name}" in lines for name in names)
    assert [line for line in lines if len(line) > 100] == []
    assert "#### Sharpener.file" in lines


def test_a_class_is_shown_with_its_public_methods(monkeypatch):
    text = entry(Sample, monkeypatch)
    blocks = [block.split("\n```")[0] for block in text.split("```python\n")[1:]]
    assert blocks == [
        "class Sample(first: int, *, words: list[str] | None = None)",
        "shown.size: int",
        "shown.of(*parts: str, **named: str) -> Sample",
        'method(a, b = (1, 2), *, c: str = "x y") -> None',
    ]
    assert "Another way to make one." in text
    assert "ot shown" not in text


def test_a_dataclass_is_shown_with_its_fields(monkeypatch):
    assert "class Fields(name: str, found: dict[str, int] = dict())" in entry(Fields, monkeypatch)


def test_what_is_not_described_is_refused(monkeypatch):
    with pytest.raises(SystemExit, match="shown has no docstring"):
        entry(bare, monkeypatch)


def test_long_signatures_have_a_line_for_each_parameter():
    long = ast.parse(f"def run(first: {'A' * 60}, second: {'B' * 60}) -> None: ...")
    source = api_page._Source(ast.unparse(long))
    lines = source.signature(source.definition).split("\n")
    assert lines == ["run(", f"    first: {'A' * 60},", f"    second: {'B' * 60},", ") -> None"]
