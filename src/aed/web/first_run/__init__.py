"""The first run: the first administrator by a one-time code, the first region and estate, what is next."""
