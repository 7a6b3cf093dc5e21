"""`GET /v1/models`: what can be asked for, and each model as a file for browsers."""

import json
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, Request, Response

from kdsharp.errors import UserError
from kdsharp.runtime.card import CARD
from kdsharp.runtime.catalog import WIDTHS
from kdsharp.serve.models import Shown
from kdsharp.serve.refusal import Refused
from kdsharp.serve.service import Service

__all__ = ["model_routes"]

Target = Literal["webgl2", "wgsl", "onnx", "card"]

_TYPES = {
    "webgl2": "text/javascript; charset=utf-8",
    "wgsl": "text/javascript; charset=utf-8",
    "onnx": "application/octet-stream",
    "card": "application/json",
}
_KEPT = 64  # files for browsers that stay in memory, of about 100 KB each
_EXAMPLE = {
    "default": "small",
    "version": "0a1b2c3d4e5f",
    "sizes": ["nano", "small", "large"],
    "models": [
        {
            "name": "small-x2",
            "version": "0a1b2c3d4e5f",
            "degradation": "bicubic",
            "scale": 2,
            "channels": 32,
            "convs": 3,
            "receptive_radius": 9,
            "color": "luma",
            "parameters": 16000,
            "macs_per_pixel": 3900.0,
            "upscales": True,
            "mixture": False,
            "card": "/v1/models/small-x2/card",
        }
    ],
}


def model_routes(service: Service) -> APIRouter:
    """The routes for models."""
    router, files = APIRouter(prefix="/v1", tags=["models"]), _Files()

    @router.get(
        "/models", responses={200: {"content": {"application/json": {"example": _EXAMPLE}}}}
    )
    async def models() -> dict[str, Any]:
        """The models by name, the sizes that choose among them, and what is used by default."""
        return {
            "default": service.models.default,
            "version": service.models.version,
            "sizes": sorted(WIDTHS),
            "models": [_about(shown) for shown in service.models.all()],
        }

    @router.get(
        "/models/{name}/{target}",
        response_class=Response,
        responses={
            200: {"content": {"text/javascript": {}, "application/octet-stream": {}}},
            304: {"description": "The caller has it already, by its ETag."},
            404: {"description": "No such model, or it cannot be written so."},
        },
    )
    def file(request: Request, name: str, target: Target, upscale: bool = False) -> Response:
        """A model as a module for browsers, its ONNX file in fp32, or its card.

        `upscale` is for the modules: they enlarge by the model's scale as well.
        """
        shown = service.models.single(name)
        if shown is None:
            raise Refused(404, f"model {name!r:.60} is unknown: GET /v1/models lists them")
        etag = f'"{shown.version}-{target}{"-upscale" if upscale else ""}"'
        # The browser asks each time: the same name may be another model after a promotion.
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if etag in (sign.strip() for sign in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers=headers)
        content = files.get(shown, target, upscale=upscale)
        return Response(content, media_type=_TYPES[target], headers=headers)

    return router


def _about(shown: Shown) -> dict[str, Any]:
    card = shown.card
    student = card.lineage.get("student")
    made = student if isinstance(student, dict) else {}
    return {
        "name": shown.name,
        "version": shown.version,
        "degradation": card.degradation,
        "scale": card.scale,
        "channels": made.get("channels"),
        # Cards of the first versions say nothing of convolutions: there were three.
        "convs": made.get("convs", 3 if made else None),
        "receptive_radius": card.receptive_radius,
        "color": card.color,
        "parameters": card.parameters,
        "macs_per_pixel": card.macs_per_pixel,
        "upscales": card.upscaler is not None,
        "mixture": card.mixture is not None,
        "card": f"/v1/models/{shown.name}/card",
    }


class _Files:
    """What was written once stays in memory, by version."""

    def __init__(self) -> None:
        self._made, self._lock = OrderedDict[tuple[str, str, str, bool], bytes](), threading.Lock()

    def get(self, shown: Shown, target: Target, *, upscale: bool) -> bytes:
        key = (shown.name, shown.version, target, upscale)
        with self._lock:
            if key not in self._made:
                self._made[key] = _written(shown, target, upscale=upscale)
            self._made.move_to_end(key)
            if len(self._made) > _KEPT:
                self._made.popitem(last=False)
            return self._made[key]


def _written(shown: Shown, target: Target, *, upscale: bool) -> bytes:
    if target == "card":
        card = json.loads((shown.folder / CARD).read_text(encoding="utf-8"))
        return json.dumps(card, ensure_ascii=False).encode()
    if target == "onnx":
        return (shown.folder / shown.card.file).read_bytes()
    from kdsharp.export.targets import export

    try:
        with tempfile.TemporaryDirectory(prefix="kdsharp-") as place:
            out = Path(place) / "module.js"
            export(shown.folder, target, out, upscale=upscale)
            return out.read_bytes()
    except UserError as error:
        raise Refused(404, str(error).replace(str(shown.folder), shown.name)) from error
