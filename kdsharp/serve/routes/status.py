"""Health, as KServe V2 names it, and the counters for Prometheus."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from kdsharp.serve.metrics import CONTENT_TYPE
from kdsharp.serve.service import Service

__all__ = ["readiness", "status_routes"]


def status_routes(service: Service) -> APIRouter:
    """The routes for those who watch."""
    router = APIRouter(tags=["status"])

    @router.get("/v2/health/live")
    async def live() -> dict[str, bool]:
        """Whether the process answers."""
        return {"live": True}

    @router.get("/v2/health/ready")
    async def ready() -> JSONResponse:
        """Whether pictures are taken: 503 once the service stops.

        `problem` says why a model that lies in the folder is not the one that is served; the one
        before it goes on, so this is still 200.
        """
        found = readiness(service)
        return JSONResponse(found, 200 if found["ready"] else 503)

    @router.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """For Prometheus, as text."""
        return Response(service.metrics.page(), headers={"Content-Type": CONTENT_TYPE})

    return router


def readiness(service: Service) -> dict[str, Any]:
    """Whether the service takes pictures, with which model, and what is wrong with its folder."""
    stopping = service.admission.closed
    problem = "the service is stopping" if stopping else service.watch.problem
    return {
        "ready": not stopping,
        "model": service.models.default,
        "version": service.models.version,
        "problem": problem or None,
    }
