"""The worker.

job.py     what a job is, and one run of it
worker.py  the lease is kept, what is due is run, messages go out
"""

from __future__ import annotations

from aed.worker.jobs.job import Job, Now, Watch, run_by_hand, try_out
from aed.worker.jobs.worker import Worker

__all__ = ["Job", "Now", "Watch", "Worker", "run_by_hand", "try_out"]
