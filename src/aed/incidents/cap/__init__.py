"""Read and write incidents as messages of the Common Alerting Protocol (CAP 1.2)."""
