"""Swin-T as encoder: attention in windows, every second time in windows shifted by half of one.

Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", 2021; the
blocks are torchvision's. Swin-T has no stem: its first convolution turns squares of 4x4 pixels into
tokens. Here it works on pixels folded by two, which is the same sum, and the folded pixels stand in
for a stem: they are what the encoder knows at half of its size.

Windows lie on a grid that starts in the picture's corner. A picture whose sides are multiples of
the deepest stage's windows has whole windows in every stage, so that no block has to pad; and tiles
that begin on that grid have the windows of the whole picture.

The attention computes what torchvision's does, but asks no question about the picture's size on the
way: an exported graph would hold for the answers at hand alone. The one difference is a picture
that is a single window wide or high: shifted blocks still part that window, as they do in the
corners of a larger picture.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import nn
from torchvision.models import Swin_T_Weights
from torchvision.models.swin_transformer import (
    PatchMerging,
    ShiftedWindowAttention,
    SwinTransformerBlock,
)

from kdsharp.train.config import TeacherConfig
from kdsharp.train.teacher.encoder import Architecture, Encoder, Weights

__all__ = ["SWIN_T"]

FOLDED = 12
CHANNELS = (96, 192, 384, 768)
HEADS = (3, 6, 12, 24)
BLOCKS = (2, 2, 6, 2)
"""Of each of Swin-T's four stages."""
TABLE = "attn.relative_position_bias_table"


def _build(config: TeacherConfig) -> Encoder:
    """The first `config.depth` stages with windows of `config.window` tokens, random weights."""
    depth, window = config.depth, config.window
    pool = _Tokens(FOLDED, CHANNELS[0])
    stages = nn.ModuleList(_Stage(index, window) for index in range(depth))
    for module in stages.modules():
        if isinstance(module, nn.Linear):
            # As torchvision's whole network does it.
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return Encoder(
        stem=nn.PixelUnshuffle(2),
        pool=pool,
        stages=stages,
        channels=(FOLDED, *CHANNELS[:depth]),
        grid=window << (depth + 1),
        reach=_reach(BLOCKS[:depth], window),
    )


class _Tokens(nn.Module):
    """(N, inputs, H, W) -> (N, width, H / 2, W / 2): each square of 2x2 becomes a token."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, width, 2, stride=2)
        self.norm = nn.LayerNorm(width)

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        tokens: torch.Tensor = self.norm(self.conv(x_NCHW).permute(0, 2, 3, 1))
        return tokens.permute(0, 3, 1, 2)


class _Stage(nn.Sequential):
    """Blocks, from the second stage on behind a merging of 2x2 tokens into one; NCHW."""

    def __init__(self, index: int, window: int) -> None:
        width = CHANNELS[index]
        super().__init__(
            *([PatchMerging(width // 2)] if index else []),
            *(
                SwinTransformerBlock(
                    width,
                    HEADS[index],
                    [window] * 2,
                    [window // 2 * (number % 2)] * 2,
                    attn_layer=_Attention,
                )
                for number in range(BLOCKS[index])
            ),
        )

    def forward(self, x_NCHW: torch.Tensor) -> torch.Tensor:
        z_NHWC: torch.Tensor = super().forward(x_NCHW.permute(0, 2, 3, 1))  # type: ignore[no-untyped-call]
        return z_NHWC.permute(0, 3, 1, 2)


class _Attention(ShiftedWindowAttention):  # type: ignore[misc]
    """(N, H, W, C) -> the same shape; H and W are multiples of the window."""

    def forward(self, x_NHWC: torch.Tensor) -> torch.Tensor:
        count, height, width, channels = x_NHWC.shape
        side, shift = self.window_size[0], self.shift_size[0]
        rows, columns = height // side, width // side
        x = x_NHWC.roll((-shift, -shift), (1, 2)) if shift else x_NHWC
        x = x.reshape(count, rows, side, columns, side, channels).transpose(2, 3)
        x = x.reshape(count, rows * columns, side**2, channels)
        qkv = self.qkv(x).view(count, rows * columns, side**2, 3, self.num_heads, -1)
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5)
        logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1) + self.get_relative_position_bias()
        if shift:
            logits = logits + _apart(rows, columns, side, shift, x.device)
        x = (logits.softmax(-1) @ v).transpose(2, 3).reshape(count, rows * columns, side**2, -1)
        x = self.proj(x).view(count, rows, columns, side, side, channels).transpose(2, 3)
        x = x.reshape(count, height, width, channels)
        return x.roll((shift, shift), (1, 2)) if shift else x  # type: ignore[no-any-return]


def _apart(rows: int, columns: int, side: int, shift: int, device: torch.device) -> torch.Tensor:
    """(windows, 1, tokens, tokens): -100 for two that only the roll has brought together, else 0.

    Those are in the last row or column of windows: what was rolled round lies at its end.
    """
    rolled = torch.arange(side, device=device) >= side - shift
    down, across = (
        (torch.arange(count, device=device) == count - 1)[:, None] & rolled
        for count in (rows, columns)
    )
    part = 2 * down[:, None, :, None] + across[None, :, None, :].int()
    part = part.reshape(rows * columns, 1, side**2)
    return (part[..., None] != part[..., None, :]) * -100.0


def _reach(blocks: Sequence[int], window: int) -> int:
    """A token sees its window; windows of further blocks lie half a window beside those."""
    half = (window + 1) // 2
    tokens = [half * count for count in blocks]
    tokens[-1] += window - 1 - half
    return sum(count << (stage + 2) for stage, count in enumerate(tokens))


def _adopt(published: Weights, own: Weights) -> Weights:
    chosen = {
        "pool.conv.weight": F.pixel_unshuffle(published["features.0.0.weight"], 2),
        "pool.conv.bias": published["features.0.0.bias"],
        "pool.norm.weight": published["features.0.2.weight"],
        "pool.norm.bias": published["features.0.2.bias"],
    }
    for name, mine in own.items():
        if not name.startswith("stages.") or name.endswith("relative_position_index"):
            continue
        stage, place, rest = name.removeprefix("stages.").split(".", 2)
        # Torchvision counts tokens 0, blocks 1, merging 2, blocks 3, ...; ours merge in the stage.
        index, block = int(stage), int(place) - (int(stage) > 0)
        where = f"{2 * index}" if block < 0 else f"{2 * index + 1}.{block}"
        theirs = published[f"features.{where}.{rest}"]
        chosen[name] = _fitted(theirs, mine) if name.endswith(TABLE) else theirs
    return chosen


def _fitted(table: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Biases (offsets, heads) for windows of another size, the one that `like` is for.

    An offset keeps its bias; one that the published windows of 7 do not have takes the nearest.
    """
    side, wanted = (round(len(t) ** 0.5) for t in (table, like))
    offsets = torch.arange(wanted) - wanted // 2
    rows = offsets.clamp(-(side // 2), side // 2) + side // 2
    return table.view(side, side, -1)[rows][:, rows].reshape(wanted**2, -1)


SWIN_T = Architecture("Swin-T", _build, Swin_T_Weights.IMAGENET1K_V1, _adopt)
"""Torchvision's smallest Swin Transformer."""
