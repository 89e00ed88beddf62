"""The page behind the link of a daily reminder: each due task, with buttons to answer it."""
