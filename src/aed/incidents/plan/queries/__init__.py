"""Read what the planner needs."""
