"""What is in production: put there, taken back, shown, copied, and published."""
