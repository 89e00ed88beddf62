"""Print metrics of the source code, the ways of five requests, and names drawn at random.

SEED=n draws the same names again: judge what a newcomer would search for.
"""

from __future__ import annotations

import ast
import os
import random
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parents[2] / "src" / "aed"
WAYS: Final = "tests/figures/five_ways.py"
NAMES: Final = 20
SMALL_LINES: Final = 60
SAME_NAME: Final = 3
NOT_A_CONTEXT: Final = ("migrations", "cli")


@dataclass(frozen=True, slots=True)
class Module:
    """A file of the source: its path from `src/aed`, its number of lines, and its syntax tree."""

    path: Path
    lines: int
    tree: ast.Module


def modules() -> list[Module]:
    """Return every module except those without a statement (empty `__init__.py`)."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if text.strip():
            found.append(Module(path.relative_to(SOURCE), len(text.splitlines()), ast.parse(text)))
    return found


def re_exports(module: Module) -> int:
    """Count the names that an `__init__.py` imports from the package without using them itself."""
    if module.path.name != "__init__.py":
        return 0
    used = {node.id for node in ast.walk(module.tree) if isinstance(node, ast.Name)}
    imported = (
        each.asname or each.name
        for node in module.tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aed")
        for each in node.names
    )
    return sum(name not in used for name in imported)


def functions(module: Module) -> list[int]:
    """Return the number of lines of each function."""
    return [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def figures() -> list[tuple[str, str]]:
    """Return the (label, value) pairs of all metrics."""
    every = modules()
    own = [each for each in every if each.path.parts[:2] != ("migrations", "versions")]
    contexts = Counter(
        each.path.parts[0]
        for each in own
        if len(each.path.parts) > 1 and each.path.parts[0] not in NOT_A_CONTEXT
    )
    largest, files = contexts.most_common(1)[0]
    classes = Counter(
        node.name for each in own for node in ast.walk(each.tree) if isinstance(node, ast.ClassDef)
    )
    often = sorted(name for name, count in classes.items() if count >= SAME_NAME)
    lengths = sorted(length for each in own for length in functions(each))
    reminders = [each for each in own if "reminder" in "/".join(each.path.parts)]
    top = {path.stem for path in SOURCE.iterdir() if path.is_dir() or path.suffix == ".py"}
    top -= {"__init__", "__pycache__"}
    small = sum(each.lines < SMALL_LINES and each.path.name != "__init__.py" for each in own)
    lines, of_migrations = sum(each.lines for each in own), sum(each.lines for each in every)
    folders = {each.path.parent for each in reminders}
    sizes = f"{len(own)} / {small} / {largest} {files}"
    half, most = lengths[len(lengths) // 2], lengths[len(lengths) * 9 // 10]
    return [
        ("names at the top level", f"{len(top)}"),
        (f"modules / under {SMALL_LINES} lines / largest context", sizes),
        ("names that an __init__ re-exports", f"{sum(map(re_exports, own))}"),
        ("lines of source / of migrations", f"{lines:,} / {of_migrations - lines:,}"),
        ("lines of a function: half / nine in ten / longest", f"{half} / {most} / {lengths[-1]}"),
        (f"class names used {SAME_NAME} times or more", f"{len(often)} {' '.join(often)}".strip()),
        (
            "files about reminders / folders",
            f"{len(reminders)} / {len(folders)}",
        ),
    ]


def ways() -> list[tuple[str, str]]:
    """Return the (request, figures) of five requests, on SpatiaLite."""
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-n", "0", "-k", "not postgis", WAYS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    found = re.findall(r"^way: (.+): (.+)$", done.stdout, re.MULTILINE)
    return list(found)


def drawn_names(seed: int) -> list[tuple[str, str]]:
    """Return (name, module) of NAMES functions and classes of the source, drawn at random."""
    every = [
        (node.name, str(each.path))
        for each in modules()
        if each.path.parts[:2] != ("migrations", "versions")
        for node in ast.walk(each.tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("__")
    ]
    return random.Random(seed).sample(every, NAMES)


def main() -> None:
    seed = int(os.environ.get("SEED") or random.randrange(1_000_000))
    for title, rows in (
        ("Source code", figures()),
        ("Five ways: files whose functions run, and most frames above a statement", ways()),
        (f"{NAMES} names, seed {seed}", drawn_names(seed)),
    ):
        width = max(len(what) for what, _ in rows)
        sys.stdout.write(f"{title}\n")
        for what, figure in rows:
            sys.stdout.write(f"  {what:<{width}}  {figure}\n")


if __name__ == "__main__":
    main()
