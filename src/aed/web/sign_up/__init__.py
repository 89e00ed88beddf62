"""The page *Sign in*: a phone number, then the code that was sent to it. It opens an account too."""
