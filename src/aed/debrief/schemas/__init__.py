"""What comes after a call, in and out."""
