"""Export formats, one module each; each writes devices page by page."""
