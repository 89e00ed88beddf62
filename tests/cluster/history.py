"""Check a history of requests against what the database holds afterwards, in the manner of Jepsen.

A write that was acknowledged must be stored exactly once; one that was not, at most once. A read of the
register (a field that one writer sets to 1, 2, 3, …) may return a value that is older than the last one
acknowledged before the read began only within the limit of replication lag.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

NO_ANSWER = 0
"""Instead of a status: the connection failed, or nothing came in time."""
SLOW_SECONDS = 5.0


class Work(StrEnum):
    LOOKUP = "lookup"
    CHECK = "check"
    INCIDENT = "incident"
    REGISTER = "register"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request; a repetition with the same key is another one."""

    work: Work
    began: float
    ended: float
    """Seconds of the monotonic clock."""
    status: int
    key: str = ""
    value: int | None = None
    """The register's value: written, or read."""
    has_retry_after: bool = True

    @property
    def is_done(self) -> bool:
        return 200 <= self.status < 300

    @property
    def seconds(self) -> float:
        return self.ended - self.began


def acknowledged(history: Iterable[Exchange], work: Work) -> set[str]:
    return {each.key for each in history if each.work is work and each.is_done}


def lost(history: Iterable[Exchange], work: Work, stored: Mapping[str, int]) -> set[str]:
    """Return the keys of acknowledged writes that are not stored."""
    return {key for key in acknowledged(history, work) if not stored.get(key)}


def doubled(stored: Mapping[str, int]) -> set[str]:
    """Return the keys of writes that are stored more than once."""
    return {key for key, count in stored.items() if count > 1}


def stale_reads(history: Sequence[Exchange], *, limit_seconds: float) -> list[Exchange]:
    """Return the reads of the register that missed a value acknowledged longer than the limit before."""
    writes = sorted(
        (each for each in history if each.work is Work.REGISTER and each.is_done), key=lambda each: each.ended
    )
    stale = []
    for read in history:
        if read.work is not Work.LOOKUP or read.value is None:
            continue
        known = [
            each.value
            for each in writes
            if each.value is not None and each.ended <= read.began - limit_seconds
        ]
        if known and read.value < max(known):
            stale.append(read)
    return stale


def longest_gap(history: Iterable[Exchange], works: Iterable[Work], *, since: float, until: float) -> float:
    """Return the longest time without a successful answer, in seconds."""
    wanted = set(works)
    ended = sorted(
        each.ended
        for each in history
        if each.work in wanted and each.is_done and since <= each.ended <= until
    )
    return max(after - before for before, after in pairwise([since, *ended, until]))


def refused_until(history: Iterable[Exchange], works: Iterable[Work], *, since: float) -> float:
    """Return the seconds from the fault until the last request fails; 0 without a failure."""
    wanted = set(works)
    failed = [each.ended for each in history if each.work in wanted and not each.is_done]
    return max([since, *failed]) - since


def statuses(history: Iterable[Exchange]) -> Counter[int]:
    """Count the statuses other than success."""
    return Counter(each.status for each in history if not each.is_done)


def cut_off(history: Iterable[Exchange], *, at: float) -> list[Exchange]:
    """Return the requests without an answer that were under way at a moment, when their host was lost.

    Nothing can answer them: the connection is gone with the host, and only the client's own limit ends them.
    """
    return [each for each in history if each.status == NO_ANSWER and each.began < at < each.ended]


def slow(history: Iterable[Exchange], *, but: Sequence[Exchange] = ()) -> list[Exchange]:
    """Return the requests that took too long, but those in `but`."""
    return [each for each in history if each.seconds > SLOW_SECONDS and each not in but]
