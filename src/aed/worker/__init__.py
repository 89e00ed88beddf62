"""The worker: its lease, scheduled jobs, and their runs."""
