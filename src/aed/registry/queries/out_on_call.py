"""Whether a device is out on a call: somebody was sent for it, has it, or found that it cannot be had."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, ScalarSelect, column, func, select, table
from sqlalchemy.types import BigInteger

_ALERTS: Final = table(
    "alerts", column("id", BigInteger), column("out_device_id", BigInteger), column("device_settled_at")
)
"""The table of `aed.incidents`, which is above the register: named here so that the lookup's one statement
can ask it. `aed.incidents.alerts.rules.is_device_unavailable` says which alerts take a device out."""


def out_on_call(device_id: ColumnElement[int]) -> ScalarSelect[int | None]:
    """The latest alert because of which the device is not offered; NULL when there is none.

    visibility: that it is out; of the call nothing else is told.
    """
    return (
        select(func.max(_ALERTS.c.id))
        .where(_ALERTS.c.out_device_id == device_id, _ALERTS.c.device_settled_at.is_(None))
        .scalar_subquery()
    )
