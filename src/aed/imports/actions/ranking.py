"""Which sources are believed."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import batched
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.rules import Viewer, may_administer
from aed.database.session import exclusive_lock
from aed.errors import InvalidInput
from aed.imports import queries
from aed.imports.actions.holding import hold
from aed.imports.actions.taking import ROWS_AT_ONCE as AT_ONCE
from aed.imports.actions.taking import Estates, Progress, further
from aed.imports.models import ListSource
from aed.imports.rules.merge import DEFAULT_RANK, HAND_RANK
from aed.registry.rules.origin import BY_HAND

_NAME: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def check_name(name: str, *, field: str) -> None:
    """Raises InvalidInput for what no list can be called."""
    if not _NAME.fullmatch(name):
        raise InvalidInput("A source's name is of letters, digits and . _ : -, at most 64.", field=field)
    if name == BY_HAND:
        raise InvalidInput(
            f"'{BY_HAND}' is what people amend by hand, which outranks every list.", field=field
        )


def put_source(
    session: Session,
    who: Viewer,
    name: str,
    *,
    rank: int | None = None,
    title: str | None = None,
    country: str | None = None,
    at: datetime,
    progress: Progress | None = None,
) -> ListSource:
    """What is given of the source holds from now on, and what follows for devices that others list too; those
    are counted."""
    may_administer(who)
    exclusive_lock(session, "import")
    check_name(name, field="name")
    if rank is not None and not 0 <= rank <= HAND_RANK:
        raise InvalidInput(f"A rank is from 0 to {HAND_RANK}.", field="rank")
    if country is not None and not re.fullmatch(r"[A-Z]{2}", country):
        raise InvalidInput("A country is two capital letters, such as CN.", field="country")
    source = session.get(ListSource, name) or ListSource(name=name, rank=DEFAULT_RANK)
    if rank is not None:
        source.rank = rank
    if title is not None:
        source.title = title[:200]
    if country is not None:
        source.country = country
    session.add(source)
    session.flush()
    if rank is not None:
        ranks, estates = queries.ranks(session), Estates(session)
        count = further(progress, after=0)
        for number, some in enumerate(batched(queries.shared_devices(session, name), AT_ONCE)):
            hold(session, who, some, ranks=ranks, estates=estates, at=at)
            count(number * AT_ONCE + len(some))
    return source
