"""The page of one device: where it hangs, when it can be reached, and what a person beside it can do."""
