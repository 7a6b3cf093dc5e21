"""Which model a picture needs: what it lost, as a tiny network sees it, and the choice."""

from kdsharp.moved import moved_to

__getattr__ = moved_to(__name__, "router", "Gains", "Router")
