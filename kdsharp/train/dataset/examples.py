"""Patches as examples: the one function by which teacher, student and benchmarks see them.

In the colour that the network works in, cut on the grid of the degradation, with the truth, what a
teacher says, or both as targets. Only inner pixels are compared, because the networks answer about
no others in training.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch.nn.functional as F  # noqa: N812 - torch's own convention

from kdsharp.color import luma
from kdsharp.train.dataset.batches import PatchDataset, Planes
from kdsharp.train.dataset.patches import PatchSet
from kdsharp.train.dataset.rows import Converted, Joined, Rows
from kdsharp.train.loop.loss import Loss

__all__ = ["FINE", "Answers", "make_dataset", "planes_of"]

FINE = 255 * 256
"""The 16-bit value that stands for 1.0: 256 steps for each of 8 bit's."""


@dataclass(frozen=True)
class Answers:
    """A teacher's answers to the inputs of all pairs, followed by those to `unlabelled_NHWC`.

    `border` is how many pixels at each side of a patch crops leave out, because there the teacher
    has seen too little of the picture.
    """

    planes: Planes
    weight: float
    features: tuple[float, Planes] | None = None
    match: Loss = F.mse_loss
    border: int = 0
    unlabelled_NHWC: Rows | None = None


def make_dataset(
    patches: PatchSet,
    color: str,
    truth_weight: float = 1.0,
    answers: Answers | None = None,
    harm_weight: float = 0.0,
) -> PatchDataset:
    """What a network of this `color`, `luma` or `rgb`, learns from `patches`.

    Weights are those of the loss; a target of weight 0 is left out; `harm_weight` is that of doing
    worse than the input. A teacher's answers are the
    truth of what has none.
    """
    low_NHWC, truth = patches.lr_NHWC, planes_of(patches.hr_NHWC, color)
    targets = []
    if answers is not None:
        if answers.unlabelled_NHWC is not None:
            low_NHWC = Joined([low_NHWC, answers.unlabelled_NHWC])
            truth = _continued(truth, answers.planes)
        if answers.weight > 0:
            targets.append((answers.weight, answers.planes))
    if truth_weight > 0:
        targets.append((truth_weight, truth))
    inputs, align = planes_of(low_NHWC, color), patches.scale
    if answers is None:
        return PatchDataset(inputs, targets, align, harm_weight=harm_weight)
    border = -(-answers.border // align) * align
    return PatchDataset(
        inputs, targets, align, answers.features, answers.match, border, harm_weight
    )


def planes_of(rgb_NHWC: Rows, color: str) -> Planes:
    """RGB patches as a network of this colour sees them: as they are, or their 16-bit luma."""
    if color == "rgb":
        return Planes(rgb_NHWC, 255)
    return Planes(Converted(rgb_NHWC, _fine_luma, 1, np.uint16), FINE)


def _fine_luma(rgb_HWC: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Of a whole patch: parts of it would come out different in the last bit."""
    return np.rint(luma(rgb_HWC) * 256)[..., None]


def _continued(truth: Planes, answers: Planes) -> Planes:
    """The truth, followed by the teacher's answers for the inputs that have none."""
    others = answers.array_NHWC[len(truth.array_NHWC) :]
    times = np.uint16(answers.peak // truth.peak)
    channels = truth.array_NHWC.shape[-1]
    fine = Converted(truth.array_NHWC, lambda p: p.astype(np.uint16) * times, channels, np.uint16)
    return Planes(Joined([fine, others]), answers.peak)
