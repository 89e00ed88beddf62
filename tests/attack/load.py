"""Senders of an attack: processes with a constant request rate that end with the block."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from typing import Any, Final

import httpx2

LOWEST_PRIORITY: Final = 19
"""The niceness of a sender: a real attacker doesn't use the cores that answer lookups."""
MAX_SECONDS: Final = 300.0
"""The time after which a sender ends, even if the process that started it is gone."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A request sent `per_second` times a second by each of `at_once` threads in a separate process."""

    send: Callable[[Any, int], str]
    per_second: float
    at_once: int = 1
    prepare: Callable[[], object] | None = None
    """Prepares the requests before the attack begins."""


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@contextmanager
def running(sender: Sender, target: Any) -> Iterator[Counter[str]]:
    """Run the attack during the block; afterwards, the yielded counter holds the responses."""
    context = multiprocessing.get_context("spawn")
    stop, answers = context.Event(), context.SimpleQueue()
    process = context.Process(target=_attack, args=(sender, target, stop, answers), daemon=True)
    process.start()
    answers.get()  # it has begun
    found: Counter[str] = Counter()
    try:
        yield found
    finally:
        stop.set()
        process.join(60)
        while not answers.empty():
            found.update(answers.get())
        if process.is_alive():
            process.kill()
            process.join()


def _attack(sender: Sender, target: Any, stop: Event, answers: Any) -> None:
    import threading

    os.nice(LOWEST_PRIORITY)
    if sender.prepare is not None:
        sender.prepare()
    ends_at = time.monotonic() + MAX_SECONDS
    found: Counter[str] = Counter()
    lock = threading.Lock()

    def go_on(thread: int) -> None:
        number = thread
        while not stop.is_set() and time.monotonic() < ends_at:
            turn = time.monotonic() + 1 / sender.per_second
            try:
                answer = sender.send(target, number)
            except (OSError, httpx2.TransportError) as error:
                answer = type(error).__name__
            with lock:
                found[answer] += 1
            number += sender.at_once
            stop.wait(max(0.0, turn - time.monotonic()))

    threads = [threading.Thread(target=go_on, args=(each,), daemon=True) for each in range(sender.at_once)]
    answers.put({})
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    with lock:
        answers.put(dict(found))
