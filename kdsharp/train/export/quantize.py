"""The student in whole numbers: the scales of its int8 form, and the exact result of that form.

Static quantisation after training. What lies between the convolutions becomes 8 bit without sign,
one scale a layer; weights become 8 bit with sign, one scale an output channel. The input is 8 bit
already, and the residual is added to it unrounded. Channels of one layer are first brought to one
range, which leaves a ReLU network as it was (Nagel et al. 2019, arXiv 1906.04721). Then, layer by
layer, weights are fitted to what the layer should give on its rounded input, and rounded one after
the other, each making up for the errors before it (GPTQ, Frantar et al. 2022, arXiv 2210.17323).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import nn

from kdsharp.errors import UserError
from kdsharp.train.student.network import Student

__all__ = ["WEIGHT_LIMIT", "QuantizedStudent", "quantize"]

WEIGHT_LIMIT = 64
"""Largest weight, of the 127 that int8 holds: two products with 0..255 then fit in 16 bit, where
CPUs without VNNI add them and cut off what is beyond."""

_PEAK = 255
_SMALLEST = 1 / 16  # channels below this share of the largest get no finer steps than that
_LEAST = 1e-4  # a filter or layer of zeros needs some scale
_PLACES = 20_000  # that a layer is fitted on; 150,000 were no better
_DAMPING = 0.01  # share of the inputs' mean power, added to each of them

Pixels = npt.NDArray[np.uint8]
"""(N, C, H, W), 8 bit."""


class QuantizedStudent(nn.Module):
    """A student that computes as its int8 file does, and that can be trained further.

    (N, C, H, W) in [0, 1], rounded to 8 bit -> the same shape, neither rounded nor clipped, as
    `Student`. Rounding lets gradients through unchanged (Bengio et al. 2013, arXiv 1308.3432). All
    sums are of whole numbers and exact in float64. Starts with scales of 1: see `quantize`.
    """

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.config, self.planes, self.margin = student.config, student.planes, student.margin
        # In grey levels: the input's scale is 1, and the last layer's result can be added to it.
        biases = [_PEAK * conv.bias.detach() for conv in student.convs if conv.bias is not None]
        self.weights = nn.ParameterList([conv.weight.detach().clone() for conv in student.convs])
        self.biases = nn.ParameterList(biases)
        self.weight_scales = nn.ParameterList([torch.ones_like(bias) for bias in biases])
        self.hidden_scales = nn.Parameter(torch.ones(len(biases) - 1))

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        """Sharpen in fake-quantised arithmetic."""
        height, width = x_NCHW.shape[-2:]
        level_NCHW = _round(_PEAK * x_NCHW).clamp(0, _PEAK)
        detail = F.pixel_shuffle(self.detail(self.fold(level_NCHW)), self.config.unshuffle_factor)
        return (level_NCHW + detail[..., :height, :width]) / _PEAK

    def fold(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        """Continue the sides as `Student` does, and take each cell's pixels as channels."""
        height, width = x_NCHW.shape[-2:]
        grid, margin = self.config.unshuffle_factor, self.margin
        sides = (margin, margin + -width % grid, margin, margin + -height % grid)
        return F.pixel_unshuffle(F.pad(x_NCHW, sides, mode="replicate"), grid)

    def detail(self, folded: torch.Tensor) -> torch.Tensor:
        """What is added to the picture in `folded`, in grey levels."""
        last = len(self.weights) - 1
        for index in range(last):
            folded = self.rounded(index, self.conv(index, folded))
        return self.conv(last, folded)

    def conv(self, index: int, q_NCHW: torch.Tensor) -> torch.Tensor:
        """Convolution `index` of whole numbers, in grey levels."""
        weight, bias = self.whole(index)
        return F.conv2d(q_NCHW, weight, bias) * self.sum_scale(index)[:, None, None]

    def rounded(self, index: int, z_NCHW: torch.Tensor) -> torch.Tensor:
        """The values behind convolution `index` as 0..255; below 0 is cut, which is the ReLU."""
        return _round(z_NCHW / self.hidden_scales[index]).clamp(0, _PEAK)

    def whole(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights (O, I, k, k) and biases (O,) of convolution `index` as whole numbers."""
        scale = self.weight_scales[index][:, None, None, None]
        weight = _round(self.weights[index] / scale).clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT)
        return weight, _round(self.biases[index] / self.sum_scale(index))

    def sum_scale(self, index: int) -> torch.Tensor:
        """Grey levels that 1 in a sum of convolution `index` stands for, (O,)."""
        scales: torch.Tensor = self.weight_scales[index]
        return self.input_scale(index) * scales

    def input_scale(self, index: int) -> torch.Tensor:
        """The scale of what convolution `index` reads."""
        return self.hidden_scales[index - 1] if index else torch.ones_like(self.hidden_scales[0])


@torch.no_grad()
def quantize(student: Student, planes_NCHW: Pixels) -> QuantizedStudent:
    """`student` with the scales, weights and biases that come closest to it on `planes_NCHW`.

    Degraded pictures as the student reads them, luma or RGB. Raises `UserError` when there are
    none.
    """
    if len(planes_NCHW) == 0:
        raise UserError(
            "int8 needs pictures to calibrate on, and there are none: make patches "
            "(dvc repro patches), or set export.int8 to false"
        )
    made = QuantizedStudent(student)
    q_NCHW = made.fold(torch.from_numpy(np.ascontiguousarray(planes_NCHW)).float())
    _equalise(made, q_NCHW)
    wanted = _exact(made, q_NCHW)
    for index, z_NCHW in enumerate(wanted):
        if index:
            q_NCHW = made.rounded(index - 1, made.conv(index - 1, q_NCHW))
        if index < len(wanted) - 1:
            # Ends below the largest value were tried, and brought nothing.
            made.hidden_scales[index] = z_NCHW.amax().clamp_min(_LEAST) / _PEAK
        _fit(made, index, q_NCHW, z_NCHW)
    return made.eval()


def _round(x: torch.Tensor) -> torch.Tensor:
    """To the nearest, half to even, as the engines do; the gradient is that of `x`."""
    return x + (torch.round(x) - x).detach()


def _exact(made: QuantizedStudent, x_NCHW: torch.Tensor) -> Sequence[torch.Tensor]:
    """What each convolution gives without any rounding, before its ReLU."""
    found: list[torch.Tensor] = []
    for weight, bias in zip(made.weights, made.biases, strict=True):
        found.append(F.conv2d(x_NCHW, weight, bias))
        x_NCHW = F.relu(found[-1])
    return found


def _equalise(made: QuantizedStudent, folded: torch.Tensor) -> None:
    """Let all channels of a hidden layer reach as far, and the next layer undo that."""
    for index, z_NCHW in enumerate(_exact(made, folded)[:-1]):
        peaks = z_NCHW.amax((0, 2, 3)).clamp_min(_LEAST)
        shares = (peaks / peaks.max()).clamp_min(_SMALLEST)
        made.weights[index] /= shares[:, None, None, None]
        made.biases[index] /= shares
        made.weights[index + 1] *= shares[:, None, None]


def _fit(
    made: QuantizedStudent, index: int, q_NCHW: torch.Tensor, wanted_NCHW: torch.Tensor
) -> None:
    """Choose weights, their scales and biases of convolution `index`, read at `q_NCHW`.

    So that it gives `wanted_NCHW`, as closely as whole numbers allow.
    """
    weight = made.weights[index]
    x, z = _places(q_NCHW * made.input_scale(index), wanted_NCHW, weight.shape[-1])
    x_mean, z_mean = x.mean(1, keepdim=True), z.mean(1, keepdim=True)
    x, z = x - x_mean, z - z_mean
    w = weight.double().flatten(1)
    power = x @ x.T / x.shape[1]
    power.diagonal().add_(_DAMPING * power.diagonal().mean() + 1e-9)
    # Least squares, drawn towards the trained weights by the damping.
    w = w + torch.linalg.solve(power, x @ (z - w @ x).T / x.shape[1]).T
    scales = w.abs().amax(1).clamp_min(_LEAST) / WEIGHT_LIMIT
    w = _rounded_in_turn(w / scales[:, None], power) * scales[:, None]
    weight.copy_(w.view_as(weight))
    made.weight_scales[index].copy_(scales)
    made.biases[index].copy_((z_mean - w @ x_mean)[:, 0])


def _places(
    x_NCHW: torch.Tensor, z_NCHW: torch.Tensor, kernel: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """What filters see at random places, (I k k, P), and what they should answer, (O, P)."""
    random = torch.Generator().manual_seed(0)
    each = -(-_PLACES // len(x_NCHW))
    seen, answers = [], []
    for x_CHW, z_CHW in zip(x_NCHW, z_NCHW, strict=True):
        chosen = torch.randperm(z_CHW[0].numel(), generator=random)[:each]
        seen.append(F.unfold(x_CHW[None], kernel)[0][:, chosen])
        answers.append(z_CHW.flatten(1)[:, chosen])
    return torch.cat(seen, 1).double(), torch.cat(answers, 1).double()


def _rounded_in_turn(w: torch.Tensor, power: torch.Tensor) -> torch.Tensor:
    """Round (O, K) column by column; what is left of each goes to the columns after it.

    `power` (K, K) is the mean product of the inputs that the columns are multiplied with.
    """
    factor = torch.linalg.cholesky(torch.linalg.inv(power), upper=True)
    rounded = w.clone()
    for k in range(w.shape[1]):
        rounded[:, k] = w[:, k].round().clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT)
        left = (w[:, k] - rounded[:, k]) / factor[k, k]
        w -= left[:, None] * factor[k]
    return rounded
