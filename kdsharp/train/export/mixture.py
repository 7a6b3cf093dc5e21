"""The two small files beside a mixed student: the one that tells the shares, and the kernels.

`mixer.onnx`: windows (N, 1, 64, 64) in [0, 1] -> `shares` (sets,), which sum up to 1.
`kernels.onnx`: `shares` -> the constants of the student's file, by their names
there. The kernels of all sets are in it, in half precision, as the student was rounded.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from kdsharp.files import atomic_file
from kdsharp.train.export.fp32 import IR_VERSION, OPSET
from kdsharp.train.student.mixture import CONTRAST, LEAST_VARIANCE, MixedStudent, Mixer
from kdsharp.train.student.network import names_of

__all__ = ["write_kernels", "write_mixer"]

_WINDOWS, _SHARES = "windows", "shares"


def write_mixer(mixer: Mixer, path: Path) -> None:
    """Write `mixer.onnx`; the same mixer gives the same bytes."""
    node = helper.make_node
    convs = [conv for conv in mixer.convs if isinstance(conv, nn.Conv2d)]
    nodes = [
        node("ReduceMean", [_WINDOWS], ["mean"], axes=[2, 3], keepdims=1),
        node("Sub", [_WINDOWS, "mean"], ["around"]),
        node("Mul", ["around", "contrast"], ["levels"]),
        node("SpaceToDepth", ["levels"], ["a0"], blocksize=2),
    ]
    constants: dict[str, Any] = {
        "contrast": np.float32(CONTRAST),
        "least": np.float32(LEAST_VARIANCE),
        "one": np.array([0], np.int64),
    }
    for index, conv in enumerate(convs):
        names = [f"w{index}", f"b{index}"]
        constants |= dict(zip(names, map(_array, (conv.weight, conv.bias)), strict=True))
        nodes += [
            node("Conv", [f"a{index}", *names], [f"z{index}"], strides=list(conv.stride)),
            node("Relu", [f"z{index}"], [f"a{index + 1}"]),
        ]
    last = f"a{len(convs)}"
    nodes += [
        node("ReduceMean", [last], ["means"], axes=[2, 3], keepdims=1),
        node("Sub", [last, "means"], ["deviations"]),
        node("Mul", ["deviations", "deviations"], ["squares"]),
        node("ReduceMean", ["squares"], ["variance"], axes=[2, 3], keepdims=1),
        node("Add", ["variance", "least"], ["positive"]),
        node("Sqrt", ["positive"], ["spread"]),
        node("Concat", ["means", "spread"], ["both"], axis=1),
        node("Flatten", ["both"], ["features"], axis=1),
        node("ReduceMean", ["features"], ["shown"], axes=[0], keepdims=1),
    ]
    for source, name, layer in (("shown", "hidden", mixer.hidden), ("judged", "out", mixer.out)):
        constants |= {f"{name}_w": _array(layer.weight), f"{name}_b": _array(layer.bias)}
        nodes.append(node("Gemm", [source, f"{name}_w", f"{name}_b"], [f"{name}_z"], transB=1))
        if name == "hidden":
            nodes.append(node("Relu", ["hidden_z"], ["judged"]))
    nodes += [
        node("Softmax", ["out_z"], ["soft"], axis=1),
        node("Squeeze", ["soft", "one"], [_SHARES]),
    ]
    ports = [
        _port(_WINDOWS, ["count", 1, "height", "width"]),
        _port(_SHARES, [mixer.out.out_features]),
    ]
    _write(path, "mixer", nodes, ports[:1], ports[1:], constants)


def write_kernels(student: MixedStudent, path: Path) -> None:
    """Write `kernels.onnx` of `student`, whose kernels are those of half precision."""
    node, sets = helper.make_node, student.config.mixture
    constants: dict[str, Any] = {}
    nodes, outputs = [], []
    stacked = student.kernels()
    for index, name in enumerate(names_of(student.config.convs)):
        for short, long in (("w", "weight"), ("b", "bias")):
            made, array = f"{short}{index}", stacked[f"{name}.{long}"]
            constants |= {
                f"{made}_sets": array.reshape(sets, -1),
                f"{made}_shape": np.array(array.shape[1:], np.int64),
            }
            nodes += [
                node("Cast", [f"{made}_sets"], [f"{made}_all"], to=TensorProto.FLOAT),
                node("MatMul", [_SHARES, f"{made}_all"], [f"{made}_flat"]),
                node("Reshape", [f"{made}_flat", f"{made}_shape"], [made]),
            ]
            outputs.append(_port(made, array.shape[1:]))
    _write(path, "kernels", nodes, [_port(_SHARES, [sets])], outputs, constants)


def _port(name: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def _write(
    path: Path,
    name: str,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: dict[str, Any],
) -> None:
    made = [numpy_helper.from_array(np.asarray(v), key) for key, v in constants.items()]
    model = helper.make_model(
        helper.make_graph(nodes, name, inputs, outputs, initializer=made),
        producer_name="kdsharp",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    onnx.checker.check_model(model, full_check=True)
    with atomic_file(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def _array(tensor: Tensor | None) -> npt.NDArray[np.float32]:
    assert tensor is not None
    return np.ascontiguousarray(tensor.detach().cpu().numpy())
