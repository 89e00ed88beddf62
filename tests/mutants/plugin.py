"""Collect all tests once, then run those that can notice a mutant in a forked process, one mutant at a time.

Importing the application and collecting its tests takes 15 s of CPU time and more, the tests of a rule often
less than one: a fork has all of it in memory already.
"""

from __future__ import annotations

import gc
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final

import grimp
import pytest

from tests.mutants.mutations import ROOT, Mutant, drawn_mutants

COUNT: Final = int(os.environ.get("COUNT", "60"))
SKIP: Final = int(os.environ.get("SKIP", "0"))
SEED: Final = int(os.environ.get("SEED") or random.randrange(1_000_000))
SECONDS: Final = float(os.environ.get("SECONDS", "120"))
"""CPU time after which no further test of a mutant is started."""
HANGING_SECONDS: Final = 120
"""A test that takes longer loops for ever, which counts as noticed."""
DIED: Final = "(the process died, or could not import the module)"
OPTIONS: Final = (
    *("-p", "tests.mutants.plugin", "-q", "-n", "0", "-k", "not postgis", "-m", "not slow"),
    *("--ignore", "tests/browser", "--timeout", str(HANGING_SECONDS)),
)
FAR: Final = 100
"""Imports between a module and tests that reach it in another way, as by a command."""
Functions = dict[tuple[str, str, int], list[FunctionType]]
"""By file, qualified name and first line."""


class Verdict(StrEnum):
    NOTICED = "noticed"
    SURVIVED = "SURVIVED"
    NOT_IN_TIME = f"NOT NOTICED in {SECONDS:.0f} s"


def pytest_runtestloop(session: pytest.Session) -> bool:
    """Draw mutants, run the tests of each, and print what no test noticed.

    1. In a forked process, replace the code of the changed function, and run the tests until one fails.
    2. That one must pass without the change: else the others are run without it.
    3. A change of what runs as a module is imported (a constant) needs a new process in place of a fork.
    """
    if session.testsfailed:
        raise session.Interrupted("collecting the tests failed")
    if "ANSWER" in os.environ:
        left_out = os.environ["UNFIT"].splitlines()
        found = tests_of(Path(os.environ["ONE_MODULE"]), session.items)
        items = [each for each in found if each.nodeid not in left_out]
        Path(os.environ["ANSWER"]).write_text(_first_failed(items), encoding="utf-8")
        return True
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    write = reporter.write_line
    warm_up(session)
    mutants, of = drawn_mutants(SEED, COUNT)
    functions = functions_of_rules()
    write(f"seed {SEED}: {len(mutants)} of {of} mutants; {spent():.0f} s of CPU time until here")
    verdicts: Counter[Verdict] = Counter()
    unfit: set[str] = set()
    for number, mutant in enumerate(mutants[SKIP:], start=SKIP + 1):
        before = spent()
        verdict, noticed_by = verdict_on(mutant, session, functions, unfit)
        verdicts[verdict] += 1
        write(f"{number}: {verdict}, {mutant.module}, {spent() - before:.1f} s {noticed_by}")
        if verdict is not Verdict.NOTICED:
            write(mutant.diff())
    noticed, drawn = verdicts[Verdict.NOTICED], verdicts.total()
    write(f"{noticed} of {drawn} were noticed ({100 * noticed / max(1, drawn):.0f} %)")
    for each in sorted(unfit):
        write(f"fails without a change too: {each}")
    write(f"{spent() / max(1, drawn):.1f} s of CPU time for each mutant, collecting included")
    return True


def warm_up(session: pytest.Session) -> None:
    """Run one test, so that forks find the template of the database and the application made already."""
    warm = next(each for each in session.items if "client" in getattr(each, "fixturenames", ()))
    following = next(each for each in session.items if each.path.parent != warm.path.parent)
    warm.config.hook.pytest_runtest_protocol(item=warm, nextitem=following)
    if session.testsfailed:
        raise session.Failed(f"{warm.nodeid} fails without a change")


def spent() -> float:
    """Return the CPU seconds of this process and of those that it has waited for."""
    usages = [resource.getrusage(each) for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usages)


def verdict_on(
    mutant: Mutant, session: pytest.Session, functions: Functions, unfit: set[str]
) -> tuple[Verdict, str]:
    """Return whether a test fails with the mutant in place and passes without it, and which one.

    `unfit` are the tests that fail without a change as well; those found here are added.
    """
    changed = ROOT / "src" / mutant.module
    original, applied = changed.read_text(encoding="utf-8"), mutant.applied()
    items = tests_of(mutant.module, session.items)
    while items := [each for each in items if each.nodeid not in unfit]:
        changed.write_text(applied, encoding="utf-8")  # for commands that tests start
        try:
            if mutant.is_in_function:
                failed, in_time = _in_fork(
                    items, before=lambda: replace_code(changed, original, applied, functions)
                )
            else:
                failed, in_time = _in_new_process(mutant.module, items, unfit)
        finally:
            changed.write_text(original, encoding="utf-8")
        if failed is None:
            return (Verdict.SURVIVED if in_time else Verdict.NOT_IN_TIME), f"after {len(items)} tests"
        if failed == DIED:
            return Verdict.NOTICED, failed
        fails_anyway, _ = _in_fork([each for each in items if each.nodeid == failed], before=lambda: None)
        if fails_anyway is None:
            return Verdict.NOTICED, failed
        unfit.add(failed)
    return Verdict.SURVIVED, "after no test"


