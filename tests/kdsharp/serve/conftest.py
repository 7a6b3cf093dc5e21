"""A service on the tiny model, asked within the process."""

import asyncio
import io
from dataclasses import dataclass, field

import httpx
import numpy as np
import pytest
from PIL import Image

from kdsharp.serve.app import make_app
from kdsharp.serve.service import Service
from kdsharp.serve.settings import Settings


@dataclass
class Asked:
    """A service and its application; `ask` is one request, `together` are several at once."""

    service: Service
    app: object = field(init=False)

    def __post_init__(self):
        self.app = make_app(self.service)

    def ask(self, method, path, **more):
        (answer,) = self.together((method, path, more))
        return answer

    def together(self, *requests):
        async def run():
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://127.0.0.1"
            ) as client:
                calls = [client.request(method, path, **more) for method, path, more in requests]
                return await asyncio.gather(*calls)

        return asyncio.run(run())


def make_asked(model, **settings):
    chosen = {"workers": 2, "engine": "onnxruntime", **settings}
    return Asked(Service(Settings(model=str(model) if model else None, **chosen)))


@pytest.fixture(scope="session")
def tiny(luma_model):
    """With the usual limits."""
    asked = make_asked(luma_model)
    yield asked
    asked.service.close()


@pytest.fixture
def made(luma_model):
    """With other settings; the threads end with the test."""
    all_made = []

    def make(model=luma_model, **settings):
        all_made.append(make_asked(model, **settings))
        return all_made[-1]

    yield make
    for asked in all_made:
        asked.service.close()


@pytest.fixture
def jpeg(picture):
    return encoded(picture, "JPEG", quality=90)


@pytest.fixture
def png(picture):
    return encoded(picture, "PNG")


def encoded(picture, form, **options):
    out = io.BytesIO()
    Image.fromarray(np.asarray(picture)).save(out, form, **options)
    return out.getvalue()
