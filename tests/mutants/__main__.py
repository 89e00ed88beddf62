"""Change the rules at random, one change at a time, and count how many changes a test notices.

`make mutants SEED=n` draws sixty, with `IN="timebank volunteering"` from those packages only; `SKIP=20` goes
on with the twenty-first; `SECONDS=60` gives each a minute of CPU time. Each survivor is printed as a diff:
judge by hand whether it means the same as before, or whether a test is missing.

1. Copy the sources and the tests to a temporary folder.
2. Draw a place in a rules module: a comparison, a condition, a sum, a number, `min` or `max`.
3. Run the tests that name the module and those of its package on SpatiaLite, until one fails; those that
   import it first.

Tests in a browser are left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutants.mutations import ROOT
from tests.mutants.plugin import OPTIONS


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("src", "tests", "docs", "deploy", "geodata"):
            shutil.copytree(ROOT / name, folder / name)
        for file in ROOT.iterdir():
            if file.is_file():
                shutil.copyfile(file, folder / file.name)
        environment = os.environ | {"PYTHONPATH": f"{folder}/src:{folder}", "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "pytest", *OPTIONS, "tests"]
        sys.exit(subprocess.run(command, cwd=folder, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
