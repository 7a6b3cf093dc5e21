"""Photos as people have them: read and written with everything that is in their files."""
