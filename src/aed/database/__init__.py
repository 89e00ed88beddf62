"""Connect to the database, run transactions, and read or write geometry and encrypted columns."""
