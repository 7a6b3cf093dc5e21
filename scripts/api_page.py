"""Write docs/api.md, what the library offers, from signatures and docstrings.

    python scripts/api_page.py           # write it
    python scripts/api_page.py --check   # exit code 1 if it is not what would be written

Signatures are taken from the source, so that every Python writes the same page.
"""

import argparse
import ast
import importlib
import inspect
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

__all__ = ["PUBLIC", "main", "render"]

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
WIDTH = 100

PUBLIC: Mapping[str, tuple[str, ...]] = {
    "kdsharp": ("Sharpener",),
    "kdsharp.sharpening.file": ("Sharpened",),
    "kdsharp.routing.router": ("Choice",),
    "kdsharp.runtime.engine": ("load_engine",),
    "kdsharp.video": ("sharpen_video", "VideoOptions", "VideoResult"),
    "kdsharp.imageio.read": ("open_photo",),
    "kdsharp.imageio.write": ("save_photo",),
    "kdsharp.imageio.photo": ("Photo",),
    "kdsharp.degrade": (
        *("degrade", "known_recipe", "crop_to_multiple"),
        *("recipe_table", "tell_recipe"),
    ),
    "kdsharp.metrics": ("METRICS", "compare", "psnr", "ssim", "gmsd"),
    "kdsharp.runtime.card": ("Card", "Tensor", "Int8", "read_card", "write_card"),
    "kdsharp.errors": (
        *("KdsharpError", "UserError", "TransientError", "INTERRUPTED"),
        *("describe", "exit_code", "run"),
    ),
}
"""Names by the module that they are imported from, in the order of the page."""

TOP = """\
# The library

Importing `kdsharp` is cheap, and nothing here needs torch or a network. Examples are in
[sharpen.md](sharpen.md#from-python), [video.md](video.md) and [robustness.md](robustness.md), and
[CHANGELOG.md](../CHANGELOG.md) tells what has changed. `python scripts/api_page.py` writes this
page from the docstrings.
"""

Definition = ast.FunctionDef | ast.ClassDef


def render() -> str:
    """The whole page."""
    parts = [TOP]
    parts += map(_link, PUBLIC)
    for module, names in PUBLIC.items():
        loaded = importlib.import_module(module)
        parts += ["", f"## {module}", "", inspect.getdoc(loaded) or ""]
        for name in names:
            parts += _entry(loaded, name)
    return "\n".join(parts) + "\n"


def main(words: list[str] | None = None) -> int:
    """Write the page or check it, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    chosen = parser.parse_args(words)
    page = render()
    if not chosen.check:
        PAGE.write_text(page, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
        print("docs/api.md is stale: python scripts/api_page.py writes it", file=sys.stderr)
        return 1
    return 0


def _link(module: str) -> str:
    names = ", ".join(f"`{name}`" for name in PUBLIC[module])
    line = f"- [`{module}`](#{module.replace('.', '')}): {names}"
    return textwrap.fill(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _entry(module: ModuleType, name: str) -> Iterator[str]:
    """The lines about one name, and about the methods of a class."""
    value = getattr(module, name)
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        yield from _constant(module, name)
        return
    source = _Source(inspect.getsource(value))
    node = source.definition
    yield from _described(f"### {name}", source.signature(node), node)
    if isinstance(node, ast.ClassDef):
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name[0] != "_":
                signature = source.signature(method, owner=name)
                yield from _described(f"#### {name}.{method.name}", signature, method)


def _described(heading: str, signature: str, node: Definition) -> list[str]:
    about = ast.get_docstring(node)
    if not about:
        raise SystemExit(f"{heading.strip('# ')} has no docstring")
    return ["", heading, "", "```python", signature, "```", "", about]


def _constant(module: ModuleType, name: str) -> Iterator[str]:
    source = _Source(inspect.getsource(module))
    for node, after in zip(source.tree.body, source.tree.body[1:], strict=False):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            about = after.value if isinstance(after, ast.Expr) else None
            if not isinstance(about, ast.Constant):
                raise SystemExit(f"{module.__name__}.{name} has no docstring")
            yield from ("", f"### {name}", "", "```python", source.text(node), "```", "")
            yield str(about.value)
            return
    raise SystemExit(f"{module.__name__} has no {name}")


class _Source:
    """A piece of source, and the signatures that are written in it."""

    def __init__(self, code: str) -> None:
        self.code = textwrap.dedent(code)
        self.tree = ast.parse(self.code)

    @property
    def definition(self) -> Definition:
        node = self.tree.body[0]
        assert isinstance(node, Definition)
        return node

    def text(self, node: ast.AST) -> str:
        """On one line, and a forward reference without its quotes."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        return self._segment(node)

    def signature(self, node: Definition, owner: str | None = None) -> str:
        if isinstance(node, ast.ClassDef):
            return self._constructor(node)
        marks = {mark.id for mark in node.decorator_list if isinstance(mark, ast.Name)}
        gives = f" -> {self.text(node.returns)}" if node.returns else ""
        if "property" in marks:
            return f"{owner}.{node.name}{gives.replace(' -> ', ': ', 1)}"
        called = f"{owner}.{node.name}" if "classmethod" in marks else node.name
        return _call(called, self._parameters(node, skip=int(owner is not None)), gives)

    def _constructor(self, node: ast.ClassDef) -> str:
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
                return _call(f"class {node.name}", self._parameters(inner, skip=1))
        fields = [self._field(inner) for inner in node.body if isinstance(inner, ast.AnnAssign)]
        if not fields:
            bases = ", ".join(map(self.text, node.bases))
            return f"class {node.name}({bases})"
        return _call(f"class {node.name}", fields)

    def _field(self, node: ast.AnnAssign) -> str:
        shown = f"{self.text(node.target)}: {self.text(node.annotation)}"
        if node.value is None:
            return shown
        return f"{shown} = {self._value(node.value)}"

    def _parameters(self, node: ast.FunctionDef, skip: int) -> list[str]:
        given = node.args
        plain = [*given.posonlyargs, *given.args]
        missing: list[ast.expr | None] = [None] * (len(plain) - len(given.defaults))
        found = [*map(self._parameter, plain, [*missing, *given.defaults])][skip:]
        if given.vararg:
            found.append(f"*{self._parameter(given.vararg, None)}")
        elif given.kwonlyargs:
            found.append("*")
        found += map(self._parameter, given.kwonlyargs, given.kw_defaults)
        if given.kwarg:
            found.append(f"**{self._parameter(given.kwarg, None)}")
        return found

    def _parameter(self, parameter: ast.arg, default: ast.expr | None) -> str:
        shown = parameter.arg
        if parameter.annotation:
            shown += f": {self.text(parameter.annotation)}"
        if default is not None:
            shown += f" = {self._value(default)}"
        return shown

    def _value(self, node: ast.expr) -> str:
        """A default; of a field of a dataclass, what it is made by."""
        if isinstance(node, ast.Call) and self._segment(node.func) == "field":
            for word in node.keywords:
                if word.arg == "default_factory":
                    return f"{self._segment(word.value)}()"
        return self._segment(node)

    def _segment(self, node: ast.AST) -> str:
        return " ".join((ast.get_source_segment(self.code, node) or "").split())


def _call(name: str, parameters: list[str], gives: str = "") -> str:
    """On one line where there is room, else a line for each parameter."""
    line = f"{name}({', '.join(parameters)}){gives}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {one}," for one in parameters), f"){gives}"])


if __name__ == "__main__":
    sys.exit(main())
