"""Train the network that tells how a picture lost its quality (`kdsharp.routing.classifier`)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from kdsharp.files import atomic_file
from kdsharp.routing.classifier import COUNT
from kdsharp.runtime.windows import DETAILED, SIDE, windows
from kdsharp.train.config import LoopConfig
from kdsharp.train.export.fp32 import IR_VERSION, OPSET
from kdsharp.train.loop.fit import Epoch, fit
from kdsharp.train.loop.loss import Loss

__all__ = [
    "DegradationClassifier",
    "Pictures",
    "Recipe",
    "accuracy",
    "train_classifier",
    "write_classifier",
]

Plane = npt.NDArray[np.uint8]

_WIDTHS, _HIDDEN = (32, 32, 48), 64
_CONTRAST = 16.0  # levels; what is usual between a window's pixels
_TINY = 0.01  # added before the logarithm
_ACROSS = 8  # windows each way that are looked at in use


@dataclass(frozen=True)
class Recipe:
    """How long and how; `count` windows of `across` by `across` of each picture."""

    steps: int = 6000
    across: int = 5
    count: int = 12
    smoothing: float = 0.02
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            batch_size=32,
            optimizer="soap",
            max_precond_dim=320,
            lr=0.003,
            warmup_steps=49,
            ema=0.998,
            grad_clip_norm=1.0,
            device="cpu",
            precision="auto",
        )
    )


@dataclass(frozen=True)
class Pictures:
    """Luma planes (H, W) of any sizes, and which degradation each is of."""

    planes: Sequence[Plane]
    labels: npt.NDArray[np.int64]


class DegradationClassifier(nn.Module):
    """Windows (B, N, SIDE, SIDE) of a picture, levels of 255 -> scores (B, degradations).

    Three convolutions on the half-size grid; means over all places, of what they give and of its
    square, for all detailed windows and for the flat ones: the picture's texture, whatever it
    shows. Two layers judge that.
    """

    def __init__(self, degradations: int) -> None:
        super().__init__()
        pairs = zip((4, *_WIDTHS), _WIDTHS, (1, 2, 2), strict=False)
        convs = [nn.Conv2d(i, o, 3, stride=s) for i, o, s in pairs]
        self.convs = nn.Sequential(*(layer for conv in convs for layer in (conv, nn.ReLU())))
        self.hidden = nn.Linear(4 * _WIDTHS[-1], _HIDDEN)
        self.out = nn.Linear(_HIDDEN, degradations)

    def forward(self, windows_BNHW: Tensor) -> Tensor:
        """See the class."""
        batch, count = windows_BNHW.shape[:2]
        z = windows_BNHW.reshape(batch * count, 1, SIDE, SIDE)
        z = functional.pixel_unshuffle((z - z.mean((2, 3), keepdim=True)) / _CONTRAST, 2)
        z = self.convs(z.contiguous(memory_format=torch.channels_last))
        means = torch.cat([z.mean((2, 3)), (z * z).mean((2, 3))], 1).view(batch, count, -1)
        most = round(count * DETAILED)
        both = torch.cat([means[:, :most].mean(1), means[:, most:].mean(1)], 1)
        score: Tensor = self.out(torch.relu(self.hidden(torch.log(both + _TINY))))
        return score


class _Windows:
    """Windows of the pictures for `kdsharp.train.loop.fit.fit`: a batch is windows and labels."""

    def __init__(self, pictures: Pictures, recipe: Recipe) -> None:
        self._pictures, self._recipe = pictures, recipe

    def __len__(self) -> int:
        return len(self._pictures.planes)

    def batches(
        self, loop: LoopConfig, start: int, stop: int, share: tuple[int, int], *, ahead: bool
    ) -> Iterator[tuple[Tensor, Tensor]]:
        del ahead  # cutting windows is a fraction of the step
        rank, world = share
        for step in range(start, stop):
            random = np.random.default_rng([loop.seed, step])
            drawn = random.integers(len(self), size=loop.batch_size)
            cut = [_seen(self._pictures.planes[index], self._recipe, random) for index in drawn]
            mine = slice(rank, None, world)
            labels = torch.from_numpy(self._pictures.labels[drawn][mine])
            yield torch.from_numpy(np.stack(cut[mine])), labels

    def loss(
        self, network: nn.Module, batch: tuple[Tensor, Tensor], measure: Loss, device: torch.device
    ) -> Tensor:
        del measure  # of pictures
        score, truth = network(batch[0].to(device)), batch[1].to(device)
        return functional.cross_entropy(score, truth, label_smoothing=self._recipe.smoothing)


def train_classifier(
    learned: Pictures,
    held_out: Pictures,
    recipe: Recipe,
    folder: Path,
    fingerprint: str,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> DegradationClassifier:
    """The network that got most of the `held_out` pictures right, its weights averaged.

    `folder` and `fingerprint` are those of an interrupted training, which is then resumed. An
    epoch's score, called `val_psnr_y` as everywhere, is the percentage of held-out pictures that it
    got right.
    """
    torch.manual_seed(recipe.loop.seed)
    network = DegradationClassifier(int(learned.labels.max()) + 1)
    done = fit(
        network,
        _Windows(learned, recipe),
        lambda trained: 100 * accuracy(trained, held_out),
        recipe.loop,
        folder / "last.pt",
        fingerprint,
        on_epoch,
        recipe.steps,
    )
    network.load_state_dict(done.weights)
    return network.cpu().eval()


@torch.no_grad()
def accuracy(network: nn.Module, pictures: Pictures) -> float:
    """The share of `pictures` whose degradation scores highest, by the classifier's windows."""
    right = 0
    for plane, label in zip(pictures.planes, pictures.labels, strict=True):
        seen = torch.from_numpy(windows(plane, _ACROSS, COUNT)[None])
        right += int(network(seen).argmax()) == label
    return right / len(pictures.planes)


def _seen(plane: Plane, recipe: Recipe, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """Windows of a part of `plane`, turned; on the grid of the enlarging in any case."""
    top, left = (int(random.integers(max(side // 4, 1))) // 2 * 2 for side in plane.shape)
    part = plane[top:, left:]
    part = part[: part.shape[0] // 2 * 2, : part.shape[1] // 2 * 2]
    turn = int(random.integers(8))
    part = part[::-1] if turn & 1 else part
    part = part[:, ::-1] if turn & 2 else part
    return windows(part.T if turn & 4 else part, recipe.across, recipe.count)


def write_classifier(network: DegradationClassifier, path: Path) -> None:
    """Write the ONNX file of `kdsharp.routing.classifier`: `COUNT` windows in, shares out."""
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
        node("ReduceMean", [f"a{len(convs)}"], ["means"], axes=[2, 3], keepdims=0),
        node("Mul", [f"a{len(convs)}"] * 2, ["squares"]),
        node("ReduceMean", ["squares"], ["powers"], axes=[2, 3], keepdims=0),
        node("Concat", ["means", "powers"], ["texture"], axis=1),
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
        "degradations",
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
