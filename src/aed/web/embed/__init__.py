"""The time bank as an app of an estate shows it, in a web view or a frame."""
