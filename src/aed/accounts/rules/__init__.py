"""Who may ask, and what for.

viewer.py   roles of tokens, scopes, the viewer that every read is given
roles.py    roles that people hold, what each covers
person.py   how a person is reached
phone.py    telephone numbers
sign_in.py  codes, tries, cookies
trust.py    how far a certificate is believed
vouched.py  what an identity provider says of somebody
"""

from __future__ import annotations

from aed.accounts.rules.viewer import (
    ANYONE,
    TIMETABLE,
    Role,
    Scope,
    Viewer,
    may_administer,
    may_keep_devices,
    may_write_estate,
)

__all__ = [
    "ANYONE",
    "TIMETABLE",
    "Role",
    "Scope",
    "Viewer",
    "may_administer",
    "may_keep_devices",
    "may_write_estate",
]
