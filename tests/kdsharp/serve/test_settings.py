"""What the service can be told, and what the command says of it."""

import io
import socket
import sys

import pytest
from opentelemetry.sdk.trace.export import ConsoleSpanExporter

from kdsharp.errors import UserError
from kdsharp.serve.settings import Settings, is_loopback
from kdsharp.serve.tracing import EXPORTER, tracer


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"host": "0.0.0.0"}, "give a token"),
        ({"host": "example.org"}, "give a token"),
        ({"host": "0.0.0.0", "token": "short"}, "8 characters"),
        ({"token": "sécret-sécret"}, "ASCII"),
        ({"port": 70000}, "port must be"),
        ({"origins": ("example.org",)}, "write it as"),
        ({"origins": ("https://example.org/path",)}, "write it as"),
        ({"origins": ("*",)}, "write it as"),
        ({"max_bytes": 0}, "max-bytes must be"),
        ({"seconds": -1}, "seconds must be"),
        ({"queue": -1}, "must not be less"),
        ({"shadow_share": 2}, "shadow-share"),
    ],
)
def test_mistakes(given, said):
    with pytest.raises(UserError, match=said):
        Settings(**given)


def test_loopback():
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "localhost.example.org", "")))
    assert Settings(host="0.0.0.0", token="long-enough").places == Settings().places


def test_the_command_says_what_is_wrong(kdsharp, monkeypatch):
    code, out, err = kdsharp("serve", "--host", "0.0.0.0")
    assert (code, out) == (2, "")
    assert "give a token" in err
    code, _, err = kdsharp("serve", "--model", "no-such", "--port", "0")
    assert code == 2
    assert "neither a model folder nor a model that ships" in err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, _, err = kdsharp("serve", "--port", taken.getsockname()[1])
    assert code == 2
    assert "choose another" in err


def test_without_the_extra_the_command_names_it(kdsharp, monkeypatch):
    monkeypatch.setitem(sys.modules, "kdsharp.serve.run", None)
    code, _, err = kdsharp("serve")
    assert (code, 'pip install "kdsharp[serve]"' in err) == (2, True)


def test_spans(made, png, monkeypatch):
    said_to = io.StringIO()
    begin = ConsoleSpanExporter.__init__  # it keeps the sys.stdout of whoever imports it first
    monkeypatch.setattr(ConsoleSpanExporter, "__init__", lambda self: begin(self, out=said_to))
    monkeypatch.setenv(EXPORTER, "console")
    asked = made(trace=True)
    asked.ask("POST", "/v1/sharpen", content=png)
    asked.app._tracer.span_processor.force_flush()
    said = said_to.getvalue()
    assert '"name": "POST /v1/sharpen"' in said
    assert '"kdsharp.model": "model"' in said
    monkeypatch.setenv(EXPORTER, "no-such")
    with pytest.raises(UserError, match=f"{EXPORTER}=no-such: no such exporter"):
        tracer()
