"""What production shows: statistics of the pictures that were sharpened, never the pictures.

`statistics` measures a picture, `expect` says what gain to expect of it, `record` makes a line of
both, and `log` keeps the lines by day. `docs/monitor.md` describes what is made of them.
"""
