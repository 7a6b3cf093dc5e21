"""The Open Inference Protocol, KServe V2: what clients of Triton and OVMS speak."""

from typing import Any

from fastapi import APIRouter, Request, Response

from kdsharp import __version__
from kdsharp.serve.models import Shown
from kdsharp.serve.pool import Ticket
from kdsharp.serve.refusal import Refused
from kdsharp.serve.service import Service
from kdsharp.serve.tensors import INPUT, LENGTH, OUTPUT, answer, parse
from kdsharp.serve.work import sharpen_tensors, told

__all__ = ["kserve_routes"]

_SHAPE = [-1, -1, -1, 3]
_EXAMPLE = {
    "inputs": [
        {"name": INPUT, "shape": [1, 1, 2, 3], "datatype": "UINT8", "data": [9, 9, 9, 90, 90, 90]}
    ],
    "parameters": {"strength": 1.0, "crisp": 0.0},
}
_INFER: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object"}, "example": _EXAMPLE},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


def kserve_routes(service: Service) -> APIRouter:
    """The routes under /v2, but for health."""
    router = APIRouter(prefix="/v2", tags=["KServe V2"])

    def known(name: str, version: str | None = None) -> Shown:
        shown = service.models.single(name)
        if shown is None or version not in (None, shown.version):
            raise Refused(404, f"model {name!r:.60}, or this version of it, is not served")
        return shown

    @router.get("")
    async def server() -> dict[str, Any]:
        """What this server is."""
        return {"name": "kdsharp", "version": __version__, "extensions": ["binary_tensor_data"]}

    @router.get("/models/{name}")
    @router.get("/models/{name}/versions/{version}")
    async def model(name: str, version: str | None = None) -> dict[str, Any]:
        """The tensors of a model."""
        shown = known(name, version)
        return {
            "name": name,
            "versions": [shown.version],
            "platform": "kdsharp",
            "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": _SHAPE}],
            "outputs": [{"name": OUTPUT, "datatype": "UINT8", "shape": _SHAPE}],
        }

    @router.get("/models/{name}/ready")
    @router.get("/models/{name}/versions/{version}/ready")
    async def ready(name: str, version: str | None = None) -> dict[str, Any]:
        """Whether a model can be asked."""
        known(name, version)
        if service.admission.closed:
            raise Refused(503, "the service is stopping")
        return {"name": name, "ready": True}

    @router.post("/models/{name}/infer", response_class=Response, openapi_extra=_INFER)
    @router.post(
        "/models/{name}/versions/{version}/infer", response_class=Response, openapi_extra=_INFER
    )
    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        """Sharpen pictures of uint8 RGB, (batch, height, width, 3), as JSON or as bytes."""
        shown = known(name, version)
        length = request.headers.get(LENGTH)
        async with service.body(request) as body:

            def work(ticket: Ticket) -> tuple[bytes, int, str]:
                asked = parse(body, length, service.settings.max_megapixels)
                sharpener = service.models.find(shown.name, None, asked.strength, asked.crisp)
                made, used = sharpen_tensors(sharpener, asked.pictures_NHWC, ticket)
                service.metrics.routes.labels("fixed", shown.name).inc()
                return *answer(asked, made, shown.name, used), used

            content, end, used = await service.run(request, work)
        headers = told(shown.name, used, "fixed")
        if end:
            headers[LENGTH] = str(end)
        kind = "application/octet-stream" if end else "application/json"
        return Response(content, media_type=kind, headers=headers)

    return router
