"""The export formats, a module each; each writes a page of devices at a time."""
