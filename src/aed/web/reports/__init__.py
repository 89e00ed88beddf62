"""Report a problem with a device, and report that there is one here which nobody has registered."""
