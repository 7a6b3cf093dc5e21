"""What people's pictures lack, and what `kdsharp sharpen` as installed does about it."""
