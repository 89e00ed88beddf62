"""Follow incidents as server-sent events."""
