"""`kdsharp serve`: the same sharpening over HTTP, for programs and for the page in a browser."""
