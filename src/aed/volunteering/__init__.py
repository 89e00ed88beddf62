"""Service records of volunteers: proven minutes, confirmations, disputes, and papers about them."""
