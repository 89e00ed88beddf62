"""The page *My page*: what the network knows of the person who is signed in, and what they can change."""
