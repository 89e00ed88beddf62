"""The page `/d/{code}/check`: check a device, with or without a network; answer a confirmation request."""
