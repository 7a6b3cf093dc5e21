"""ResNet18 as encoder: its stem, its max pool, and the first of its four stages.

Batch normalisation stays frozen at the statistics of the loaded weights (or the identity), so that
training, validation and use compute the same function, whatever the batch.
"""

from torch import nn
from torchvision.models import ResNet18_Weights, resnet18
from torchvision.models.resnet import BasicBlock
from torchvision.ops.misc import FrozenBatchNorm2d

from kdsharp.train.config import TeacherConfig
from kdsharp.train.teacher.encoder import Architecture, Encoder, Weights

__all__ = ["RESNET18"]

CHANNELS = (64, 64, 128, 256, 512)
"""Of the stem and of each of the four stages."""


def _build(config: TeacherConfig) -> Encoder:
    """The first `config.depth` stages, with random weights."""
    network, depth = resnet18(weights=None, norm_layer=FrozenBatchNorm2d), config.depth
    stem = nn.Sequential(network.conv1, network.bn1, network.relu)
    stages = nn.ModuleList(getattr(network, f"layer{i}") for i in range(1, depth + 1))
    for block in stages.modules():
        if isinstance(block, BasicBlock):
            # Without statistics to normalise by, full-strength branches would grow.
            block.bn2.weight.fill_(0.2)

    return Encoder(
        stem=stem,
        pool=network.maxpool,
        stages=stages,
        channels=CHANNELS[: depth + 1],
        grid=2 << depth,
        reach=21 + sum(7 << stage for stage in range(2, depth + 1)),
    )


def _adopt(published: Weights, own: Weights) -> Weights:
    chosen = {}
    for name in own:
        part, _, rest = name.partition(".")
        number, _, inside = rest.partition(".")
        if part == "stem":
            chosen[name] = published[f"{('conv1', 'bn1')[int(number)]}.{inside}"]
        elif part == "stages":
            chosen[name] = published[f"layer{int(number) + 1}.{inside}"]
    return chosen


RESNET18 = Architecture("ResNet18", _build, ResNet18_Weights.IMAGENET1K_V1, _adopt)
"""He et al., "Deep Residual Learning for Image Recognition", 2015."""
