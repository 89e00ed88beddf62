"""Rules of placement: the coverage problem, its exact and its greedy solution, the ranked answer."""
