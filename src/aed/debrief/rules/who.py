"""Who is told which numbers of a year."""

from __future__ import annotations

from collections.abc import Collection

from aed.accounts.rules import Viewer
from aed.errors import NotAllowed, NotSignedIn


def may_see_statistics(viewer: Viewer) -> None:
    """Passes for whoever is signed in. Raises NotSignedIn."""
    if not viewer.is_signed_in:
        raise NotSignedIn("Statistics are for those who take part: send a token, or sign in.")


def sees_small_counts(viewer: Viewer, region_ids: Collection[int]) -> bool:
    """The dispatchers and administrators of all these regions know each incident anyway; what anybody else is
    told is coarsened, so that nobody is recognised by it."""
    return viewer.is_administrator or (viewer.sees_responders and set(region_ids) <= set(viewer.region_ids))


def may_see_cases(viewer: Viewer, region_ids: Collection[int]) -> None:
    """Passes for dispatchers and administrators of all these regions. Raises NotSignedIn, NotAllowed."""
    may_see_statistics(viewer)
    if not sees_small_counts(viewer, region_ids):
        raise NotAllowed("Single cases are shown to the dispatchers of their region: ask for statistics.")
