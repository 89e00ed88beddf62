"""The worker: who may act, what was run when, and what came of it."""
