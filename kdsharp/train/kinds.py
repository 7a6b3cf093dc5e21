"""Train the network that tells how a picture lost its quality (`kdsharp.kinds`)."""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from kdsharp.files import atomic_file
from kdsharp.kinds import COUNT, DETAILED, SIDE, windows
from kdsharp.train.export import IR_VERSION, OPSET
from kdsharp.train.soap import Soap

__all__ = ["KindNet", "Recipe", "train_kinds", "write_kinds"]

Plane = npt.NDArray[np.uint8]

_WIDTHS, _HIDDEN = (32, 32, 48), 64
_CONTRAST = 16.0  # levels; what is usual between a window's pixels
_TINY = 0.01  # added before the logarithm


@dataclass(frozen=True)
class Recipe:
    """How long and how; `count` windows of `across` by `across` of each picture."""

    steps: int = 3000
    batch: int = 32
    across: int = 5
    count: int = 12
    lr: float = 0.003
    ema: float = 0.998
    smoothing: float = 0.02
    seed: int = 1


class KindNet(nn.Module):
    """Windows of a picture (B, N, SIDE, SIDE), levels of 255 -> a score for each kind (B, kinds).

    Three convolutions on the half-size grid, a mean over all places of all detailed windows, and
    one over the flat ones: the picture's texture, whatever it shows. Two layers judge that.
    """

    def __init__(self, kinds: int) -> None:
        super().__init__()
        pairs = zip((4, *_WIDTHS), _WIDTHS, (1, 2, 2), strict=False)
        convs = [nn.Conv2d(i, o, 3, stride=s) for i, o, s in pairs]
        self.convs = nn.Sequential(*(layer for conv in convs for layer in (conv, nn.ReLU())))
        self.hidden = nn.Linear(2 * _WIDTHS[-1], _HIDDEN)
        self.out = nn.Linear(_HIDDEN, kinds)

    def forward(self, windows_BNHW: Tensor) -> Tensor:
        """See the class."""
        batch, count = windows_BNHW.shape[:2]
        z = windows_BNHW.reshape(batch * count, 1, SIDE, SIDE)
        z = functional.pixel_unshuffle((z - z.mean((2, 3), keepdim=True)) / _CONTRAST, 2)
        z = self.convs(z.contiguous(memory_format=torch.channels_last))
        means = z.mean((2, 3)).view(batch, count, -1)
        most = round(count * DETAILED)
        both = torch.cat([means[:, :most].mean(1), means[:, most:].mean(1)], 1)
        score: Tensor = self.out(torch.relu(self.hidden(torch.log(both + _TINY))))
        return score


def train_kinds(
    planes: Sequence[Plane],
    labels: npt.NDArray[np.int64],
    recipe: Recipe,
    say: Callable[[str], None],
) -> KindNet:
    """The network after all steps, its weights averaged; `planes` are luma (H, W), of any sizes."""
    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    network = KindNet(int(labels.max()) + 1).to(memory_format=torch.channels_last)
    weights = list(network.parameters())
    optimizer = Soap(weights, recipe.lr)
    averaged = copy.deepcopy(network).eval()
    told, right = time.monotonic(), 0.0
    for step in range(recipe.steps):
        for group in optimizer.param_groups:
            slow = 0.505 + 0.495 * math.cos(math.pi * step / recipe.steps)
            group["lr"] = recipe.lr * min(1, (step + 1) / 50) * slow
        drawn = random.integers(len(planes), size=recipe.batch)
        seen = np.stack([_seen(planes[index], recipe, random) for index in drawn])
        score, truth = network(torch.from_numpy(seen)), torch.from_numpy(labels[drawn])
        optimizer.zero_grad()
        functional.cross_entropy(score, truth, label_smoothing=recipe.smoothing).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        share = 1 - min(recipe.ema, step / (step + 10))
        with torch.no_grad():
            for mean, weight in zip(averaged.parameters(), weights, strict=True):
                mean.lerp_(weight, share)
        right += 0.02 * ((score.argmax(1) == truth).float().mean().item() - right)
        if time.monotonic() - told > 10:
            told = time.monotonic()
            say(f"step {step + 1}/{recipe.steps}  right {right:.1%}")
    return averaged


