"""Who may ask, and what for: roles, scopes, and the viewer that every read is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from aed.errors import NotAllowed, NotSignedIn


class Role(StrEnum):
    """What a token stands for. Nobody is anonymous by a token: that is having none."""

    MEMBER = "member"
    """Someone of an estate."""
    DISPATCHER = "dispatcher"
    """A dispatch centre, for a region and all below it."""
    ADMINISTRATOR = "administrator"
    """Whoever runs the network."""


class Scope(StrEnum):
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is asking. `ANYONE` for a caller without a token."""

    role: Role | None = None
    name: str = "anyone"
    """For the record of changes."""
    scopes: frozenset[Scope] = field(default=frozenset({Scope.READ}))
    estate_id: int | None = None
    estate_ids: tuple[int, ...] = ()
    """The estate and those of its neighbourhood."""
    region_ids: tuple[int, ...] = ()
    """The dispatcher's region and all below it."""

    @property
    def is_signed_in(self) -> bool:
        return self.role is not None

    @property
    def is_administrator(self) -> bool:
        return self.role is Role.ADMINISTRATOR

    @property
    def sees_responders(self) -> bool:
        return self.role in (Role.DISPATCHER, Role.ADMINISTRATOR)


ANYONE = Viewer()


def may_write_estate(viewer: Viewer, estate_id: int | None) -> None:
    """Passes when the viewer may amend what belongs to that estate (None: to no estate).

    Raises NotSignedIn for anyone, NotAllowed for a token without the write scope or of another estate.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("Amending the register needs a token: send Authorization: Bearer ….")
    if Scope.WRITE not in viewer.scopes:
        raise NotAllowed("This token may read only; ask for one with the scope 'write'.")
    if viewer.is_administrator:
        return
    if viewer.role is Role.MEMBER and estate_id is not None and estate_id == viewer.estate_id:
        return
    raise NotAllowed("This token may amend only what belongs to its own estate.")


def may_administer(viewer: Viewer) -> None:
    """Passes for a network administrator with the write scope."""
    if not viewer.is_signed_in:
        raise NotSignedIn("This needs a network administrator's token.")
    if not viewer.is_administrator or Scope.WRITE not in viewer.scopes:
        raise NotAllowed("Only a network administrator's token with the scope 'write' may do this.")
