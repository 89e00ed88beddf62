"""What crosses the boundary: offers to help, and consents."""
