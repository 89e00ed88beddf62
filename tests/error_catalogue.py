"""The catalogue of the sentences of errors: extract them from the source. `make words` writes it.

A sentence is the first argument of an AedError, the title of its class, what `noop` of `aed.translation`
marks, or one of pydantic's messages of requests.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from pydantic_core._pydantic_core import list_all_errors  # only here: to know all messages

import aed
from aed.translation import DOMAIN

SOURCE: Final = Path(aed.__file__).parent
OWN_LANGUAGES: Final = ("cli/", "migrations/")
"""Folders whose sentences are in two languages already, or have catalogues of their own."""
FOR_ADMINISTRATORS: Final = frozenset(
    {"PermanentFailure", "TemporaryFailure", "FetchFailed", "_Broken", "LeaseLost"}
)
"""Errors that are recorded in English, never shown to the person who asked."""
OF_PYDANTIC: Final = (
    "missing",
    "extra_forbidden",
    "int_parsing",
    "int_type",
    "int_from_float",
    "float_parsing",
    "float_type",
    "finite_number",
    "bool_parsing",
    "bool_type",
    "string_type",
    "string_too_short",
    "string_too_long",
    "string_pattern_mismatch",
    "string_unicode",
    "enum",
    "literal_error",
    "list_type",
    "dict_type",
    "too_short",
    "too_long",
    "greater_than",
    "greater_than_equal",
    "less_than",
    "less_than_equal",
    "json_invalid",
    "json_type",
    "date_type",
    "date_parsing",
    "date_from_datetime_parsing",
    "date_from_datetime_inexact",
    "datetime_type",
    "datetime_parsing",
    "datetime_from_date_parsing",
    "timezone_aware",
    "time_type",
    "time_parsing",
    "url_type",
    "url_parsing",
    "url_scheme",
    "none_required",
    "model_attributes_type",
    "uuid_parsing",
)
"""Types of pydantic's errors that requests cause."""


@cache
def classes_and_calls() -> list[tuple[str, ast.ClassDef | ast.Call]]:
    """Return each class and each call of the source, with the path of its module.

    All trees are walked once: that takes longer than everything that is done with these nodes.
    """
    found: list[tuple[str, ast.ClassDef | ast.Call]] = []
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if not name.startswith("migrations/"):
            tree = ast.parse(path.read_text())
            found += [(name, node) for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.Call)]
    return found


@cache
def error_classes() -> frozenset[str]:
    """Return the names of AedError and of all classes that derive from it."""
    found = {"AedError"}
    while True:
        more = {
            node.name
            for _file, node in classes_and_calls()
            if isinstance(node, ast.ClassDef)
            and any(isinstance(each, ast.Name) and each.id in found for each in node.bases)
        }
        if more <= found:
            return frozenset(found)
        found |= more


def raised() -> Iterator[tuple[str, ast.Call, ast.expr]]:
    """Yield each call that makes an error: its file, the call and its first argument."""
    shown = error_classes() - FOR_ADMINISTRATORS
    for name, node in classes_and_calls():
        if name.startswith(OWN_LANGUAGES) or not isinstance(node, ast.Call) or not node.args:
            continue
        if _called(node) in shown:
            yield name, node, node.args[0]


def _called(call: ast.Call) -> str:
    function = call.func
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def extracted() -> Catalog:
    """Return the sentences of the source."""
    found = Catalog()
    for _file, _call, argument in raised():
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            found.add(argument.value)
    for name, node in classes_and_calls():
        if isinstance(node, ast.ClassDef):
            for title in _titles(node) if node.name in error_classes() else ():
                found.add(title)
        elif _called(node) == "noop" and not name.startswith("web/"):
            argument = node.args[0]
            assert isinstance(argument, ast.Constant)
            found.add(str(argument.value))
    templates = {each["type"]: each["message_template_python"] for each in list_all_errors()}
    for kind in OF_PYDANTIC:
        found.add(templates[kind])
    return found


def _titles(node: ast.ClassDef) -> Iterator[str]:
    for each in node.body:
        target = each.targets[0] if isinstance(each, ast.Assign) else getattr(each, "target", None)
        value = getattr(each, "value", None)
        if isinstance(target, ast.Name) and target.id == "title" and isinstance(value, ast.Constant):
            yield str(value.value)


def po_path(language: str) -> Path:
    """Return the path of the catalogue of a language."""
    return SOURCE / "locale" / language.replace("-", "_") / "LC_MESSAGES" / f"{DOMAIN}.po"
