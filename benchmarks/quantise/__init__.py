"""Which quantiser: ours beside those of ONNX Runtime and NNCF."""
