"""The page beside a model that people read: what it is, how to use it, what it was made of.

All of it follows from the card, the manifest of photos and parameters: the same bytes each time.
What is true of every model is in docs/model-format.md, and the page refers to it.
"""

import json
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from kdsharp.degrade import tell_recipe
from kdsharp.files import write_text
from kdsharp.runtime.card import Card
from kdsharp.runtime.catalog import PLAIN, learned_from
from kdsharp.tables import markdown

__all__ = ["PAGE", "Row", "Settings", "model_card", "write_model_card"]

PAGE = "README.md"
"""The page's name in a model folder."""

Row = Mapping[Hashable, str]
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

_SHARED = "[docs/model-format.md](/docs/model-format.md)"
"""A link from any folder of the repository; elsewhere its words still name the page."""

_LEARNED = {
    "truth": "it learned from the truth alone: no teacher took part",
    "teacher": "it was distilled: it learned from a teacher alone",
    "teacher and truth": "it was distilled: it learned from a teacher and from the truth",
}


def write_model_card(
    folder: Path, card: Card, photos: Sequence[Row], settings: Settings | None = None
) -> None:
    """Write README.md into the model folder `folder`, whose files are there already.

    `photos` are the rows of the manifest, with their keys `split`, `source` and `licence`.
    `settings` are the sections of params.yaml that made its patches, such as
    {"patches": {"size": 128}}: the card's lineage is about teacher and student alone.
    """
    mixed = (card.mixture.mixer, card.mixture.kernels) if card.mixture else ()
    parts = (card, card.int8, card.upscaler, card.upscaler_int8, *mixed)
    names = [part.file for part in parts if part]
    sizes = {name: (folder / name).stat().st_size for name in names}
    write_text(folder / PAGE, model_card(card, photos, settings or {}, sizes))


def model_card(
    card: Card, photos: Sequence[Row], settings: Settings, sizes: Mapping[str, int]
) -> str:
    """The page in Markdown; `sizes` are the bytes of each of the card's files."""
    items = [*_use(), *_enlarging(card, sizes), _photos(photos, card)]
    items += [_training(card, settings), _measured(card)]
    blocks = [f"# {card.name}", _what(card, sizes), "\n".join(items)]
    if card.metrics:
        blocks.append(_table(card))
    blocks += ["## Limits", _limits(card)]
    return "\n\n".join(blocks) + "\n"


def _what(card: Card, sizes: Mapping[str, int]) -> str:
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
    int8 = ""
    if card.int8:
        file = card.int8.file
        int8 = f"; `{file}`, the same in whole numbers of 8 bit, has {sizes[file]:,}"
    mixture = ""
    if card.mixture:
        mixer, kernels = card.mixture.mixer.file, card.mixture.kernels.file
        mixture = (
            f" The kernels follow from the picture: `{mixer}` ({sizes[mixer]:,} bytes) looks at it "
            f"once, and `{kernels}` ({sizes[kernels]:,}) mixes {card.mixture.sets} sets of them."
        )
    return _paragraph(
        f"{_convs(card)} convolutions that sharpen a picture at its own size. They undo {undo}. "
        f"The network sees {sees}. {card.parameters:,} parameters, {card.macs_per_pixel:,.0f} "
        f"multiply-accumulates a pixel ({gmac:.2f} GMAC for 1280x720). `{card.file}`, 32-bit "
        f"floating point, has {sizes[card.file]:,} bytes{int8}.{mixture}"
    )


def _convs(card: Card) -> str:
    """How many, in a word; cards of the first versions do not say: there were three."""
    student = card.lineage.get("student")
    count = student.get("convs", 3) if isinstance(student, Mapping) else 3
    return {3: "Three", 4: "Four", 5: "Five", 6: "Six", 7: "Seven", 8: "Eight"}[count]


def _use() -> Iterator[str]:
    """Never wrapped, because people copy it."""
    python = 'from kdsharp import Sharpener; Sharpener("MODEL").file("photo.jpg", "sharp.jpg")'
    yield "- **Shell**: `kdsharp sharpen photo.jpg -o sharp.jpg --model MODEL`"
    yield f"- **Python**: `{python}`"
    yield "- `MODEL` is this folder, or its name if `kdsharp models` lists it."


