"""Generate API clients in Python and TypeScript and compile them: `make clients`.

1. Install the generators at their locked versions into .state/clients.
2. Write the OpenAPI document.
3. Python: generate, compile and import every module, and import an example that uses it.
4. TypeScript: generate, and compile an example that uses it, in strict mode.

Each step fails on a warning, because an operation that a generator omits can't be called.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from fastapi.testclient import TestClient
from tests.commands import KEY

from aed.app import create_app
from aed.settings import Settings

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent
UV: Final = ROOT / ".state/uv/bin/uv"
FOLDER: Final = ROOT / ".state/clients"

IMPORT_ALL: Final = """
import importlib, pkgutil, aed_client
for module in pkgutil.walk_packages(aed_client.__path__, "aed_client."):
    importlib.import_module(module.name)
import example
"""


def write_document(path: Path) -> None:
    """Write the OpenAPI document; this needs no database."""
    os.environ.setdefault("AED_ENCRYPTION_KEYS", KEY)
    app = create_app(Settings(database_url="postgresql+psycopg://nobody@127.0.0.1:1/none", access_log=False))
    path.write_bytes(TestClient(app).get("/v1/openapi.json").content)


def make_python_client(document: Path, folder: Path) -> None:
    """Generate the package `aed_client` in `folder`, compile and import it."""
    environment = folder / "venv"
    run(UV, "venv", "--quiet", "--clear", "--no-project", "--python", sys.executable, environment)
    run(
        *(UV, "pip", "sync", "--quiet", "--require-hashes", "--python", environment / "bin/python"),
        HERE / "requirements.lock",
    )
    run(
        *(environment / "bin/openapi-python-client", "generate", "--fail-on-warning", "--overwrite"),
        *(
            "--config",
            HERE / "python_client.yaml",
            "--path",
            with_one_type_of_file(document),
            "--meta",
            "none",
        ),
        *("--output-path", folder / "aed_client"),
    )
    shutil.copy(HERE / "example.py.txt", folder / "example.py")
    run(environment / "bin/python", "-W", "error", "-c", IMPORT_ALL, cwd=folder)


def with_one_type_of_file(document: Path) -> Path:
    """Keep only the first content type of a file body: the generator writes wrong code for several."""
    content = json.loads(document.read_text(encoding="utf-8"))
    for operation in (each for path in content["paths"].values() for each in path.values()):
        types = operation.get("requestBody", {}).get("content", {})
        if len(types) > 1 and all(each.startswith("image/") for each in types):
            first = next(iter(types))
            operation["requestBody"]["content"] = {first: types[first]}
    changed = document.with_name("openapi-one-type.json")
    changed.write_text(json.dumps(content), encoding="utf-8")
    return changed


def make_typescript_client(document: Path, folder: Path) -> None:
    """Generate `api.ts` in `folder` and compile it with an example."""
    for name in ("package.json", "package-lock.json", "example.ts"):
        shutil.copy(HERE / name, folder)
    run("npm", "ci", "--silent", "--no-audit", "--no-fund", cwd=folder)
    run(folder / "node_modules/.bin/openapi-typescript", document, "--output", "api.ts", cwd=folder)
    run(folder / "node_modules/.bin/tsc", "--noEmit", "--strict", "api.ts", "example.ts", cwd=folder)


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    """Run a command. Raises SystemExit with its output if it fails."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")


def main() -> None:
    for name in ("python", "typescript"):
        (FOLDER / name).mkdir(parents=True, exist_ok=True)
    document = FOLDER / "openapi.json"
    write_document(document)
    make_python_client(document, FOLDER / "python")
    make_typescript_client(document, FOLDER / "typescript")
    print(f"clients in Python and TypeScript were generated and compiled: {FOLDER}")  # noqa: T201 - a report


if __name__ == "__main__":
    main()
