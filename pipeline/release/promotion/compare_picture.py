"""The crops of the gate set on which two versions differ most, as one picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kdsharp.files import atomic_file
from kdsharp.sharpening.sharpener import Sharpener
from pipeline.paths import printable
from pipeline.release.gate.crops import GateSet
from pipeline.release.gate.evidence import Comparison, Role
from pipeline.release.gate.models import open_model

__all__ = ["draw_comparison"]

_EACH = 2
_CELL, _GAP, _LINE, _TEXT = 320, 12, 26, 16
_PAPER, _INK = (24, 24, 27), (228, 228, 231)


def draw_comparison(
    path: Path,
    role: Role,
    folders: Sequence[Path],
    names: tuple[str, str],
    gate_set: GateSet,
    found: Comparison,
) -> None:
    """Draw input, both models and the ground truth of a few crops to `path`, a PNG.

    A row each of the crops on which the second model (`found.candidate`) loses most against the
    first (`found.incumbent`), and of those on which it gains most; with names and Y-PSNR. Crops are
    enlarged with nearest neighbour, to show pixels and not interpolation.
    """
    one, other = found.incumbent, found.candidate
    assert one is not None and one.quality is not None and other.quality is not None
    change = other.quality.psnr_y - one.quality.psnr_y
    order = np.argsort(change, kind="stable")
    chosen = list(dict.fromkeys([*order[:_EACH], *order[-_EACH:]]))
    models = [open_model(role, folder, gate_set, prove=False).engine for folder in folders]
    sharpen = [Sharpener(engine=engine).array for engine in models]
    scores = (found.input.psnr_y, one.quality.psnr_y, other.quality.psnr_y)
    sheet = Image.new("RGB", _size(len(chosen)), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    for row, crop in enumerate(chosen):
        low, high = gate_set.low_NHWC[crop], gate_set.high_NHWC[crop]
        pictures = [low, *(each(low) for each in sharpen), high]
        photo = printable(gate_set.names[gate_set.photo[crop]])
        labels = [f"input {scores[0][crop]:.2f} dB"]
        labels += [f"{name} {s[crop]:.2f} dB" for name, s in zip(names, scores[1:], strict=True)]
        labels.append(f"ground truth ({photo})")
        top = _GAP + row * (_CELL + _LINE + _GAP)
        for column, (pixels, label) in enumerate(zip(pictures, labels, strict=True)):
            left = _GAP + column * (_CELL + _GAP)
            short = label if len(label) <= 38 else f"...{label[-35:]}"
            draw.text((left, top), short, fill=_INK, font=font)
            shown = Image.fromarray(pixels).resize((_CELL, _CELL), Image.Resampling.NEAREST)
            sheet.paste(shown, (left, top + _LINE))
    with atomic_file(path) as temporary:
        sheet.save(temporary, "PNG")


def _size(rows: int) -> tuple[int, int]:
    return _GAP + 4 * (_CELL + _GAP), _GAP + rows * (_CELL + _LINE + _GAP)
