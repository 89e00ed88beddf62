"""Reading courses, sessions, rosters, and what should be learnt next."""
