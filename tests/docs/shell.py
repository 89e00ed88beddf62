"""Run documented commands as a reader would: in a separate folder, in the order shown."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

import httpx2

from tests import forked
from tests.docs.blocks import ROOT

LINKED: Final = (".venv", "Makefile", "deploy", "docs", "geodata")
AED: Final = ".venv/bin/aed"
PORT: Final = "127.0.0.1:8000"
"""The server's address in the documentation."""
OPERATORS: Final = frozenset("|<>&;$`")


class Shell:
    """A folder with the checkout's visible files in which commands run; `aed` starts without a new import."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        for name in LINKED:
            (folder / name).symlink_to(ROOT / name)
        self.folder = folder
        self._server: forked.Forked | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(300)

    def run(self, command: str) -> str:
        """Run one command and return its output. Raises AssertionError if it fails."""
        command = command.replace(PORT, f"127.0.0.1:{self._port}")
        words = shlex.split(command, comments=True)
        if words[0] == "make":
            return "".join(self.run(line) for line in self._recipe(words[1]))
        if words == [AED, "serve"]:
            return self._serve()
        settings = {}
        while "=" in words[0]:
            name, _, settings[name] = words.pop(0).partition("=")
        unquoted = shlex.shlex(command, posix=True, punctuation_chars="|<>&;$`")
        is_plain = not any(set(word) <= OPERATORS for word in unquoted if word)
        if words[0] == AED and is_plain:
            status, output = self._aed(words[1:], settings)
        else:
            done = subprocess.run(
                ["sh", "-c", command],
                cwd=self.folder,
                env=self._environment({}),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",  # curl mixes its messages into binary output
                timeout=120,
                check=False,
            )
            status, output = done.returncode, done.stdout
        assert status == 0, f"$ {command}\n{output}"
        return output

    def _environment(self, settings: dict[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AED_")}
        return kept | {"COLUMNS": "120", "AED_PORT": str(self._port)} | settings

    def _recipe(self, target: str) -> list[str]:
        """Return the commands of a Makefile target, without the creation of the environment."""
        printed = subprocess.run(
            ["make", "--dry-run", "--no-print-directory", "SETUP=true", target],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        return [line for line in printed.splitlines() if line not in ("true", "true test")]

    def _aed(self, arguments: list[str], settings: dict[str, str]) -> tuple[int, str]:
        log = self.folder / ".output"
        process = self._started(arguments, settings, log)
        try:
            status = process.wait(120)
        finally:
            process.kill()
        return status, log.read_text(encoding="utf-8")

    def _started(self, arguments: list[str], settings: dict[str, str], log: Path) -> forked.Forked:
        log.unlink(missing_ok=True)
        return forked.start(arguments, cwd=self.folder, env=self._environment(settings), output=log)

    def _serve(self) -> str:
        log = self.folder / ".server"
        self._server = self._started(["serve"], {}, log)
        while True:
            try:
                if httpx2.get(f"http://127.0.0.1:{self._port}/readyz").status_code == 200:
                    return ""
            except httpx2.TransportError:
                pass
            if self._server.poll() is not None:
                raise AssertionError(log.read_text(encoding="utf-8"))
            time.sleep(0.05)  # between attempts: a server does not signal that it listens
