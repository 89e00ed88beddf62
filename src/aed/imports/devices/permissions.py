"""Who may import which lists of devices.

The network's administrators import every list. Managers of estates import their own lists for these estates.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.permissions import (
    Role,
    TokenRole,
    TokenScope,
    Viewer,
    require_administrator,
    require_estate_manager,
)
from aed.errors import InvalidInput, NotAllowed, NotSignedIn
from aed.imports.devices import queries
from aed.imports.formats.mapping import Mapping

OWN_LIST: Final = "list-"
"""How the source of a list begins that an estate's manager imports."""
_MANAGERS: Final = frozenset({Role.ESTATE_MANAGER, Role.ADMINISTRATOR})


def is_importer(who: Viewer) -> bool:
    """Return True if the viewer may import lists, at least for an estate."""
    if TokenScope.WRITE not in who.scopes:
        return False
    if who.is_administrator or any(each.role in _MANAGERS for each in who.role_assignments):
        return True
    return who.person_id is None and who.role is TokenRole.MEMBER and who.estate_id is not None


def require_importer(who: Viewer) -> None:
    """Require that the viewer may import lists. Raises NotSignedIn, NotAllowed."""
    if who.is_administrator:
        require_administrator(who)
    elif not who.is_signed_in:
        raise NotSignedIn("Importing a list requires an estate's manager. Send a token, or sign in.")
    elif not is_importer(who):
        raise NotAllowed("Only an estate's manager or an administrator may import a list of devices.")


def can_import_to(who: Viewer, *, estate_id: int | None, region_id: int) -> bool:
    """Return True if the viewer may import devices of that estate (None: of none) in the region."""
    try:
        require_estate_manager(who, estate_id, region_id=region_id)
    except NotAllowed:
        return False
    return True


def require_own_list(session: Session, who: Viewer, mapping: Mapping | None, *, source: str | None) -> None:
    """Require of an estate's manager a list kept by hand, whose devices are all in estates that they manage.

    Raises InvalidInput.
    """
    if who.is_administrator:
        return
    if mapping is None or not mapping.kept_by_hand or source is None:
        raise InvalidInput("Preview the list first, and send the mapping of the preview.", field="mapping")
    places = queries.estates_of_source(session, source)
    is_own = all(can_import_to(who, estate_id=each[0], region_id=each[1]) for each in places)
    if not source.startswith(OWN_LIST) or not is_own:
        raise InvalidInput(
            "The list name {source} is not free. Choose another one, which begins with {prefix}.",
            field="source",
            source=source,
            prefix=OWN_LIST,
        )