def tests_of(module: Path, items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return the tests in files that name the module, and those of its package, the likeliest first.

    1. Count the imports between each file of tests and the module: 1 for a file that imports it itself.
    2. Sort by that number. A test with a database takes longer, so it counts as two imports more.
    """
    package = ROOT / "tests" / module.parts[1]
    dotted = ".".join(module.with_suffix("").parts)
    imports_to = imports_between(dotted)
    distances: dict[Path, int] = {}
    found = []
    for each in items:
        if each.path not in distances:
            text = each.path.read_text(encoding="utf-8")
            if dotted in text or each.path.is_relative_to(package):
                distances[each.path] = distance_of(text, imports_to)
        if each.path in distances:
            found.append(each)
    return sorted(found, key=lambda each: distances[each.path] + 2 * uses_database(each))


def imports_between(module: str) -> dict[str, int]:
    """Return by how many imports each module reaches this one, itself included."""
    found, reached = {module: 0}, [module]
    for one in reached:
        for importer in sorted(import_graph().find_modules_that_directly_import(one) - found.keys()):
            found[importer] = found[one] + 1
            reached.append(importer)
    return found


@cache
def import_graph() -> grimp.ImportGraph:
    return grimp.build_graph("aed", cache_dir=None)


def distance_of(tests: str, imports_to: Mapping[str, int]) -> int:
    """Return the number of imports from the text of a file of tests to the module; FAR if there are none."""
    named = set(re.findall(r"\baed(?:\.\w+)+", tests))
    for package, names in re.findall(r"^from (aed[\w.]*) import (\([^)]*\)|.*)$", tests, re.MULTILINE):
        named |= {f"{package}.{name}" for name in re.findall(r"\w+", names)}
    return min((imports_to[each] + 1 for each in named if each in imports_to), default=FAR)


def uses_database(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and "database_url" in item.fixturenames


def _in_fork(items: Sequence[pytest.Item], *, before: Callable[[], None]) -> tuple[str | None, bool]:
    """Return the first of the tests that fails in a forked process, and whether there was time for all."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: those of numpy, which allows for it
        child = os.fork()
    if child == 0:
        answer = ""
        try:
            before()
            answer = _first_failed(items)
        finally:
            os.write(writing, (answer or f"error {traceback.format_exc()}").encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return _read(answer, items)


def _first_failed(items: Sequence[pytest.Item]) -> str:
    """Run tests until one fails or the time is up; return `failed ID`, `late` or `passed`."""
    session = items[0].session
    session.config.pluginmanager.unregister(name="terminalreporter")
    start = spent()
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return f"failed {item.nodeid}"
        if spent() - start > SECONDS:
            return "late"
    return "passed"


def _in_new_process(
    module: Path, items: Sequence[pytest.Item], unfit: Collection[str]
) -> tuple[str | None, bool]:
    """Return the first of the tests that fails with all modules imported anew, and whether all were run."""
    with tempfile.TemporaryDirectory() as temporary:
        answer = Path(temporary) / "answer"
        files = dict.fromkeys(str(each.path) for each in items)
        subprocess.run(
            [sys.executable, "-m", "pytest", *OPTIONS, *files],
            env=os.environ | {"ONE_MODULE": str(module), "ANSWER": str(answer), "UNFIT": "\n".join(unfit)},
            capture_output=True,
            check=False,
        )
        return _read(answer.read_text() if answer.exists() else "", items)


def _read(answer: str, items: Sequence[pytest.Item]) -> tuple[str | None, bool]:
    if not answer:
        return DIED, True
    state, _, text = answer.partition(" ")
    if state == "error":
        raise RuntimeError(text)
    return (text or None), state != "late"


def functions_of_rules() -> Functions:
    """Return the functions of all rules modules, also those that only a cache or a class refers to."""
    gc.unfreeze()
    found: Functions = {}
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and "rules" in each.__code__.co_filename:
            code = each.__code__
            found.setdefault((code.co_filename, code.co_qualname, code.co_firstlineno), []).append(each)
    gc.freeze()
    return found


def replace_code(module: Path, original: str, applied: str, functions: Functions) -> None:
    """Replace the code of functions that have changed, also for all who have imported them."""
    before, after = (_codes(compile(each, module, "exec", dont_inherit=True)) for each in (original, applied))
    # A nested function may have moved to another line; the function around it has changed then, too.
    changed = [key for key in after if before.get(key) != after[key]]
    found = [(each, after[key]) for key in changed for each in functions.get((str(module), *key), [])]
    if not found:
        raise LookupError(f"no function of {module} among {changed}")
    for function, code in found:
        function.__code__ = code


def _codes(module: CodeType) -> dict[tuple[str, int], CodeType]:
    """Return the code of functions and methods by qualified name and first line; of nested ones too."""

    def below(code: CodeType) -> Iterator[CodeType]:
        for each in code.co_consts:
            if isinstance(each, CodeType):
                yield each
                yield from below(each)

    return {(each.co_qualname, each.co_firstlineno): each for each in below(module)}
