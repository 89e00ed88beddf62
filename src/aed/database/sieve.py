"""What SQLite asks back while it looks: whether a row is worth reading, going by where it is.

Of the devices around a place most are too far to be told, on foot if not on the straight line. Whoever has
walked already knows which; reading a row takes five times as long as asking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import local
from typing import Final

from sqlalchemy import Boolean, ColumnElement, Connection, func
from sqlalchemy.exc import DBAPIError

from aed.database.execute import Rows, send
from aed.database.geometry import GeometryColumn, latitude, longitude

_NAME: Final = "aed_is_worth_reading"


type Sieve = Callable[[float, float], bool]
"""Whether the row at a latitude and longitude is worth reading."""


class _Now(local):
    """Of each thread."""

    def __init__(self) -> None:
        self.sieve: Sieve | None = None
        self.error: Exception | None = None


_now = _Now()


def is_worth_reading(place: GeometryColumn) -> ColumnElement[bool]:
    """The condition of a statement that is asked by `sifted`."""
    return func.aed_is_worth_reading(latitude(place), longitude(place), type_=Boolean())


def sifted(connection: Connection, sql: str, parameters: Mapping[str, object], sieve: Sieve) -> Rows:
    """The rows of a statement of SQLite that the sieve keeps. Raises what the sieve raises, too."""
    if _NAME not in connection.info:
        driver = connection.connection.dbapi_connection
        driver.create_function(_NAME, 2, _answer)  # type: ignore[union-attr] # SQLite's own
        connection.info[_NAME] = True
    _now.sieve = sieve
    try:
        return send(connection, sql, parameters)()
    except DBAPIError:
        if _now.error is not None:
            raise _now.error from None
        raise
    finally:
        _now.sieve = _now.error = None


def _answer(lat: float, lon: float) -> bool:
    """SQLite says only that something was raised: so what it was is kept."""
    sieve = _now.sieve
    assert sieve is not None
    try:
        return sieve(lat, lon)
    except Exception as error:  # whatever it is: `sifted` raises it, where the driver has forgotten it
        _now.error = error
        raise
