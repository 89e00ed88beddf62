"""Column types that are encrypted in the database and plain text in the program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import (
    JSON,
    BindParameter,
    ColumnElement,
    Dialect,
    Text,
    TypeDecorator,
    bindparam,
    func,
    literal_column,
)
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import SQLCoreOperations

from aed.database.encryption.keyring import BLIND_INDEX_LENGTH, MAX_KEYS, EncryptedKind, KeyRing, key_id_of

_rings: Final[WeakKeyDictionary[Dialect, KeyRing]] = WeakKeyDictionary()
"""Key rings by dialect. Each engine has a separate dialect, which SQLAlchemy passes to the column types."""


def register_keyring(dialect: Dialect, ring: KeyRing) -> None:
    """Use a key ring for all encrypted columns of the engine with this dialect."""
    _rings[dialect] = ring


def keyring_of(dialect: Dialect) -> KeyRing:
    """Return the key ring of an engine created by `aed.database.session.open_database`."""
    return _rings[dialect]


def blind_index(column: InstrumentedAttribute[Any] | ColumnElement[Any]) -> ColumnElement[str]:
    """Return the prefix that equal values of an encrypted column share if one key encrypted them.

    Use it to group, to join, and to compare with `KeyRing.blind_index_prefixes`. The column's index is on it.
    """
    return func.substr(column, literal_column("1"), literal_column(str(BLIND_INDEX_LENGTH)), type_=Text())


class Encrypted(TypeDecorator[str]):
    """An encrypted text column; `place` is `table.column`, to which the ciphertext is bound.

    With a `kind`, `Person.phone == "…"` compares the blind index, whichever key a row is encrypted with. No
    other comparisons are supported.
    """

    impl = Text
    cache_ok = True

    def __init__(self, place: str, kind: EncryptedKind | None = None) -> None:
        super().__init__()
        self.place = place
        self.kind = kind

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else keyring_of(dialect).encrypt(value, place=self.place, kind=self.kind)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else keyring_of(dialect).decrypt(value, place=self.place)

    class Comparator(TypeDecorator.Comparator[str]):
        """Comparison for equality by the blind index."""

        def operate(self, op: operators.OperatorType, *other: Any, **kwargs: Any) -> ColumnElement[Any]:
            if op in (operators.is_, operators.is_not) or (other and other[0] is None):
                return super().operate(op, *other, **kwargs)
            if other and isinstance(other[0], SQLCoreOperations):
                return super().operate(op, *other, **kwargs)  # as SQLAlchemy compares columns itself
            if op is operators.eq:
                return self._is_one_of(other)
            if op is operators.in_op:
                return self._is_one_of(other[0])
            if op in (operators.desc_op, operators.asc_op):
                raise TypeError("an encrypted column cannot be ordered")
            return super().operate(op, *other, **kwargs)

        def _is_one_of(self, values: Iterable[Any]) -> ColumnElement[bool]:
            kind = self.type
            assert isinstance(kind, Encrypted)
            given = list(values)
            if kind.kind is None or not all(isinstance(each, str) for each in given):
                raise TypeError(f"{kind.place} is encrypted: compare it with a value through its index only")
            return blind_index(self.expr).in_(
                [_found_by(value, kind.kind, number) for value in given for number in range(MAX_KEYS)]
            )

    comparator_factory = Comparator


def _found_by(value: str, kind: EncryptedKind, number: int) -> BindParameter[str]:
    return bindparam(None, value, type_=_FoundBy(kind, number), unique=True)


class _FoundBy(TypeDecorator[str]):
    """A value as its blind index under the key with that number, or the last key if there are fewer."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: EncryptedKind, number: int) -> None:
        super().__init__()
        self.kind = kind
        self.number = number

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        found = keyring_of(dialect).blind_index_prefixes(value, kind=self.kind)
        return found[min(self.number, len(found) - 1)]


class EncryptedFields(TypeDecorator[dict[str, Any]]):
    """A JSON column in which the texts under the given `names`, at any depth and in lists, are encrypted."""

    impl = JSON
    cache_ok = True

    def __init__(self, place: str, *names: str) -> None:
        super().__init__()
        self.place = place
        self.names = names

    def process_bind_param(self, value: dict[str, Any] | None, dialect: Dialect) -> dict[str, Any] | None:
        return None if value is None else self.reencrypted(value, keyring_of(dialect))

    def process_result_value(self, value: dict[str, Any] | None, dialect: Dialect) -> dict[str, Any] | None:
        if value is None:
            return None
        ring = keyring_of(dialect)
        found: dict[str, Any] = map_named_texts(
            value, self.names, lambda text: ring.decrypt(text, place=self.place)
        )
        return found

    def reencrypted(self, value: dict[str, Any], ring: KeyRing) -> dict[str, Any]:
        """Return the value with its texts encrypted; texts encrypted with the current key are unchanged."""

        def seal(text: str) -> str:
            if key_id_of(text) == ring.ids[0]:
                return text
            return ring.encrypt(ring.decrypt(text, place=self.place), place=self.place)

        found: dict[str, Any] = map_named_texts(value, self.names, seal)
        return found


def map_named_texts(value: Any, names: Iterable[str], change: Callable[[str], str]) -> Any:
    """Return a copy of the value with `change` applied to each text under the names, also in lists."""
    if isinstance(value, Mapping):
        return {
            name: _all_changed(each, names, change) if name in names else map_named_texts(each, names, change)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [map_named_texts(each, names, change) for each in value]
    return value


def _all_changed(value: Any, names: Iterable[str], change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list | tuple):
        return [_all_changed(each, names, change) for each in value]
    return map_named_texts(value, names, change)
