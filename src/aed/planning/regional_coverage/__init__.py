"""Who in a region has an AED within 3 and 5 minutes, by part of the week, and where nobody has."""
