"""`kdsharp models`: the models that ship, as a table: what each undoes, its cost, size and gain."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from kdsharp.runtime import catalog as model
from kdsharp.runtime.card import Card, read_card
from kdsharp.tables import aligned, markdown

__all__ = ["model_page", "model_table", "models"]

_HEAD = (
    *("name", "undoes", "scale", "parameters", "MAC/pixel", "GMAC at 720p", "KB fp32", "KB int8"),
    *("gain fp32", "gain int8", "gate"),
)
_PAGE_HEAD = (
    *("name", "undoes", "scale", "parameters", "MAC/pixel", "KB fp32", "KB int8"),
    *("gain fp32", "gain int8", "photos", "learned from", "gate"),
)
_UNKNOWN = "-"
_PAGE = "README.md"

_ABOUT = """\
# The models that ship

`kdsharp/weights/NAME/`, by scale and cost. `{default}` is what plain enlarging gets when nothing is
named. Each name leads to the model's own page; [release.md](release.md) tells how they are made,
[robustness.md](robustness.md) what the recipes do that they undo, and
[model-format.md](model-format.md) what their cards mean, and their limits.

{table}

The gains are in Y-PSNR over doing nothing, means over the validation photos of the model's own
recipe, so rows of different recipes or scales do not compare; [front.md](front.md) has benchmarks.
"photos" is how many it was trained on. A model that learned from a teacher was distilled.

## `kdsharp models`

The command prints the same for a terminal. With `--markdown` it prints this page:

```sh
kdsharp models --markdown > docs/models.md
```"""


def models(
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="As the page docs/models.md of the repository.")
    ] = False,
) -> None:
    """List the models that ship: what they undo, cost and gain.

    Pass a name to --model. The gain is the one on each model's own page, weights/NAME/README.md in
    the package. A model that the pipeline's gate did not judge is listed as such.

    Example: kdsharp sharpen photo.jpg -o sharp.jpg --model nano-x2
    """
    typer.echo(model_page() if as_markdown else "\n".join(model_table()))


def model_table() -> list[str]:
    """A line of headings, and one for each model that ships, by scale and cost.

    The gain is in dB of Y-PSNR over the degraded photos that its training was validated on; the
    gate is its verdict on the model, if it was asked; "-" is what a card does not say. Raises
    `UserError` for an invalid card.
    """
    rows = _rows()
    if not rows:
        return ["no model ships in this build"]
    lines = aligned(_HEAD, _cells(rows, _HEAD), left=2)
    defaults = ["", *(" (default)" if row["name"] == model.DEFAULT else "" for row in rows)]
    return [line + mark for line, mark in zip(lines, defaults, strict=True)]


def model_page() -> str:
    """docs/models.md, without a newline at its end: a table of them, and what its columns mean.

    It also has how many photos each was trained on, which its page says, and what it learned from.
    Raises `UserError` for an invalid card.
    """
    linked = [
        row | {"name": f"[{row['name']}](../kdsharp/weights/{row['name']}/{_PAGE})"}
        for row in _rows()
    ]
    table = markdown(_PAGE_HEAD, _cells(linked, _PAGE_HEAD))
    return _ABOUT.format(default=model.DEFAULT, table=table)


def _rows() -> list[dict[str, str]]:
    """The cells of each model by their headings, by scale and cost."""
    cards = [(name, read_card(model.SHIPPED / name)) for name in model.shipped_models()]
    cards.sort(key=lambda named: (named[1].scale, named[1].macs_per_pixel))
    return [_row(name, card) for name, card in cards]


def _cells(rows: Sequence[Mapping[str, str]], head: Sequence[str]) -> list[list[str]]:
    return [[row[name] for name in head] for row in rows]


def _row(name: str, card: Card) -> dict[str, str]:
    gain = _gain(card.metrics)
    loss = card.int8.loss_db if card.int8 else None
    return {
        "name": name,
        "undoes": card.degradation,
        "scale": str(card.scale),
        "parameters": f"{card.parameters:,}",
        "MAC/pixel": f"{card.macs_per_pixel:.0f}",
        "GMAC at 720p": f"{card.macs_per_pixel * 1280 * 720 / 1e9:.2f}",
        "KB fp32": _kilobytes(name, card.file),
        "KB int8": _kilobytes(name, card.int8.file if card.int8 else None),
        "gain fp32": _decibels(gain),
        "gain int8": _decibels(gain - loss if gain is not None and loss is not None else None),
        "photos": _photos(name),
        "learned from": model.learned_from(card) or _UNKNOWN,
        "gate": _gate(card.gate),
    }


def _photos(name: str) -> str:
    """How many it learned from. The card knows their list by its hash alone; the page counts it."""
    try:
        page = (model.SHIPPED / name / _PAGE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return _UNKNOWN
    found = re.search(r"\*\*Photos\*\*:\s+(\d+)\s+train", page)
    return found[1] if found else _UNKNOWN


def _kilobytes(name: str, file: str | None) -> str:
    return f"{(model.SHIPPED / name / file).stat().st_size / 1000:.0f}" if file else _UNKNOWN


def _decibels(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:+.2f} dB"


def _gate(gate: Mapping[str, Any] | None) -> str:
    if gate is None:
        return _UNKNOWN
    if not gate["judged"]:
        return "not judged"
    return "passed" if gate.get("forced") is None else "forced"


def _gain(metrics: Mapping[str, Any]) -> float | None:
    """The fp32 file's gain over doing nothing, if given: a card's keys are up to the trainer."""
    try:
        val = metrics["val"]
        return float(val["student_onnx"]["psnr_y"]) - float(val["input"]["psnr_y"])
    except (KeyError, TypeError, ValueError):
        return None
