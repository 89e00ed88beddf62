"""Who sees what of training, as SQL predicates. Every read of it carries one of these, or says why not."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, true

from aed.accounts.permissions import Scope, TokenRole, Viewer
from aed.training.models import TrainingSession
from aed.training.rules.session import SessionAudience
from aed.training.rules.who import ENROL, RUN_IN_ESTATES, RUN_IN_REGIONS


def told_of(viewer: Viewer) -> ColumnElement[bool]:
    """The sessions that the viewer may know of. Cancelled ones too: whoever meant to come must see it.

    Anyone knows of public ones; members besides of those of their own estates, dispatchers and whoever holds
    a role on a region of all there; an administrator of the network of all.
    """
    if viewer.is_administrator:
        return true()
    found: list[ColumnElement[bool]] = [TrainingSession.audience == SessionAudience.PUBLIC]
    if viewer.own_estate_ids:
        found.append(TrainingSession.estate_id.in_(viewer.own_estate_ids))
    officers = (each.region_ids for each in viewer.role_assignments if each.role in RUN_IN_ESTATES)
    regions = {*viewer.region_ids, *(region for ids in officers for region in ids)}
    if regions:
        found.append(TrainingSession.region_id.in_(sorted(regions)))
    return or_(*found)


def run_by(viewer: Viewer, *, estate_id: Any, region_id: Any) -> ColumnElement[bool]:
    """The estates whose training the viewer runs: `runs_training` in SQL. (Any: see on_rosters_of.)"""
    if Scope.WRITE not in viewer.scopes or not viewer.is_signed_in:
        return false()
    if viewer.is_administrator:
        return true()
    if viewer.person_id is None:
        is_of_one = viewer.role is TokenRole.MEMBER and viewer.estate_id is not None
        return estate_id == viewer.estate_id if is_of_one else false()
    found: list[ColumnElement[bool]] = []
    for holding in viewer.role_assignments:
        if holding.role not in RUN_IN_ESTATES:
            continue
        if holding.estate_id is not None:
            found.append(estate_id == holding.estate_id)
        elif holding.region_ids:
            found.append(region_id.in_(holding.region_ids))
        else:
            return true()
    return or_(false(), *found)


def on_rosters_of(viewer: Viewer, *estate_ids: Any, region_id: Any, person_id: Any) -> ColumnElement[bool]:
    """People whom the viewer sees on rosters: what `runs_training` and `may_enrol` say, in SQL. Names and
    telephones are told to nobody else.

    Given the columns of a session's estate and of where the person belongs: who runs the session sees all of
    its people, another estate only those whom it sent there; and everyone sees themselves. (Any: a mapped
    column of one of several tables.)
    """
    if Scope.WRITE not in viewer.scopes:
        return false()
    if viewer.is_administrator:
        return true()
    if viewer.person_id is None:
        if viewer.role is TokenRole.MEMBER and viewer.estate_id is not None:
            return or_(*(column == viewer.estate_id for column in estate_ids))
        return false()
    found: list[ColumnElement[bool]] = [person_id == viewer.person_id]
    for holding in viewer.role_assignments:
        if holding.estate_id is not None and holding.role in RUN_IN_ESTATES:
            found += [column == holding.estate_id for column in estate_ids]
        elif holding.estate_id is not None and holding.role in ENROL:
            found.append(estate_ids[-1] == holding.estate_id)
        elif holding.region_ids and holding.role in RUN_IN_REGIONS:
            found.append(region_id.in_(holding.region_ids))
        elif holding.region_ids and holding.role in RUN_IN_ESTATES:
            found.append(and_(region_id.in_(holding.region_ids), estate_ids[0].is_not(None)))
    return or_(*found)
