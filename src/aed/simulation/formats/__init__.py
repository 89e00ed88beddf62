"""What a simulation is written as."""
