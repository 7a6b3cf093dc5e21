"""The page beside a model that people read: what it is, how to use it, what it was made of.

All of it follows from the card, the manifest of photos and parameters: the same bytes each time.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from kdsharp.card import Card
from kdsharp.degrade import tell_recipe
from kdsharp.files import write_text
from kdsharp.train.family import PLAIN

__all__ = ["PAGE", "model_card", "write_model_card"]

PAGE = "README.md"
"""The page's name in a model folder."""

Row = Mapping[str, str]
Settings = Mapping[str, Mapping[str, Any]]

_METHODS = {
    "input": "input (doing nothing)",
    "student": "student, before the export",
    "student_onnx": "fp32",
    "student_int8": "int8",
}
_METRICS = {
    "psnr_y": "PSNR Y (dB)",
    "ssim_y": "SSIM Y",
    "psnr_rgb": "PSNR RGB (dB)",
    "ssim_rgb": "SSIM RGB",
}

_LIMITS = """\
It was trained on {recipe} alone. What it does to pictures that were made small or blurred in \
another way was not measured.
It does not enlarge: enlarge a small picture {scale} times by bicubic first.
It was trained on pictures that begin on the grid of their degradation. One that was cut \
afterwards, by pixels that are no multiple of {scale}, may gain less.
{clean}The validation photos also chose the best state of the training, which flatters it.
It was not measured on video, drawings, text, screenshots, medical or satellite pictures.
What it adds is likely, not known: a sharpened picture is no evidence of what was there."""

_CLEAN = "It was trained on neither noise nor compression, and may take both for detail.\n"


def write_model_card(
    folder: Path, card: Card, photos: Sequence[Row], settings: Settings | None = None
) -> None:
    """Write README.md into the model folder `folder`, whose files are there already.

    `photos` are the rows of the manifest, with their keys `split`, `source` and `licence`.
    `settings` are sections of params.yaml to show beside what the card's lineage says of teacher
    and student, such as {"patches": {"size": 128}}.
    """
    names = [card.file, *([card.int8.file] if card.int8 else [])]
    sizes = {name: (folder / name).stat().st_size for name in names}
    write_text(folder / PAGE, model_card(card, photos, settings or {}, sizes))


def model_card(
    card: Card, photos: Sequence[Row], settings: Settings, sizes: Mapping[str, int]
) -> str:
    """The page in Markdown; `sizes` are the bytes of each of the card's files."""
    blocks = [
        f"# {card.name}",
        *_what(card, sizes),
        "## Use",
        *_use(card),
        "## Photos",
        *_photos(photos, card),
        "## Training",
        *_training(card, settings),
        "## Measured",
        *_measured(card),
        "## Limits",
        _limits(card),
    ]
    return "\n\n".join(blocks) + "\n"


def _what(card: Card, sizes: Mapping[str, int]) -> Iterator[str]:
    scale, gmac = card.scale, card.macs_per_pixel * 1280 * 720 / 1e9
    sees = "red, green and blue"
    if card.color == "luma":
        sees = "the brightness alone; colour passes through"
    undo = f"what the recipe `{card.degradation}` does (x{scale}): {tell_recipe(card.degradation)}"
    if card.degradation == PLAIN:
        undo = (
            f"one degradation: {card.degradation} x{scale}, which shrinks a picture to 1/{scale} "
            "of its sides, stores it with 8 bit, and enlarges it again"
        )
    yield _paragraph(
        "Three convolutions that sharpen a picture at its own size. They undo "
        f"{undo}. The network sees {sees}."
    )
    yield _paragraph(
        f"{card.parameters:,} parameters, {card.macs_per_pixel:,.0f} multiply-accumulates a pixel "
        f"({gmac:.2f} GMAC for 1280x720). An output pixel depends on inputs at most "
        f"{card.receptive_radius} pixels away."
    )
    about = {card.file: "the model, 32-bit floating point"}
    if card.int8:
        about[card.int8.file] = "the same in whole numbers, 8 bit in and out"
    rows = [(f"`{name}`", about[name], f"{sizes[name]:,}") for name in about]
    yield _table(("file", "what", "bytes"), rows)


