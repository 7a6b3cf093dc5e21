"""The teacher: an encoder and a decoder, and how they are trained; or another's network."""

from kdsharp.moved import moved_to

__getattr__ = moved_to(
    __name__,
    "network",
    "Teacher",
    "find_teacher",
    "load_teacher",
    "save_no_teacher",
)
