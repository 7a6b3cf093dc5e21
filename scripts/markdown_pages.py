"""Markdown of the repository as pages of HTML, with links that lead to the other pages."""

import html
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["Page", "render", "templated"]

_TEMPLATE = """\
<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>{title} - kdsharp</title>
    <link rel="icon" href="{up}assets/icon.svg" type="image/svg+xml">
    <link rel="stylesheet" href="{up}assets/style.css">
  </head>
  <body>
    <header>
      <p class="name"><a href="{up}index.html">kdsharp</a></p>
      <nav aria-label="Views">{links}</nav>
    </header>
    <main class="text">
{body}
    </main>
  </body>
</html>
"""


@dataclass
class Page:
    """`title` and `body` of a page, and the `pictures` it shows, by their paths in the tree."""

    title: str
    body: str
    pictures: list[Path] = field(default_factory=list)


def render(text: str, place: Path, known: Collection[Path]) -> Page:
    """The Markdown `text`, which lies at `place` of the tree.

    A link to one of the `known` files becomes one to its page. One to any other file of the tree,
    which is not on the site, loses its address.
    """
    markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = markdown.parse(text)
    page = Page(place.stem, "")
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            words = tokens[number + 1].content
            token.attrSet("id", _slug(words))
            if token.tag == "h1":
                page.title = re.sub(r"[*`]", "", words)
    for token in _all(tokens):
        if token.type == "link_open":
            _lead(token, place, known)
        elif token.type == "image":
            page.pictures.append(_of_tree(place, str(token.attrGet("src"))))
        elif token.type.startswith("html"):
            sources = re.findall(r'<img src="([^":]+)"', token.content)
            page.pictures += [_of_tree(place, source) for source in sources]
    page.body = markdown.renderer.render(tokens, markdown.options, {})
    # Wide tables scroll by themselves, and not the page with them.
    page.body = page.body.replace("<table>", '<div class="wide"><table>')
    page.body = page.body.replace("</table>", "</table></div>")
    return page


def templated(title: str, body: str, links: Mapping[str, str], depth: int) -> str:
    """A whole page, `depth` folders below the site's own."""
    up = "../" * depth
    shown = {"Pictures": "index.html#pictures", "Live": "index.html#live", **links}
    anchors = "\n".join(f'<a href="{up}{to}">{name}</a>' for name, to in shown.items())
    return _TEMPLATE.format(title=html.escape(title), up=up, links=anchors, body=body)


def _all(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _all(token.children or [])


def _lead(token: Token, place: Path, known: Collection[Path]) -> None:
    address = str(token.attrGet("href"))
    path, mark, part = address.partition("#")
    if not path or re.match(r"[a-z]+:", path):
        return
    target = _of_tree(place, path)
    if target in known:
        token.attrSet("href", f"{path.removesuffix('.md')}.html{mark}{part}")
    elif target.suffix not in (".png", ".jpg"):
        token.attrs.pop("href")


def _of_tree(place: Path, address: str) -> Path:
    """Where an address on the page of `place` leads, from the root of the tree."""
    return Path(os.path.normpath(place.parent / address))


def _slug(words: str) -> str:
    """The anchor that GitHub gives a heading, to which the links in the docs lead."""
    plain = re.sub(r"[^\w\- ]", "", words.lower())
    return plain.replace(" ", "-")
