"""What is in production: put there, taken back, shown, and copied to other machines."""
