"""Whom a place may be called at, which consents places need, and how long a live location holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from aed.accounts.trust import CertificateTrust
from aed.errors import InvalidInput
from aed.geo import distance_metres
from aed.hours.evaluation import Opening
from aed.responders.rules import (
    LIVE_LOCATION_LIFETIME,
    MAX_CLOCK_SKEW,
    Availability,
    ConsentKind,
    PlaceKind,
    availability,
    cell_middle,
    centre_of_cell,
    has_consent_for_places,
    live_location,
    location_moment,
    max_metres_from_centre,
    merged_trust,
)
from tests.make import NOW, PATIENT, east_of, north_of

MOMENT = timedelta(microseconds=1)
TODAY = NOW.date()
OPEN, CLOSED, UNKNOWN = Opening.OPEN, Opening.CLOSED, Opening.UNKNOWN


@pytest.mark.parametrize(
    ("hours", "place_hours", "expected"),
    [
        (OPEN, OPEN, Availability.AVAILABLE),
        (OPEN, UNKNOWN, Availability.UNKNOWN),
        (UNKNOWN, OPEN, Availability.UNKNOWN),
        (UNKNOWN, CLOSED, None),
        (CLOSED, OPEN, None),
        (OPEN, CLOSED, None),
    ],
)
def test_a_person_is_available_in_their_hours_and_in_those_of_the_place(
    hours: Opening, place_hours: Opening, expected: Availability | None
) -> None:
    found = availability(
        at=NOW,
        today=TODAY,
        valid_until=TODAY,
        paused_until=None,
        availability_hours=hours,
        place_hours=place_hours,
    )
    assert found is expected


@pytest.mark.parametrize(
    ("valid_for", "paused_for", "is_called"),
    [
        (timedelta(0), None, True),  # a certificate is valid on its last day
        (timedelta(days=-1), None, False),
        (None, None, False),
        (timedelta(0), MOMENT, False),
        (timedelta(0), timedelta(0), True),  # the pause is over at its end
    ],
)
def test_nobody_is_called_without_a_certificate_or_in_a_pause(
    valid_for: timedelta | None, paused_for: timedelta | None, is_called: bool
) -> None:
    found = availability(
        at=NOW,
        today=TODAY,
        valid_until=None if valid_for is None else TODAY + valid_for,
        paused_until=None if paused_for is None else NOW + paused_for,
        availability_hours=OPEN,
        place_hours=OPEN,
    )
    assert (found is Availability.AVAILABLE) is is_called


def test_a_list_never_lowers_what_the_issuer_verified() -> None:
    for known, given in product(CertificateTrust, CertificateTrust):
        is_kept = known is CertificateTrust.VERIFIED and given is not CertificateTrust.VERIFIED
        assert merged_trust(known, given) == (None if is_kept else given)


def test_only_a_place_of_work_needs_a_consent_of_its_own() -> None:
    home, work, other = PlaceKind.HOME, PlaceKind.WORK, PlaceKind.OTHER

    assert has_consent_for_places([], [])
    assert has_consent_for_places([home, other], [])
    assert not has_consent_for_places([home, work], [ConsentKind.BEING_CALLED, ConsentKind.LIVE_PLACE])
    assert has_consent_for_places([work], [ConsentKind.PLACE_ON_DUTY])


def test_a_live_location_holds_from_its_moment_to_a_quarter_of_an_hour_later() -> None:
    location = live_location(1, PATIENT, at=NOW, resolution=9)

    assert not location.holds_at(NOW - MOMENT)
    assert location.holds_at(NOW)
    assert location.holds_at(NOW + LIVE_LOCATION_LIFETIME - MOMENT)
    assert not location.holds_at(NOW + LIVE_LOCATION_LIFETIME)
    assert replace(location, at=NOW + MOMENT).expires_at == NOW + MOMENT + timedelta(minutes=15)


def test_a_phone_whose_clock_is_a_little_ahead_was_there_now() -> None:
    assert location_moment(None, now=NOW) == NOW
    assert location_moment(NOW - timedelta(minutes=3), now=NOW) == NOW - timedelta(minutes=3)
    assert location_moment(NOW + MAX_CLOCK_SKEW, now=NOW) == NOW
    last = NOW - LIVE_LOCATION_LIFETIME + MOMENT
    assert location_moment(last, now=NOW) == last
    with pytest.raises(InvalidInput, match="is in the future"):
        location_moment(NOW + MAX_CLOCK_SKEW + MOMENT, now=NOW)
    with pytest.raises(InvalidInput, match="15 minutes ago or more"):
        location_moment(NOW - LIVE_LOCATION_LIFETIME, now=NOW)


@pytest.mark.parametrize("resolution", [7, 9, 11])
def test_no_place_is_farther_from_the_centre_of_its_cell_than_the_bound(resolution: int) -> None:
    """A cell of resolution 9 has edges of some 200 m; the bound is not twice as long."""
    bound = max_metres_from_centre(PATIENT, resolution)
    step = bound / 7
    places = [
        east_of(north_of(PATIENT, metres=step * up), metres=step * right)
        for up, right in product(range(-10, 11), repeat=2)
    ]

    farthest = max(distance_metres(each, centre_of_cell(each, resolution)) for each in places)

    assert bound / 2 < farthest <= bound
    assert live_location(1, PATIENT, at=NOW, resolution=resolution).position == cell_middle(
        live_location(1, PATIENT, at=NOW, resolution=resolution).cell
    )
