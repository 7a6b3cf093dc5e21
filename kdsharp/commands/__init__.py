"""The commands of `kdsharp`: one module each."""
