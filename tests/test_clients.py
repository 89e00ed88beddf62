"""Generated Python and TypeScript clients of the API compile."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.clients.__main__ import UV, make_python_client, make_typescript_client, write_document


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("openapi") / "openapi.json"
    write_document(path)
    return path


@pytest.mark.skipif(not UV.exists(), reason="uv is not in .state/uv: run deploy/setup.sh")
def test_the_python_client_compiles(document: Path, tmp_path: Path) -> None:
    make_python_client(document, tmp_path)
    assert (tmp_path / "aed_client/api/incidents/find_nearest.py").exists()


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_the_typescript_client_compiles(document: Path, tmp_path: Path) -> None:
    make_typescript_client(document, tmp_path)
    assert "find_nearest: {" in (tmp_path / "api.ts").read_text(encoding="utf-8")
