"""Small networks of forms that spandrel knows, with known weights."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from kdsharp.files import sha256_file
from kdsharp.train.config import TeacherConfig


def compact(scale=2, seed=0, gain=0.05):
    """Real-ESRGAN's compact network with 8 channels: each pixel repeated, and some detail."""
    pytest.importorskip("spandrel", reason="needs the extra spandrel")
    from spandrel.architectures.Compact import Compact

    torch.manual_seed(seed)
    network = Compact(num_feat=8, num_conv=2, upscale=scale)
    with torch.no_grad():
        last = network.body[-1]
        last.weight *= gain
        last.bias.zero_()
    return network.eval()


class Wrapped(nn.Module):
    """What plain pickling would bring along."""


def write(path: Path, state) -> Path:
    """`state` as a torch or a safetensors file, by the suffix of `path`."""
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def config_of(path: Path, color="rgb", **changes) -> TeacherConfig:
    return TeacherConfig(
        **{"arch": "spandrel", "weights": str(path), "color": color}
        | {"weights_sha256": sha256_file(path)[:8]}
        | changes
    )
