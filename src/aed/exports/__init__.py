"""Export the register: files, OGC API Features and vector tiles, always with the viewer's rights."""
