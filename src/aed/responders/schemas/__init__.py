"""What crosses the boundary: offers to help, consents, live places."""
