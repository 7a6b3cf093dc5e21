"""Names of files, as people may see them."""

__all__ = ["printable"]


def printable(name: str) -> str:
    """`name` on one line of valid UTF-8, whatever bytes a file system allowed in it."""
    escaped = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in escaped)
