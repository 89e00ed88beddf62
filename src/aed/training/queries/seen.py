"""Who sees what of training, as SQL predicates. Every read of it carries one of these, or says why not."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, false, or_, true

from aed.accounts.rules import Role, Scope, Viewer
from aed.training.models import TrainingSession
from aed.training.rules.session import SessionAudience


def told_of(viewer: Viewer) -> ColumnElement[bool]:
    """The sessions that the viewer may know of. Cancelled ones too: whoever meant to come must see it.

    Branches on "signed in" first: comparing with an absent estate would compile to IS NULL and leak.

    1. Anyone: public ones.
    2. A member: public ones, and those of the own estate.
    3. A dispatcher: public ones, and all in the region.
    4. An administrator: all.
    """
    if viewer.is_administrator:
        return true()
    public: ColumnElement[bool] = TrainingSession.audience == SessionAudience.PUBLIC
    if viewer.role is Role.MEMBER and viewer.estate_id is not None:
        return or_(public, TrainingSession.estate_id == viewer.estate_id)
    if viewer.role is Role.DISPATCHER:
        return or_(public, TrainingSession.region_id.in_(viewer.region_ids))
    return public


def on_rosters_of(viewer: Viewer, *estate_ids: Any) -> ColumnElement[bool]:
    """People of whom one of these columns says that they are of the viewer's estate: what `runs_training`
    and `may_enrol` say, in SQL. Names and telephones are told to nobody else.

    Given the columns of a session's estate and of where the person belongs: who runs the session sees all of
    its people, another estate only those whom it sent there. (Any: a mapped column of one of several tables.)
    """
    if Scope.WRITE not in viewer.scopes:
        return false()
    if viewer.is_administrator:
        return true()
    if viewer.role is Role.MEMBER and viewer.estate_id is not None:
        return or_(*(column == viewer.estate_id for column in estate_ids))
    return false()
