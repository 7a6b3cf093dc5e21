"""Who may ask, what every answer carries, and what OpenAPI and Prometheus are told."""

import base64
import re

import pytest

from kdsharp.serve import app as application
from kdsharp.serve.guard import CSP, MOST_HEAD

SHARPEN, READY = "/v1/sharpen", "/v2/health/ready"


def test_every_answer_is_guarded(tiny):
    for path in ("/", "/v1/models", "/no-such", READY, "/metrics"):
        headers = tiny.ask("GET", path).headers
        assert headers["content-security-policy"] == CSP
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-embedder-policy"] == "require-corp"
        assert headers["x-content-type-options"] == "nosniff"
    assert "'unsafe-inline'" not in CSP
    assert "http" not in CSP


def test_another_origin_is_closed(tiny, jpeg):
    other = {"Origin": "https://example.org"}
    answer = tiny.ask("POST", SHARPEN, content=jpeg, headers=other)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    assert tiny.ask("OPTIONS", SHARPEN, headers=other).status_code == 403
    own = {"Origin": "http://127.0.0.1"}
    assert tiny.ask("POST", SHARPEN, content=jpeg, headers=own).status_code == 200


def test_an_origin_can_be_let_in(made, jpeg):
    asked = made(origins=("https://example.org",))
    other = {"Origin": "https://example.org"}
    answer = asked.ask("POST", SHARPEN, content=jpeg, headers=other)
    assert answer.headers["access-control-allow-origin"] == "https://example.org"
    asks = {**other, "Access-Control-Request-Method": "POST"}
    assert asked.ask("OPTIONS", SHARPEN, headers=asks).status_code == 200
    third = {"Origin": "https://example.com"}
    assert asked.ask("POST", SHARPEN, content=jpeg, headers=third).status_code == 403


@pytest.mark.parametrize("origin", ["null", "http://[", "file://", "http://127.0.0.1:1"])
def test_origins_that_are_none(tiny, origin):
    assert tiny.ask("GET", "/v1/models", headers={"Origin": origin}).status_code == 403


@pytest.mark.parametrize("host", ["example.org", "example.org:8000", "10.0.0.1", "[::2]", "[", ""])
def test_a_name_that_was_made_to_mean_this_machine(tiny, host):
    assert tiny.ask("GET", "/v1/models", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "127.1.2.3"])
def test_this_machine(tiny, host):
    assert tiny.ask("GET", "/v1/models", headers={"Host": host}).status_code == 200


def test_a_head_has_its_limit(tiny):
    for more in ({"headers": {"X": "x" * MOST_HEAD}}, {"params": {"x": "x" * MOST_HEAD}}):
        answer = tiny.ask("GET", "/v1/models", **more)
        assert (answer.status_code, set(answer.json())) == (431, {"error"})


def test_a_token(made):
    asked = made(token="secret-token", host="0.0.0.0")
    basic = base64.b64encode(b"me:secret-token").decode()
    for given, status in (
        (None, 401),
        ("Bearer secret-token", 200),
        ("bearer secret-token", 200),
        (f"Basic {basic}", 200),
        ("Bearer secret-toke", 401),
        ("Bearer ", 401),
        ("secret-token", 401),
        ("Basic !!", 401),
        ("Basic /w==", 401),
        ("Bearer sécret".encode("latin-1"), 401),
    ):
        headers = {"Host": "example.org"} | ({"Authorization": given} if given else {})
        for path in ("/", "/v1/models", "/metrics", "/openapi.json"):
            assert asked.ask("GET", path, headers=headers).status_code == status, (given, path)
    assert asked.ask("GET", READY).status_code == 200
    assert asked.ask("GET", "/v1/models").headers["www-authenticate"].startswith("Basic")


def test_a_mistake_of_ours_is_one_line(tiny, jpeg, monkeypatch, capfd):
    def broken(*_):
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr(tiny.service, "sharpen", broken)
    answer = tiny.ask("POST", SHARPEN, content=jpeg)
    assert (answer.status_code, answer.json()) == (500, {"error": "internal error"})
    said = capfd.readouterr().err
    assert said.startswith("kdsharp serve: internal error, RuntimeError: first second")
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "path", ["/../settings.py", "/%2e%2e/settings.py", "/assets/..%2f..%2fapp.py", "/\\..\\app.py"]
)
def test_the_page_has_no_way_out(tiny, path):
    assert tiny.ask("GET", path).status_code == 404


def test_the_page(tiny):
    answer = tiny.ask("GET", "/")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.content == (application.PAGE / "index.html").read_bytes()


def test_openapi_has_examples(tiny):
    document = tiny.ask("GET", "/openapi.json").json()
    post = document["paths"][SHARPEN]["post"]
    assert {"multipart/form-data", "application/octet-stream"} == set(
        post["requestBody"]["content"]
    )
    names = {parameter["name"] for parameter in post["parameters"]}
    assert names == {"model", "scale", "upscale", "strength", "crisp", "format", "quality"}
    assert post["responses"]["429"]["content"]["application/json"]["example"]
    infer = document["paths"]["/v2/models/{name}/infer"]["post"]
    assert infer["requestBody"]["content"]["application/json"]["example"]["inputs"]
    # The pages that would draw it load scripts from another host.
    assert tiny.ask("GET", "/docs").status_code == 404


def test_metrics(made, jpeg):
    asked = made()
    asked.ask("POST", SHARPEN, content=jpeg)
    asked.ask("GET", "/some/secret/path")
    answer = asked.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    said = answer.text
    for line in (
        'kdsharp_requests_total{route="/v1/sharpen",status="200"} 1.0',
        'kdsharp_routes_total{model="model",route="fixed"} 1.0',
        "kdsharp_queue_depth 0.0",
        "kdsharp_queue_wait_seconds_count 1.0",
        f"kdsharp_received_bytes_sum {float(len(jpeg))}",
    ):
        assert line in said
    assert re.search(r'kdsharp_model_info\{model="model",version="\w{12}"\} 1.0', said)
    assert "secret" not in said
