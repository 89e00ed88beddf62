"""People who use the time bank."""

from __future__ import annotations

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role, RoleAssignment, TokenRole, TokenScope, Viewer
from aed.registry.estates.models import Estate


def oneself(person: Person) -> Viewer:
    """Return the person as a signed-in viewer without roles."""
    return Viewer(
        role=TokenRole.MEMBER,
        name=f"person:{person.id}",
        scopes=frozenset(TokenScope),
        person_id=person.id,
    )


def manager_of(estate: Estate, person: Person) -> Viewer:
    """Return the person as the manager of an estate."""
    return Viewer(
        role=TokenRole.MEMBER,
        name=f"person:{person.id}",
        scopes=frozenset(TokenScope),
        person_id=person.id,
        estate_id=estate.id,
        role_assignments=(RoleAssignment(Role.ESTATE_MANAGER, estate_id=estate.id),),
    )
