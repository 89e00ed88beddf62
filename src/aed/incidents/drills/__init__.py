"""Time device fetches, and estimate an estate's pace from them."""
