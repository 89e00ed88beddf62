"""File formats of lists, each read in bounded memory."""
