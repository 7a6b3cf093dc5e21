"""The student: a chain of convolutions, how they are trained, and what they learn from."""

from kdsharp.moved import moved_to

__getattr__ = moved_to(__name__, "network", "Student", "inner_pixels", "load_student")
