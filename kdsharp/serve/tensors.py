"""Tensors of KServe V2: numbers in JSON, or bytes behind it; pictures of uint8 RGB both ways."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kdsharp.runtime.model import MOST
from kdsharp.serve.refusal import Refused
from kdsharp.serve.work import Tensors

__all__ = ["INPUT", "LENGTH", "OUTPUT", "Inference", "answer", "parse"]

INPUT, OUTPUT = "input", "output"
"""The names of the two tensors, as in `kdsharp export --to onnx-nhwc`."""

LENGTH = "Inference-Header-Content-Length"
"""The header that says where the JSON ends and the bytes begin."""


_MOST_JSON = 16_000_000  # its numbers take many times as much in memory


@dataclass(frozen=True)
class Inference:
    """A request: its pictures (N, H, W, 3), its id, strength, crisp, and whether bytes come back.

    `rank` is 3 if the caller sent a single picture (H, W, 3).
    """

    pictures_NHWC: Tensors
    rank: int
    id: str | None
    strength: float
    crisp: float
    binary: bool


def parse(body: bytes, length: str | None, most: float) -> Inference:
    """The request in `body`; raises `Refused` 400, or 413 for more than `most` megapixels."""
    head, rest = _split(body, length)
    if len(head) > _MOST_JSON:
        raise Refused(413, f"more than {_MOST_JSON} bytes of JSON: send the tensor as bytes")
    try:
        said = json.loads(head)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "the request is not valid JSON") from error
    if not isinstance(said, dict):
        raise Refused(400, "the request must be a JSON object")
    inputs = said.get("inputs")
    if not (isinstance(inputs, list) and len(inputs) == 1 and isinstance(inputs[0], dict)):
        raise Refused(400, f"inputs: need one tensor, {INPUT}")
    tensor = inputs[0]
    shape = _shape(tensor, most)
    pictures = _binary(tensor, rest, shape) if "data" not in tensor else _numbers(tensor, shape)
    return Inference(
        pictures if len(shape) == 4 else pictures[None],
        len(shape),
        said["id"] if isinstance(said.get("id"), str) else None,
        _number(_parameters(said), "strength", 1.0, MOST),
        _number(_parameters(said), "crisp", 0.0, 1.0),
        _wants_binary(said),
    )


def answer(request: Inference, out_NHWC: Tensors, model: str, version: str) -> tuple[bytes, int]:
    """The body of the answer, and where its JSON ends; 0 if it is all JSON."""
    shape = list(out_NHWC.shape[4 - request.rank :])
    tensor: dict[str, Any] = {"name": OUTPUT, "datatype": "UINT8", "shape": shape}
    said: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": [tensor]}
    if request.id is not None:
        said["id"] = request.id
    if not request.binary:
        tensor["data"] = out_NHWC.ravel().tolist()
        return json.dumps(said).encode(), 0
    tensor["parameters"] = {"binary_data_size": out_NHWC.nbytes}
    head = json.dumps(said).encode()
    return head + out_NHWC.tobytes(), len(head)


def _split(body: bytes, length: str | None) -> tuple[bytes, bytes]:
    if length is None:
        return body, b""
    if not (
        length.isascii() and length.isdigit() and len(length) < 12 and int(length) <= len(body)
    ):
        raise Refused(400, f"{LENGTH} is not a length within the body")
    return body[: int(length)], body[int(length) :]


def _shape(tensor: Mapping[str, Any], most: float) -> tuple[int, ...]:
    if tensor.get("name") != INPUT or tensor.get("datatype") != "UINT8":
        raise Refused(400, f"inputs: need {INPUT} of datatype UINT8")
    shape = tensor.get("shape")
    whole = isinstance(shape, list) and all(type(side) is int and side > 0 for side in shape)
    if not (whole and shape and len(shape) in (3, 4) and shape[-1] == 3):
        raise Refused(400, f"{INPUT}: need shape [height, width, 3] or [batch, height, width, 3]")
    if math.prod(shape) > 3 * most * 1e6:
        raise Refused(413, f"{INPUT}: more than {most:g} megapixels")
    return tuple(shape)


def _binary(tensor: Mapping[str, Any], rest: bytes, shape: tuple[int, ...]) -> Tensors:
    size = _parameters(tensor).get("binary_data_size")
    if size != math.prod(shape) or len(rest) != size:
        raise Refused(400, f"{INPUT}: binary_data_size, shape and body do not agree")
    return np.frombuffer(rest, np.uint8).reshape(shape)


def _numbers(tensor: Mapping[str, Any], shape: tuple[int, ...]) -> Tensors:
    """Flat or nested, as the protocol allows both."""
    try:
        data = np.asarray(tensor["data"])
    except (ValueError, TypeError, OverflowError) as error:
        raise Refused(400, f"{INPUT}: data is not numbers of one shape") from error
    if data.dtype.kind not in "iu" or data.size != math.prod(shape):
        raise Refused(400, f"{INPUT}: data must be {math.prod(shape)} whole numbers")
    if data.min() < 0 or data.max() > 255:
        raise Refused(400, f"{INPUT}: data must be from 0 to 255")
    return data.astype(np.uint8).reshape(shape)


def _parameters(said: Mapping[str, Any]) -> Mapping[str, Any]:
    found = said.get("parameters", {})
    if not isinstance(found, dict):
        raise Refused(400, "parameters must be an object")
    return found


def _number(parameters: Mapping[str, Any], name: str, default: float, most: float) -> float:
    value = parameters.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise Refused(400, f"{name} must be from 0 to {most:g}")
    return float(value)


def _wants_binary(said: Mapping[str, Any]) -> bool:
    outputs = said.get("outputs", [])
    if not (isinstance(outputs, list) and all(isinstance(one, dict) for one in outputs)):
        raise Refused(400, "outputs must be a list of objects")
    if any(one.get("name") != OUTPUT for one in outputs) or len(outputs) > 1:
        raise Refused(400, f"outputs: there is only {OUTPUT}")
    if outputs and "binary_data" in (own := _parameters(outputs[0])):
        return own["binary_data"] is True
    return _parameters(said).get("binary_data_output") is True