def _seen(plane: Plane, recipe: Recipe, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """Windows of a part of `plane`, turned; on the grid of the enlarging in any case."""
    top, left = (int(random.integers(max(side // 4, 1))) // 2 * 2 for side in plane.shape)
    part = plane[top:, left:]
    part = part[: part.shape[0] // 2 * 2, : part.shape[1] // 2 * 2]
    turn = int(random.integers(8))
    part = part[::-1] if turn & 1 else part
    part = part[:, ::-1] if turn & 2 else part
    return windows(part.T if turn & 4 else part, recipe.across, recipe.count)


def write_kinds(network: KindNet, path: Path) -> None:
    """Write the ONNX file that `kdsharp.kinds` reads, for `COUNT` windows: shares, not scores."""
    node, most = helper.make_node, round(COUNT * DETAILED)
    nodes = [
        node("ReduceMean", ["windows"], ["mean"], axes=[2, 3], keepdims=1),
        node("Sub", ["windows", "mean"], ["around"]),
        node("Div", ["around", "contrast"], ["levels"]),
        node("SpaceToDepth", ["levels"], ["a0"], blocksize=2),
    ]
    constants = {
        "contrast": np.float32(_CONTRAST),
        "tiny": np.float32(_TINY),
        "parts": np.array([most, COUNT - most], np.int64),
    }
    convs = [layer for layer in network.convs if isinstance(layer, nn.Conv2d)]
    for index, conv in enumerate(convs):
        names = [f"w{index}", f"b{index}"]
        constants |= dict(zip(names, map(_array, (conv.weight, conv.bias)), strict=True))
        nodes += [
            node("Conv", [f"a{index}", *names], [f"z{index}"], strides=list(conv.stride)),
            node("Relu", [f"z{index}"], [f"a{index + 1}"]),
        ]
    nodes += [
        node("ReduceMean", [f"a{len(convs)}"], ["texture"], axes=[2, 3], keepdims=0),
        node("Split", ["texture", "parts"], ["detailed", "flat"], axis=0),
        node("ReduceMean", ["detailed"], ["d"], axes=[0], keepdims=1),
        node("ReduceMean", ["flat"], ["f"], axes=[0], keepdims=1),
        node("Concat", ["d", "f"], ["both"], axis=1),
        node("Add", ["both", "tiny"], ["positive"]),
        node("Log", ["positive"], ["log"]),
    ]
    source = "log"
    for name, layer in (("hidden", network.hidden), ("out", network.out)):
        constants |= {f"{name}_w": _array(layer.weight), f"{name}_b": _array(layer.bias)}
        nodes.append(node("Gemm", [source, f"{name}_w", f"{name}_b"], [f"{name}_z"], transB=1))
        source = f"{name}_z"
        if name == "hidden":
            nodes.append(node("Relu", [source], ["judged"]))
            source = "judged"
    nodes += [
        node("Softmax", [source], ["soft"], axis=1),
        node("Squeeze", ["soft", "first"], ["shares"]),
    ]
    constants["first"] = np.array([0], np.int64)
    graph = helper.make_graph(
        nodes,
        "kinds",
        [helper.make_tensor_value_info("windows", TensorProto.FLOAT, [COUNT, 1, SIDE, SIDE])],
        [helper.make_tensor_value_info("shares", TensorProto.FLOAT, [network.out.out_features])],
        initializer=[numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(
        graph,
        producer_name="kdsharp",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    onnx.checker.check_model(model, full_check=True)
    with atomic_file(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def _array(tensor: Tensor | None) -> npt.NDArray[np.float32]:
    assert tensor is not None
    return np.ascontiguousarray(tensor.detach().numpy())
