"""Small pieces of HTML; every text from outside goes through `text`."""

import base64
import html
import io
from collections.abc import Iterable, Sequence

from PIL import Image

from pipeline.paths import printable

__all__ = ["jpeg", "paragraphs", "png", "signed", "table", "text"]


def text(value: object) -> str:
    """`value` escaped for an element or a quoted attribute, on one line."""
    return html.escape(printable(str(value)))


def paragraphs(sentences: Iterable[str], tag: str = "p") -> str:
    """Each sentence (plain text) in its own element."""
    return "\n".join(f"<{tag}>{text(sentence)}</{tag}>" for sentence in sentences)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], css: str = "") -> str:
    """A table of ready HTML cells that scrolls by itself; the first cell heads its row."""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in heads)
    body = "\n".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for first, *cells in rows
    )
    return (
        f'<div class="scroll"><table class="{css}"><thead><tr>{head}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def signed(value: float, digits: int = 2) -> str:
    """A gain in the color of its sign."""
    rounded = f"{value:+.{digits}f}"
    css = "loss" if value < 0 else "gain"
    return f'<span class="{css}">{rounded.replace("-", "−")}</span>'


def jpeg(picture: Image.Image, quality: int = 85) -> str:
    """`picture` as a data URI, small."""
    return _uri(picture, "jpeg", quality=quality, optimize=True)


def png(picture: Image.Image) -> str:
    """`picture` as a data URI, exact to the pixel."""
    return _uri(picture, "png", optimize=True)


def _uri(picture: Image.Image, file_format: str, **options: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return f"data:image/{file_format};base64,{base64.b64encode(buffer.getvalue()).decode()}"
