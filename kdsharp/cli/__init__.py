"""The `kdsharp` command: `app` is the whole, and each command is a module."""
