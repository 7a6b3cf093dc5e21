"""The program of docs/players.md sends what KServe's protocol V2 says."""

import http.server
import json
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from onnxruntime import InferenceSession
from PIL import Image

from kdsharp.export.targets import export

PAGE = Path(__file__).parents[3] / "docs" / "players.md"


@pytest.fixture
def server(student_folder, tmp_path):
    """One model by protocol V2 with its extension for binary tensors; yields its port."""
    export(student_folder(), "onnx-nhwc", tmp_path / "model.onnx")
    session = InferenceSession(tmp_path / "model.onnx")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            assert self.path == "/v2/models/kdsharp/infer"
            body = self.rfile.read(int(self.headers["Content-Length"]))
            size = int(self.headers["Inference-Header-Content-Length"])
            head = json.loads(body[:size])
            ((tensor,), (wanted,)) = head["inputs"], head["outputs"]
            assert tensor["datatype"] == "UINT8"
            assert tensor["parameters"]["binary_data_size"] == len(body) - size
            assert wanted["parameters"]["binary_data"] is True
            pixels = np.frombuffer(body[size:], np.uint8).reshape(tensor["shape"])
            (out,) = session.run([wanted["name"]], {tensor["name"]: pixels})
            described = {"name": wanted["name"], "datatype": "UINT8", "shape": out.shape}
            described["parameters"] = {"binary_data_size": out.nbytes}
            answer = json.dumps({"model_name": "kdsharp", "outputs": [described]}).encode()
            self.send_response(200)
            self.send_header("Inference-Header-Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer + out.tobytes())

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield listening.server_port
        listening.shutdown()
        thread.join()


def test_the_program_of_the_page(server, photo, picture, tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (program,) = [block for block in blocks if "/v2/models" in block]
    monkeypatch.chdir(tmp_path)
    exec(program.replace("127.0.0.1:8000", f"127.0.0.1:{server}"), {})
    (expected,) = InferenceSession("model.onnx").run(None, {"input": picture[None]})
    with Image.open("sharp.png") as sharp:
        np.testing.assert_array_equal(np.asarray(sharp), expected[0])
