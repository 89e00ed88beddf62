"""Senders of an attack: processes of their own at a stated rate, which end with the block."""

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
"""Of a sender: an attacker computes on a machine of their own, not on the cores that answer lookups."""
LONGEST_SECONDS: Final = 300.0
"""No sender goes on for longer, whatever becomes of the process that started it."""


@dataclass(frozen=True, slots=True)
class Sender:
    """What is sent `per_second` times a second by each of `at_once` threads in a process of its own."""

    send: Callable[[Any, int], str]
    per_second: float
    at_once: int = 1
    prepare: Callable[[], object] | None = None
    """Makes what is sent, before the attack begins."""


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@contextmanager
def running(sender: Sender, target: Any) -> Iterator[Counter[str]]:
    """The attack goes on during the block; what is yielded has afterwards what it was answered."""
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
    ends_at = time.monotonic() + LONGEST_SECONDS
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
