"""Run an incident: open it, plan whom to call, alert them, follow them, close it; and drills."""
