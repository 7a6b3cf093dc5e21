"""A student with several sets of kernels, which a small network mixes for each picture.

The mixing network looks at windows of the picture and gives each set a share; the sets are summed
by their shares into one plain student, which then runs (conditionally parameterised convolutions:
Yang et al., "CondConv", NeurIPS 2019, but once a picture and not at each layer). A share of doing
nothing beside them was tried: at first that is the best there is, and nothing else was learned.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import nn

from kdsharp.runtime.windows import Shares, looked_at, rounded
from kdsharp.train.config import StudentConfig
from kdsharp.train.student.network import Student, names_of

__all__ = ["CONTRAST", "LEAST_VARIANCE", "MixedStudent", "Mixer", "plain_of"]

_WIDTHS, _STRIDES, _HIDDEN = (16, 24, 32), (1, 2, 2), 64
CONTRAST = 4.0
"""What the luma around its mean is multiplied with."""

LEAST_VARIANCE = 1e-6
"""Added before the root."""

_OWN = 0.7  # of a set's first kernels: its own, beside as much that all sets begin with


class Mixer(nn.Module):
    """Windows of luma (N, 1, H, W) in [0, 1] -> shares of the sets.

    Three convolutions on the half-size grid; of each channel the mean and the standard deviation
    over a window. Two layers judge that.
    """

    def __init__(self, sets: int) -> None:
        super().__init__()
        pairs = zip((4, *_WIDTHS), _WIDTHS, _STRIDES, strict=False)
        self.convs = nn.ModuleList([nn.Conv2d(i, o, 3, stride=s) for i, o, s in pairs])
        self.hidden = nn.Linear(2 * _WIDTHS[-1], _HIDDEN)
        self.out = nn.Linear(_HIDDEN, sets)

    def features(self, windows_N1HW: torch.Tensor) -> torch.Tensor:
        """(N, 64): what each window shows."""
        z = (windows_N1HW - windows_N1HW.mean((2, 3), keepdim=True)) * CONTRAST
        z = F.pixel_unshuffle(z, 2)
        for conv in self.convs:
            z = F.relu(conv(z))
        variance, mean = torch.var_mean(z.float(), (2, 3), correction=0)
        return torch.cat([mean, torch.sqrt(variance + LEAST_VARIANCE)], 1)

    def shares(self, features: torch.Tensor) -> torch.Tensor:
        """(N, 64) -> (N, sets), which sum up to 1."""
        return F.softmax(self.out(F.relu(self.hidden(features))), 1)

    def forward(self, windows_N1HW: torch.Tensor) -> torch.Tensor:
        """The shares for one picture with these windows: (sets,)."""
        return self.shares(self.features(windows_N1HW).mean(0, keepdim=True))[0]


class MixedStudent(Student):
    """(N, 1, H, W) in [0, 1] -> the same shape, not clipped, each picture by its own mixture.

    In training the pictures are crops, each is its own window, and the result is about the inner
    pixels alone, `margin` less on each side.
    """

    def __init__(self, config: StudentConfig) -> None:
        nn.Module.__init__(self)
        self.config, self.planes = config, 1
        plain = replace(config, mixture=0)
        base = Student(plain).state_dict()
        self.sets = nn.ModuleList([Student(plain) for _ in range(config.mixture)])
        with torch.no_grad():
            # All alike a mixture could not be learned; all apart their mean would be of no use.
            for one in self.sets:
                for name, tensor in one.named_parameters():
                    tensor.copy_(_OWN * tensor + _OWN * base[name])
        self.mixer = Mixer(config.mixture)

    @property
    def convs(self) -> tuple[nn.Conv2d, ...]:
        """Those of the first set, whose shapes are those of all."""
        convs: tuple[nn.Conv2d, ...] = self.sets[0].convs  # type: ignore[assignment]
        return convs

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        """See the class."""
        if self.training:
            return self._inner(x_NCHW, self.mixer.shares(self.mixer.features(x_NCHW)))
        return torch.cat([self._whole(x_1HW) for x_1HW in x_NCHW])

    def _whole(self, x_1HW: torch.Tensor) -> torch.Tensor:
        shares = self.shares_by(looked_at(x_1HW[0].cpu().numpy()))
        sharp: torch.Tensor = self.folded(torch.tensor(shares, device=x_1HW.device))(x_1HW[None])
        return sharp

    @torch.no_grad()
    def shares_by(self, windows_N1HW: npt.NDArray[np.float32]) -> Shares:
        """The shares for a whole picture, by the windows that the exported model looks at."""
        device = next(self.parameters()).device
        return rounded(self.mixer(torch.from_numpy(windows_N1HW).to(device)).cpu().numpy())

    @torch.no_grad()
    def folded(self, shares: torch.Tensor) -> Student:
        """The plain student that a picture with these `shares` gets."""
        made = Student(replace(self.config, mixture=0)).to(shares.device).eval()
        made.load_state_dict({name: _mixed(shares, t) for name, t in self.stacked().items()})
        return made

    def stacked(self) -> Mapping[str, torch.Tensor]:
        """The kernels and biases of all sets, by the names that a student has for its own."""
        states = [dict(one.named_parameters()) for one in self.sets]
        return {name: torch.stack([state[name] for state in states]) for name in states[0]}

    def kernels(self) -> dict[str, npt.NDArray[np.float16]]:
        """The same to be written: (sets, ...), half precision."""
        return {k: t.detach().cpu().numpy().astype(np.float16) for k, t in self.stacked().items()}

    def _inner(self, x_NCHW: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        """As `inner_pixels`, with kernels of its own for each picture: one group for each."""
        count, grid = len(x_NCHW), self.config.unshuffle_factor
        stacked = self.stacked()
        hidden = F.pixel_unshuffle(x_NCHW, grid)
        names = names_of(self.config.convs)
        for name in names:
            weight, bias = (
                _mixed(shares, stacked[f"{name}.{part}"]) for part in ("weight", "bias")
            )
            hidden = hidden.reshape(1, -1, *hidden.shape[2:])
            hidden = F.conv2d(hidden, weight.flatten(0, 1), bias.flatten(), groups=count)
            hidden = hidden.view(count, -1, *hidden.shape[2:])
            hidden = hidden if name == names[-1] else F.relu(hidden)
        detail = F.pixel_shuffle(hidden, grid)
        margin = self.margin
        return x_NCHW[..., margin:-margin, margin:-margin] + detail

    @torch.no_grad()
    def fuse(self, weights: Mapping[str, torch.Tensor]) -> "MixedStudent":
        """The student with `weights`, its kernels rounded to the precision that they ship in."""
        self.load_state_dict(weights)
        for tensor in self.sets.parameters():
            tensor.copy_(tensor.half().float())
        return self


def plain_of(student: Student) -> Student:
    """`student`, or of one with a mixture that of even shares."""
    if not isinstance(student, MixedStudent):
        return student
    sets = student.config.mixture
    return student.folded(torch.full((sets,), 1 / sets))


def _mixed(shares: torch.Tensor, stacked: torch.Tensor) -> torch.Tensor:
    """Sums of `stacked` (sets, ...) by `shares` (..., sets)."""
    mixed: torch.Tensor = torch.tensordot(shares.float(), stacked, 1)
    return mixed
