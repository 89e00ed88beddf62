"""A page of demo databases: sign in as one of the invented people, start an exercise and watch it."""
