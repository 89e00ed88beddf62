"""The page behind the secret link of a call: accept, find the way, say how it goes."""
