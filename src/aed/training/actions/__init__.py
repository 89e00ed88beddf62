"""Planning courses and sessions, enrolling, and what comes of it."""
