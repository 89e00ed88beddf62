"""What crosses the boundary of the registry: HTTP bodies, CLI input, import rows, and what is shown."""