def _enlarging(card: Card, sizes: Mapping[str, int]) -> Iterator[str]:
    files = [part.file for part in (card.upscaler, card.upscaler_int8) if part]
    if files:
        told = " and ".join(f"`{name}` ({sizes[name]:,} bytes)" for name in files)
        yield _item(
            "**Enlarging**:", f"{told} enlarge by bicubic first: they take a small picture."
        )


def _photos(photos: Sequence[Row], card: Card) -> str:
    splits = Counter(photo["split"] for photo in photos)
    counts = [f"{splits[s]} {s}" for s in ("train", "val", "test") if splits[s]]
    if splits["unlabelled"]:
        counts.append(f"{splits['unlabelled']} without a truth")
    sources = ", ".join(sorted({photo["source"] for photo in photos}))
    found = f"{', '.join(counts)}, source `{sources}`" if counts else "none are listed"
    return _item(
        "**Photos**:",
        f"{found}; MD5 of their list `{card.lineage.get('data_hash', 'not recorded')}`. Licences: "
        f"{', '.join(_licences(photos)) or 'none'}.",
    )


def _licences(photos: Sequence[Row]) -> Iterator[str]:
    """The manifest says "licence, author"; without a comma nobody is named."""
    pairs = [photo["licence"].partition(", ")[::2] for photo in photos]
    for licence, count in sorted(Counter(licence for licence, _ in pairs).items()):
        authors = sorted({author for other, author in pairs if other == licence and author})
        whose = f": {'; '.join(authors)}" if authors else ""
        yield f"{licence} ({count}{whose})"


def _training(card: Card, settings: Settings) -> str:
    learned = learned_from(card)
    said = f"{_LEARNED[learned]}. " if learned else ""
    patches = " and ".join(
        f"{section} ({', '.join(f'{key} {value}' for key, value in _flat(values))})"
        for section, values in settings.items()
    )
    but = f", but for those of its patches: {patches}" if patches else ""
    said += _foreign_teacher(card)
    return _item("**Training**:", f"{said}`card.json` has all parameters under `lineage`{but}.")


def _foreign_teacher(card: Card) -> str:
    """Whose network the teacher is, where it was not trained by this project."""
    teacher = card.lineage.get("teacher")
    if not isinstance(teacher, Mapping) or teacher.get("arch") != "spandrel":
        return ""
    return (
        f"Its teacher is {teacher['architecture']}, trained elsewhere: `{teacher['weights']}`, "
        f"SHA-256 `{teacher['weights_sha256']}`, licence {teacher['weights_licence']}. "
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value, ensure_ascii=False)


def _measured(card: Card) -> str:
    if not card.metrics:
        return "- **Measured**: nothing."
    loss = f"; int8 loses {card.int8.loss_db:.3f} dB of PSNR on Y" if card.int8 else ""
    return f"- **Measured**: means over the photos{loss}."


def _table(card: Card) -> str:
    rows = [
        (split, _METHODS.get(name, name), *_numbers(row), _gain(row, methods.get("input", {})))
        for split, methods in card.metrics.items()
        for name, row in methods.items()
    ]
    return markdown(("photos", "method", *_METRICS.values(), "gain on Y (dB)"), rows)


def _numbers(row: Mapping[str, float]) -> Iterator[str]:
    for key in _METRICS:
        digits = 2 if key.startswith("psnr") else 4
        yield f"{row[key]:.{digits}f}" if key in row else ""


def _gain(row: Mapping[str, float], nothing: Mapping[str, float]) -> str:
    if row is nothing or "psnr_y" not in row or "psnr_y" not in nothing:
        return ""
    return f"{row['psnr_y'] - nothing['psnr_y']:+.2f}"


def _limits(card: Card) -> str:
    trained = f"`{card.degradation}` alone"
    if card.degradation == PLAIN:
        trained = (
            f"{card.degradation} x{card.scale} alone, on neither noise nor compression, and may "
            "take both for detail"
        )
    return _paragraph(
        f"It was trained on {trained}. It does not enlarge: enlarge a small picture {card.scale} "
        f"times by bicubic first. What it adds is likely, not known. {_SHARED} has the limits of "
        "all models, what parameters and numbers mean, and code for ONNX Runtime alone."
    )


def _item(lead: str, text: str) -> str:
    return _paragraph(f"{lead} {text}", "- ", "  ")


def _paragraph(text: str, first: str = "", others: str = "") -> str:
    return fill(
        text,
        100,
        initial_indent=first,
        subsequent_indent=others,
        break_on_hyphens=False,
        break_long_words=False,
    )
