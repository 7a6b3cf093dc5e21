"""The code book of a mixed student: a few of its mixtures in whole numbers, each a file of its own.

A mixture can be summed in float for each picture, but not quantised and compiled in its time. So
some are chosen beforehand, each is quantised on the patches nearest to it, and a picture gets the
nearest (`kdsharp.runtime.mixture.load_code_book`).
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from kdsharp.errors import UserError
from kdsharp.files import sha256_file
from kdsharp.progress import Progress
from kdsharp.runtime.card import Card, Code, Int8, Tensor, write_card
from kdsharp.runtime.mixture import nearest
from kdsharp.runtime.windows import Shares, looked_at
from kdsharp.train.export.fp32 import INPUT, OUTPUT
from kdsharp.train.export.int8 import write_int8
from kdsharp.train.export.quantize import QuantizedStudent, quantize
from kdsharp.train.student.mixture import MixedStudent

__all__ = ["LOOKS", "Looks", "add_codes", "choose_codes", "int8_part", "look_at", "write_codes"]

LOOKS = 768
"""Patches whose shares codes are chosen by, and that codes are fitted on."""

_JUDGED = 192  # patches that the loss of a code is measured on
_CANDIDATES = 96  # of them, whose shares may become a code
_CROP = 48  # pixels of their middle
_LEAST = 1e-5  # mean square: errors below, 50 dB, are not seen
_WHOLE = 100  # a share is so many hundredths

Pixels = npt.NDArray[np.uint8]
"""Luma of patches, (N, H, W)."""


@dataclass(frozen=True)
class Looks:
    """Pairs of patches, (N, H, W), and the shares that a mixed student gives them, (N, sets)."""

    low: Pixels
    high: Pixels
    shares: npt.NDArray[np.float64]


def look_at(student: MixedStudent, low: Pixels, high: Pixels) -> Looks:
    """Patches as the student reads them, and their truth, with what it makes of each."""
    if len(low) == 0:
        raise UserError(
            "int8 needs patches to choose codes by, and there are none: make patches "
            "(dvc repro patches), or set export.int8 to false"
        )
    with Progress(len(low), "shares", "patches", lines=True) as progress:
        found = []
        for plane in low:
            found.append(student.shares_by(looked_at(plane)))
            progress.step()
    return Looks(low, high, np.array(found))


def choose_codes(student: MixedStudent, looks: Looks, count: int) -> list[Shares]:
    """At most `count` mixtures, so that the patches lose least where each gets the nearest.

    Candidates are what some of the patches got. In turn that is taken which leaves the smallest
    mean loss, in dB of PSNR against the patch's own mixture. That of most patches comes first. The
    same student and patches give the same.
    """
    judged = _evenly(looks, _JUDGED)
    candidates = list(dict.fromkeys(map(_summing_up, _evenly(judged, _CANDIDATES).shares)))
    points = np.array(candidates)
    away = np.sum((judged.shares[:, None] - points) ** 2, axis=2)
    lost = _lost(student, judged, candidates)
    chosen: list[int] = []
    nearest_away, current = np.full(len(away), np.inf), np.zeros(len(away))
    for _ in range(min(count, len(candidates))):
        after = np.where(away < nearest_away[:, None], lost, current[:, None])
        best = int(np.argmin(after.mean(0) + np.where(np.isin(range(len(points)), chosen), 1e9, 0)))
        chosen.append(best)
        current = after[:, best]
        nearest_away = np.minimum(nearest_away, away[:, best])
    book = points[chosen]
    given = np.bincount([nearest(book, tuple(s)) for s in looks.shares], minlength=len(book))
    return [candidates[chosen[place]] for place in np.argsort(-given, kind="stable")]


def add_codes(
    folder: Path, card: Card, student: MixedStudent, looks: Looks, count: int, calibration: int
) -> tuple[Card, list[QuantizedStudent]]:
    """Choose the codes, write them, and name them in the card of `folder`, their loss still 0.

    Returns the card, and what each code has to compute.
    """
    assert card.mixture is not None
    codes = choose_codes(student, looks, count)
    made = write_codes(student, looks, codes, calibration, folder)
    written = tuple(code for code, _ in made)
    int8 = int8_part(student.planes, written[0].file, written[0].sha256)
    mixture = dataclasses.replace(card.mixture, codes=written)
    card = dataclasses.replace(card, int8=int8, mixture=mixture)
    write_card(folder, card)
    return card, [quantized for _, quantized in made]


def int8_part(planes: int, file: str, sha256: str) -> Int8:
    """What a card says of an int8 file of a student, whose loss is not known yet."""
    port = Tensor(INPUT, planes, dtype="uint8", range=(0.0, 255.0))
    return Int8(file, sha256, port, dataclasses.replace(port, name=OUTPUT), loss_db=0.0)


def write_codes(
    student: MixedStudent, looks: Looks, codes: Sequence[Shares], calibration: int, folder: Path
) -> list[tuple[Code, QuantizedStudent]]:
    """Write each of `codes` into `folder`, fitted on the `calibration` patches nearest to it.

    The first is `student_int8.onnx`, the others have a number. The same gives the same bytes.
    """
    made = []
    with Progress(len(codes), "int8", "mixtures", lines=True) as progress:
        for number, shares in enumerate(codes):
            away = np.sum((looks.shares - np.array(shares)) ** 2, axis=1)
            planes = looks.low[np.sort(np.argsort(away, kind="stable")[:calibration])]
            plain = student.folded(torch.tensor(shares, dtype=torch.float32))
            quantized = quantize(plain, planes[:, None])
            path = folder / (f"student_int8_{number}.onnx" if number else "student_int8.onnx")
            write_int8(quantized, path)
            made.append((Code(path.name, sha256_file(path), shares), quantized))
            progress.step()
    return made


def _evenly(looks: Looks, count: int) -> Looks:
    chosen = np.linspace(0, len(looks.low) - 1, min(count, len(looks.low))).astype(int)
    return Looks(looks.low[chosen], looks.high[chosen], looks.shares[chosen])


def _summing_up(shares: npt.NDArray[np.float64]) -> Shares:
    """`shares` in hundredths whose sum is 1: the largest take what rounding leaves."""
    parts = shares / shares.sum() * _WHOLE
    whole = np.floor(parts).astype(int)
    missing = _WHOLE - int(whole.sum())
    whole[np.argsort(whole - parts, kind="stable")[:missing]] += 1
    return tuple(int(part) / _WHOLE for part in whole)


@torch.no_grad()
def _lost(student: MixedStudent, judged: Looks, codes: Sequence[Shares]) -> npt.NDArray[np.float64]:
    """(patches, codes): dB that a patch loses by a code, against its own mixture."""
    side = min(_CROP, *judged.low.shape[1:])
    tops = [(whole - side) // 2 for whole in judged.low.shape[1:]]
    middle = tuple(slice(top, top + side) for top in tops)
    x_NCHW, truth_NCHW = (
        torch.from_numpy(planes[:, *middle][:, None].astype(np.float32) / 255)
        for planes in (judged.low, judged.high)
    )

    def error(shares: Sequence[float], rows: slice) -> npt.NDArray[np.float64]:
        plain = student.folded(torch.tensor(shares, dtype=torch.float32))
        missed = (plain(x_NCHW[rows]).clamp(0, 1) - truth_NCHW[rows]) ** 2
        return np.asarray(missed.mean((1, 2, 3)).double().numpy()) + _LEAST

    own = [error(shares, slice(n, n + 1))[0] for n, shares in enumerate(judged.shares)]
    with Progress(len(codes), "codes", "mixtures", lines=True) as progress:
        columns = []
        for shares in codes:
            columns.append(10 * np.log10(error(shares, slice(None)) / np.array(own)))
            progress.step()
    return np.stack(columns, axis=1)
