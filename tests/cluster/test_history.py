"""The checker of histories finds what it must: made-up histories with one fault each."""

from __future__ import annotations

import pytest

from tests.cluster.history import (
    NO_ANSWER,
    Exchange,
    Work,
    cut_off,
    doubled,
    longest_gap,
    lost,
    refused_until,
    slow,
    stale_reads,
    statuses,
)


def done(work: Work, at: float, key: str = "", value: int | None = None) -> Exchange:
    return Exchange(work, at, at + 0.1, 200, key, value)


def failed(work: Work, at: float, status: int = 503, key: str = "") -> Exchange:
    return Exchange(work, at, at + 0.1, status, key)


def test_an_acknowledged_write_that_is_missing_is_lost() -> None:
    history = [done(Work.CHECK, 1, "kept"), done(Work.CHECK, 2, "gone"), failed(Work.CHECK, 3, key="unknown")]

    assert lost(history, Work.CHECK, {"kept": 1}) == {"gone"}


def test_a_write_without_an_answer_may_be_stored_but_not_twice() -> None:
    history = [failed(Work.CHECK, 1, NO_ANSWER, "unknown")]

    assert lost(history, Work.CHECK, {}) == set()
    assert doubled({"unknown": 1}) == set()
    assert doubled({"unknown": 2}) == {"unknown"}


@pytest.mark.parametrize(("read_at", "is_stale"), [(3.0, False), (6.0, False), (8.0, True)])
def test_an_old_value_may_be_read_within_the_limit(read_at: float, is_stale: bool) -> None:
    history = [
        done(Work.REGISTER, 1, value=1),
        done(Work.REGISTER, 2, value=2),
        done(Work.LOOKUP, read_at, value=1),
    ]

    assert bool(stale_reads(history, limit_seconds=5)) is is_stale


def test_a_value_that_was_not_acknowledged_is_not_missed() -> None:
    history = [
        done(Work.REGISTER, 1, value=1),
        Exchange(Work.REGISTER, 2, 3, NO_ANSWER, value=2),
        done(Work.LOOKUP, 20, value=1),
        done(Work.LOOKUP, 21, value=2),
    ]

    assert stale_reads(history, limit_seconds=5) == []


def test_a_gap_lasts_from_one_success_to_the_next_and_to_the_end() -> None:
    history = [done(Work.LOOKUP, 0), failed(Work.LOOKUP, 2), done(Work.LOOKUP, 4), done(Work.CHECK, 6)]

    assert longest_gap(history, [Work.LOOKUP], since=0, until=5) == pytest.approx(4)
    assert longest_gap(history, [Work.LOOKUP], since=0, until=20) == pytest.approx(15.9)


def test_writes_are_refused_until_the_last_failure() -> None:
    history = [failed(Work.CHECK, 2), done(Work.CHECK, 3), failed(Work.CHECK, 4), failed(Work.LOOKUP, 9)]

    assert refused_until(history, [Work.CHECK], since=1) == pytest.approx(3.1)
    assert refused_until(history[1:2], [Work.CHECK], since=1) == 0


def test_statuses_and_slow_requests_are_counted() -> None:
    history = [done(Work.LOOKUP, 1), failed(Work.LOOKUP, 2), Exchange(Work.CHECK, 3, 8.1, NO_ANSWER)]

    assert statuses(history) == {503: 1, NO_ANSWER: 1}
    assert slow(history) == [history[2]]


def test_what_was_under_way_at_a_lost_host_is_not_slow() -> None:
    under_way = Exchange(Work.LOOKUP, 9, 24, NO_ANSWER)
    answered, later = Exchange(Work.LOOKUP, 9.5, 15, 200), Exchange(Work.CHECK, 11, 26, NO_ANSWER)
    history = [under_way, answered, later]

    cut = cut_off(history, at=10)

    assert cut == [under_way]
    assert slow(history, but=cut) == [answered, later]
