"""Pages of inspection rounds: the inspector's list on a phone, and the manager's assignment and progress."""
