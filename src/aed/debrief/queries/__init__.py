"""Reading what comes after a call. It is told to the dispatchers of the incident's region."""
