"""Draw a place in a rules module and change it: a comparison, a condition, a sum, a number, `min`, `max`."""

from __future__ import annotations

import ast
import difflib
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
IN = os.environ.get("IN", "").split()
"""Packages whose rules are changed; none: all."""
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
    """With as many lines as what it replaces."""
    is_in_function: bool
    """Otherwise it is run as the module is imported."""

    def applied(self) -> str:
        """Return the source of the whole module with the change."""
        before = (ROOT / "src" / self.module).read_bytes()
        return (before[: self.start] + self.written.encode() + before[self.end :]).decode()

    def diff(self) -> str:
        old = (ROOT / "src" / self.module).read_text(encoding="utf-8").splitlines()
        new = self.applied().splitlines()
        return "\n".join(difflib.unified_diff(old, new, str(self.module), "mutant", n=2, lineterm=""))


def drawn_mutants(seed: int, count: int) -> tuple[list[Mutant], int]:
    """Return `count` mutants drawn from all, and how many there are in all."""
    modules = [
        each.relative_to(ROOT / "src")
        for each in sorted((ROOT / "src/aed").rglob("*.py"))
        if "rules" in each.relative_to(ROOT).with_suffix("").parts
        and (not IN or each.relative_to(ROOT / "src/aed").parts[0] in IN)
    ]
    every = [mutant for module in modules for mutant in mutants_of(module)]
    return random.Random(seed).sample(every, min(count, len(every))), len(every)


def mutants_of(module: Path) -> Iterator[Mutant]:
    source = (ROOT / "src" / module).read_bytes()
    lines = source.splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
    tree = ast.parse(source)
    declared = {
        id(each) for node in ast.walk(tree) for field in _declarations(node) for each in ast.walk(field)
    }
    bodies = [
        (starts[node.body[0].lineno - 1], starts[node.end_lineno or 0])
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.expr)
            and id(node) not in declared
            and (changed := changed_node(node)) is not None
        ):
            start = starts[node.lineno - 1] + node.col_offset
            end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
            lines_left = "\n" * ((node.end_lineno or 0) - node.lineno)
            yield Mutant(
                module=module,
                start=start,
                end=end,
                written=f"({ast.unparse(changed)}{lines_left})",
                is_in_function=any(first <= start < last for first, last in bodies),
            )


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
