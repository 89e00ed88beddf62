"""Run `aed` in processes forked from one that has imported it: importing takes seconds of CPU time.

A test of the start itself (an import, a variable that Python or the C library reads as it starts) uses
`tests.commands.aed`, which starts Python anew.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Final

PRELOADED: Final = "tests.preloaded"
FORKING: Final = multiprocessing.get_context("forkserver")
"""Forks processes for all tests of a worker from one: multiprocessing has one list of what it imports."""
FORKING.set_forkserver_preload([PRELOADED])


class Forked:
    """A process that runs `aed`, with the methods of `subprocess.Popen` that tests use."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        assert process.pid is not None
        self.pid: int = process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the process ends, and return its status. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        status = self._process.exitcode
        if status is None:
            raise subprocess.TimeoutExpired("aed", timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    arguments: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    output: Path,
    errors: Path | None = None,
    prepare: Callable[[], None] | None = None,
) -> Forked:
    """Start `aed ARGUMENTS`; its output goes to one file, or its errors to another.

    `prepare` is called in the process before the command. It is pickled: give a function of a module, or
    `functools.partial` of one.
    """
    process = FORKING.Process(
        target=_run, args=(list(arguments), cwd, dict(env), output, errors or output, prepare), daemon=True
    )
    process.start()
    return Forked(process)


def run(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], within_seconds: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run `aed ARGUMENTS`, and return the completed process with its output and its errors."""
    with tempfile.TemporaryDirectory(prefix="aed-forked-") as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        process = start(arguments, cwd=cwd, env=env, output=output, errors=errors)
        try:
            status = process.wait(within_seconds)
        finally:
            process.kill()
        return subprocess.CompletedProcess(
            ["aed", *arguments],
            status,
            output.read_text(encoding="utf-8"),
            errors.read_text(encoding="utf-8"),
        )


def _run(
    arguments: list[str],
    folder: Path,
    environment: dict[str, str],
    output: Path,
    errors: Path,
    prepare: Callable[[], None] | None,
) -> None:
    from aed.cli import main

    assert PRELOADED in sys.modules, "it failed to be imported, which multiprocessing does not say"
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # TMPDIR may have changed
    for number, path in ((1, output), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if prepare is not None:
        prepare()
    sys.argv = ["aed", *arguments]
    main()
