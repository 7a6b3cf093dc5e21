"""The student as files that ship: ONNX in fp32, and in int8 after quantisation."""

from kdsharp.moved import moved_to

__getattr__ = moved_to(__name__, "fp32", "check_parity", "write_graph", "write_onnx")
