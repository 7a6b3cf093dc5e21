"""Sharpen pictures in real time on an ordinary CPU, with a tiny network."""

__all__ = ["__version__"]

__version__ = "0.1.0"
