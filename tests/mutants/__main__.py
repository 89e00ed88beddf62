"""Change the rules at random, one change at a time, and count how many changes a test notices.

`make mutants SEED=n` draws sixty, with `IN="timebank volunteering"` from those packages only; `SKIP=20` goes
on with the twenty-first. Each survivor is printed as a diff: judge by hand whether it means the same as
before, or whether a test is missing.

1. Copy the sources and the tests to a temporary folder.
2. Draw a place in a rules module: a comparison, a condition, a sum, a number, `min` or `max`.
3. Run the rules' own tests, then all that name the module, then those of its package, on SpatiaLite, until
   one fails. That one must pass without the change: else the mutant is left undecided and does not count.
"""

from __future__ import annotations

import ast
import difflib
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).parents[2]
COUNT = int(os.environ.get("COUNT", "60"))
SKIP = int(os.environ.get("SKIP", "0"))
IN = os.environ.get("IN", "").split()
"""Packages whose rules are changed; none: all."""
SECONDS = 900
"""A mutant whose tests take longer loops for ever, which counts as noticed."""
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}


@dataclass(frozen=True)
class Mutant:
    module: Path
    """Below `src`."""
    start: int
    """In bytes, as `ast` counts."""
    end: int
    written: str


def mutants_of(module: Path) -> Iterator[Mutant]:
    source = (ROOT / "src" / module).read_bytes()
    lines = source.splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
    tree = ast.parse(source)
    declared = {
        id(each) for node in ast.walk(tree) for field in _declarations(node) for each in ast.walk(field)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.expr)
            and id(node) not in declared
            and (changed := changed_node(node)) is not None
        ):
            start = starts[node.lineno - 1] + node.col_offset
            end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
            yield Mutant(module, start, end, f"({ast.unparse(changed)})")


def _declarations(node: ast.AST) -> list[ast.AST]:
    """Return types and decorators: no test can notice that a dataclass is not frozen."""
    found = [getattr(node, "annotation", None), getattr(node, "returns", None)]
    found += getattr(node, "decorator_list", [])
    return [each for each in found if each is not None]


def changed_node(node: ast.expr) -> ast.expr | None:
    """Return the expression with one change, or None where there is nothing to change."""
    match node:
        case ast.Compare(ops=[op, *others]) if type(op) in COMPARISONS:
            return ast.Compare(node.left, [COMPARISONS[type(op)](), *others], node.comparators)
        case ast.BoolOp(op=ast.And()):
            return ast.BoolOp(ast.Or(), node.values)
        case ast.BoolOp(op=ast.Or()):
            return ast.BoolOp(ast.And(), node.values)
        case ast.UnaryOp(op=ast.Not()):
            return node.operand
        case ast.BinOp() if type(node.op) in OPERATORS:
            return ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
        case ast.IfExp():
            return ast.IfExp(node.test, node.orelse, node.body)
        case ast.Constant(value=bool()):
            return ast.Constant(not node.value)
        case ast.Constant(value=int() | float() as number):
            return ast.Constant(number + 1)
        case ast.Name(id="min" | "max"):
            return ast.Name("max" if node.id == "min" else "min")
    return None


class Verdict(StrEnum):
    NOTICED = "noticed"
    SURVIVED = "SURVIVED"
    UNDECIDED = "UNDECIDED, tests fail without it too"


def verdict_on(mutant: Mutant, folder: Path) -> Verdict:
    """Return whether a test of the copy in `folder` fails with the mutant in place, and passes without it."""
    changed = folder / "src" / mutant.module
    original = changed.read_bytes()
    for tests in tests_of(mutant.module):
        changed.write_bytes(original[: mutant.start] + mutant.written.encode() + original[mutant.end :])
        try:
            is_failing = _fails(tests, folder)
        finally:
            changed.write_bytes(original)
        if is_failing:
            return Verdict.UNDECIDED if _fails(("--last-failed", *tests), folder) else Verdict.NOTICED
    return Verdict.SURVIVED


def tests_of(module: Path) -> list[tuple[str, ...]]:
    """Return the tests of a package's rules, the test files that name the module, and the package's tests."""
    dotted = ".".join(module.with_suffix("").parts)
    files = [
        each.relative_to(ROOT).as_posix()
        for each in sorted((ROOT / "tests").rglob("test_*.py"))
        if dotted in each.read_text(encoding="utf-8")
    ]
    package = f"tests/{module.parts[1]}"
    rules = f"{package}/test_rules.py"
    groups = (
        (rules,) if rules in files else (),
        tuple(each for each in files if each != rules),
        (package,) if (ROOT / package).is_dir() else (),
    )
    return [each for each in groups if each]


def _fails(tests: tuple[str, ...], folder: Path) -> bool:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0"]
    environment = os.environ | {"PYTHONPATH": f"{folder}/src:{folder}", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, "-k", "not postgis", "-m", "not slow", *tests],
            cwd=folder,
            env=environment,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode not in (0, 5)  # 5: no test was found


def shown(mutant: Mutant) -> str:
    before = (ROOT / "src" / mutant.module).read_bytes()
    after = before[: mutant.start] + mutant.written.encode() + before[mutant.end :]
    old, new = (each.decode().splitlines() for each in (before, after))
    return "\n".join(difflib.unified_diff(old, new, str(mutant.module), "mutant", n=2, lineterm=""))


def main() -> None:
    seed = int(os.environ.get("SEED") or random.randrange(1_000_000))
    modules = [
        each.relative_to(ROOT / "src")
        for each in sorted((ROOT / "src/aed").rglob("*.py"))
        if "rules" in each.relative_to(ROOT).with_suffix("").parts
        and (not IN or each.relative_to(ROOT / "src/aed").parts[0] in IN)
    ]
    every = [mutant for module in modules for mutant in mutants_of(module)]
    drawn = random.Random(seed).sample(every, COUNT)
    print(f"seed {seed}: {COUNT} of {len(every)} mutants in {len(modules)} modules", flush=True)  # noqa: T201 - a report
    verdicts: Counter[Verdict] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("src", "tests", "docs", "deploy", "geodata"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for file in ("pyproject.toml", "README.md", "README.zh-CN.md", "CHANGELOG.md", "Makefile"):
            shutil.copyfile(ROOT / file, folder / file)
        for number, mutant in enumerate(drawn[SKIP:], start=SKIP + 1):
            verdict = verdict_on(mutant, folder)
            verdicts[verdict] += 1
            print(f"{number}: {verdict}, {mutant.module}", flush=True)  # noqa: T201 - a report
            if verdict is not Verdict.NOTICED:
                print(shown(mutant), flush=True)  # noqa: T201 - a report
    noticed, decided = verdicts[Verdict.NOTICED], verdicts.total() - verdicts[Verdict.UNDECIDED]
    print(f"{noticed} of {decided} were noticed ({100 * noticed / max(1, decided):.0f} %)")  # noqa: T201 - a report


if __name__ == "__main__":
    main()