def _use(card: Card) -> Iterator[str]:
    yield _paragraph(
        "`MODEL` is this folder, or its name where it lies in `weights` of the kdsharp package."
    )
    yield _code("sh", "kdsharp sharpen photo.jpg -o sharp.jpg --model MODEL")
    yield _code(
        "python",
        "from kdsharp import Sharpener\n",
        'sharpener = Sharpener("MODEL")',
        'sharpener.file("photo.jpg", "sharp.jpg")',
    )
    luma = card.color == "luma"
    planes = "(rgb @ np.float32([0.299, 0.587, 0.114]))[None]" if luma else "rgb.transpose(2, 0, 1)"
    feed = f'{{"{card.input.name}": planes[None] / 255}}'
    yield "With ONNX Runtime alone:"
    yield _code(
        "python",
        "import numpy as np, onnxruntime",
        "from PIL import Image\n",
        'rgb = np.asarray(Image.open("photo.jpg").convert("RGB"), np.float32)',
        f"planes = {planes}",
        f'session = onnxruntime.InferenceSession("{card.file}")',
        f'(out,) = session.run(["{card.output.name}"], {feed})',
        "sharp = rgb + (out[0] * 255 - planes).transpose(1, 2, 0)",
        'Image.fromarray(sharp.round().clip(0, 255).astype(np.uint8)).save("sharp.png")',
    )


def _photos(photos: Sequence[Row], card: Card) -> Iterator[str]:
    splits = Counter(photo["split"] for photo in photos)
    counts = ", ".join(f"{splits[s]} {s}" for s in ("train", "val", "test") if splits[s])
    if splits["unlabelled"]:
        counts += f", {splits['unlabelled']} without a truth"
    sources = ", ".join(sorted({photo["source"] for photo in photos}))
    yield _paragraph(
        f"Source `{sources}`: {counts}. The network learned from train, val chose its best state, "
        "and test was left for the report. MD5 of the list of photos: "
        f"`{card.lineage.get('data_hash', 'not recorded')}`."
    )
    yield _table(("licence", "photos", "authors"), _licences(photos))


def _licences(photos: Sequence[Row]) -> Iterator[tuple[str, str, str]]:
    """The manifest says "licence, author"; without a comma nobody is named."""
    pairs = [photo["licence"].partition(", ")[::2] for photo in photos]
    for licence, count in sorted(Counter(licence for licence, _ in pairs).items()):
        authors = sorted({author for other, author in pairs if other == licence and author})
        yield licence, str(count), "; ".join(authors)


def _training(card: Card, settings: Settings) -> Iterator[str]:
    yield _paragraph(
        "The keys are those of params.yaml, see docs/params.md of the repository; `best_epoch`, "
        "`val_psnr_y` and `sha256` belong to the trained weights."
    )
    made = {key: value for key, value in card.lineage.items() if isinstance(value, Mapping)}
    yield _table(("parameter", "value"), _flat({**settings, **made}))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"`{prefix}{key}`", f"`{json.dumps(value, ensure_ascii=False)}`"


def _measured(card: Card) -> Iterator[str]:
    if card.int8:
        yield f"int8 loses {card.int8.loss_db:.3f} dB of PSNR on Y on the validation photos."
    if not card.metrics:
        yield "Nothing was measured."
        return
    yield _paragraph(
        "Means over the photos, by `dvc repro export`; `dvc repro && python -m pipeline results` "
        f"tells of the test photos. On Y {card.scale} pixels at each border are left out."
    )
    rows = [
        (split, _METHODS.get(name, name), *_numbers(row), _gain(row, methods.get("input", {})))
        for split, methods in card.metrics.items()
        for name, row in methods.items()
    ]
    yield _table(("photos", "method", *_METRICS.values(), "gain on Y (dB)"), rows)


def _numbers(row: Mapping[str, float]) -> Iterator[str]:
    for key in _METRICS:
        digits = 2 if key.startswith("psnr") else 4
        yield f"{row[key]:.{digits}f}" if key in row else ""


def _gain(row: Mapping[str, float], nothing: Mapping[str, float]) -> str:
    if row is nothing or "psnr_y" not in row or "psnr_y" not in nothing:
        return ""
    return f"{row['psnr_y'] - nothing['psnr_y']:+.2f}"


def _limits(card: Card) -> str:
    plain = card.degradation == PLAIN
    limits = _LIMITS.format(
        recipe=f"{card.degradation} x{card.scale}" if plain else f"`{card.degradation}`",
        scale=card.scale,
        clean=_CLEAN if plain else "",
    )
    return "\n".join(_paragraph(limit, "- ", "  ") for limit in limits.splitlines())


def _paragraph(text: str, first: str = "", others: str = "") -> str:
    return fill(
        text,
        100,
        initial_indent=first,
        subsequent_indent=others,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _code(language: str, *lines: str) -> str:
    return "\n".join((f"```{language}", *lines, "```"))


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [headings, ["---"] * len(headings), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
