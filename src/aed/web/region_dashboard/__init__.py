"""The region's dashboard and its monthly report."""
