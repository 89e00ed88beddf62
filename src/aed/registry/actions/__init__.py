"""Writing the register. Each action checks who may, keeps what changed, and flushes; none commits."""
