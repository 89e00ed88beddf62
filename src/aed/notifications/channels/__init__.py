"""The ways out, one file each: a function that delivers one letter or raises OSError."""
