"""The trainer's screen with the attendance code, and the page that a scanned code opens."""
