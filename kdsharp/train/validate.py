"""The score that picks the best epoch: Y-PSNR on the validation patches."""

import torch

from kdsharp.color import BT601
from kdsharp.train.batches import Planes

__all__ = ["luma_of", "psnr_y"]

# What is 1 apart in full-range luma is this far apart in studio range (16..235 of 255).
_STUDIO = 219 / 255


def luma_of(x_NCHW: torch.Tensor) -> torch.Tensor:
    """Full-range BT.601 luma (N, 1, H, W) of RGB; luma stays as it is."""
    if x_NCHW.shape[1] == 1:
        return x_NCHW
    weights = torch.tensor(BT601, device=x_NCHW.device).view(1, 3, 1, 1)
    return (x_NCHW * weights).sum(1, keepdim=True)


@torch.no_grad()
def psnr_y(
    network: torch.nn.Module, inputs: Planes, truth: Planes, border: int, batch: int = 16
) -> float:
    """Mean Y-PSNR in dB of `network` over all patches, `border` pixels left out.

    The protocol of `kdsharp.metrics` but for the rounding to 8 bit.
    """
    device = next(network.parameters()).device
    inner = slice(border, -border or None)
    scores = []
    for start in range(0, len(inputs.array_NHWC), batch):
        rows = slice(start, start + batch)
        output, target = network(_tensor(inputs, rows, device)), _tensor(truth, rows, device)
        difference = (luma_of(output.clamp(0, 1)) - luma_of(target)) * _STUDIO
        mse = difference[:, :, inner, inner].square().mean((1, 2, 3))
        scores.append(-10 * torch.log10(mse.clamp_min(1e-10)))
    return float(torch.cat(scores).double().mean())


def _tensor(planes: Planes, rows: slice, device: torch.device) -> torch.Tensor:
    array = planes.array_NHWC[rows].astype("float32") / planes.peak
    return torch.from_numpy(array).permute(0, 3, 1, 2).to(device)
