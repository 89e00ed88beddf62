"""The real server on loopback, and GDAL's tools as packaged by Debian."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

from aed.settings import Settings
from tests.apps import app_on


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve the application on a free port; yield its URL."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listening.close()


@pytest.fixture
def served(settings: Settings) -> Iterator[str]:
    with serving(app_on(settings)) as address:
        yield address


type Gdal = Callable[..., str]


@pytest.fixture
def gdal(tmp_path: Path) -> Gdal:
    """Return a function that runs a GDAL tool and returns its output; a warning or error fails the test."""

    def run(tool: str, *arguments: str | Path, token: str | None = None) -> str:
        found = shutil.which(tool)
        assert found is not None, (
            f"{tool} is not installed: `make test` installs gdal-bin, deploy/setup.sh test"
        )
        # GDAL 3.10 doesn't send GDAL_HTTP_HEADERS to an OGC API: the token has its own settings.
        key = ["--config", "GDAL_HTTP_AUTH", "BEARER", "--config", "GDAL_HTTP_BEARER", token] if token else []
        done = subprocess.run(
            [found, *key, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "ERROR" not in done.stderr, done.stderr
        assert "Warning" not in done.stderr, done.stderr
        return done.stdout

    return run
