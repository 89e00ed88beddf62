"""Export the register as files, OGC API Features and vector tiles, with the viewer's permissions."""
