"""The planner: pure functions of what is known at a moment."""
