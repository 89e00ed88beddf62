"""Every read by every caller: visible objects are complete, hidden ones look as if they didn't exist."""

from __future__ import annotations

import itertools
import re
from typing import Any

import h3
import pytest

from aed.accounts.permissions import Audience
from aed.geo import Position
from tests.make import PATIENT, north_of
from tests.sharing.conftest import NOT_WITHDRAWN, STATES, Kind, World

REFUSED = ("wrong", "revoked", "expired", "not a bearer", "empty")
VIEWERS = (
    "nobody",
    "stranger with a token",
    "dispatcher elsewhere",
    "neighbour",
    "member",
    "dispatcher",
    "dispatcher of the province",
    "administrator",
)
NOT_THERE = 987_654_321


def kinds(*audiences: str, states: tuple[str, ...] = NOT_WITHDRAWN) -> set[Kind]:
    return set(itertools.product(audiences, states))


EVERYONE = kinds("public")
SHARED_WITH_NEIGHBOURS = kinds("neighbours", "dispatch", "public")
OF_THE_HOUSE = kinds(*Audience)
DEVICES_SEEN = {
    "nobody": EVERYONE,
    "stranger with a token": EVERYONE,
    "dispatcher elsewhere": EVERYONE,
    "neighbour": SHARED_WITH_NEIGHBOURS,
    "member": OF_THE_HOUSE,
    "dispatcher": OF_THE_HOUSE,
    "dispatcher of the province": OF_THE_HOUSE,
    "administrator": kinds(*Audience, states=STATES),
}
STREET_SEEN = {
    who: set(Audience) if seen >= OF_THE_HOUSE and who != "member" else {"public"}
    for who, seen in DEVICES_SEEN.items()
}
ESTATES_SEEN = {
    "nobody": set(),
    "stranger with a token": {"other"},
    "dispatcher elsewhere": {"far"},
    "neighbour": {"ours", "next door"},
    "member": {"ours", "next door"},
    "dispatcher": {"ours", "next door", "other", "alone"},
    "dispatcher of the province": {"ours", "next door", "other", "alone"},
    "administrator": {"ours", "next door", "other", "alone", "far", "withdrawn"},
}
KNOW_THE_HOUSE = ("member", "dispatcher", "dispatcher of the province", "administrator")
DISPATCHERS = ("dispatcher", "dispatcher of the province", "administrator")

as_everyone = pytest.mark.parametrize("who", VIEWERS)


def listed(world: World, who: str, **query: Any) -> set[int]:
    """Return the ids on all pages."""
    found: list[int] = []
    page = world.get(who, "/v1/devices", limit=3, **query).json()
    while True:
        found += [feature["id"] for feature in page["features"]]
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        if not following:
            assert len(found) == len(set(found))
            return set(found)
        page = world.client.get(following[0], headers=world.keys[who]).json()


def looked_up(world: World, who: str) -> dict[str, Any]:
    answer = world.get(who, "/v1/nearest", lat=PATIENT.lat, lon=PATIENT.lon, limit=50)
    assert answer.status_code == 200
    return dict(answer.json())


def ids(world: World, seen: set[Kind]) -> set[int]:
    return {world.devices[kind] for kind in seen}


# --- devices --------------------------------------------------------------------------------------------


def test_anonymous_sees_public_devices_and_nothing_else(world: World) -> None:
    seen = ids(world, EVERYONE) | {world.street["public"]}

    assert listed(world, "nobody") == seen
    assert {near["id"] for near in looked_up(world, "nobody")["devices"]} == {
        world.devices["public", "in_service"],
        world.street["public"],
    }
    assert world.get("nobody", "/v1/estates").json() == []
    for device_id in {*world.devices.values(), *world.street.values()} - seen:
        assert world.get("nobody", f"/v1/devices/{device_id}").status_code == 404


@as_everyone
def test_a_list_shows_what_the_viewer_may_see(world: World, who: str) -> None:
    seen = ids(world, DEVICES_SEEN[who]) | {world.street[audience] for audience in STREET_SEEN[who]}

    assert listed(world, who) == seen
    box = f"{PATIENT.lon - 0.1},{PATIENT.lat - 0.1},{PATIENT.lon + 0.1},{PATIENT.lat + 0.1}"
    assert listed(world, who, bbox=box) == seen


@as_everyone
def test_a_filter_never_reveals_more_devices(world: World, who: str) -> None:
    for audience, state in world.devices:
        expected = {(audience, state)} & DEVICES_SEEN[who]
        query = {"audience": audience, "state": state, "estate_id": world.estates["ours"], "region": "city"}
        assert listed(world, who, **query) == ids(world, expected), query


@as_everyone
def test_reading_one_device_shows_the_same_as_the_list(world: World, who: str) -> None:
    for kind, device_id in world.devices.items():
        answer = world.get(who, f"/v1/devices/{device_id}")
        assert answer.status_code == (200 if kind in DEVICES_SEEN[who] else 404), kind
    for audience, device_id in world.street.items():
        answer = world.get(who, f"/v1/devices/{device_id}")
        assert answer.status_code == (200 if audience in STREET_SEEN[who] else 404), audience


@as_everyone
def test_the_lookup_shows_the_same_as_the_list_of_devices_in_service(world: World, who: str) -> None:
    seen = {kind for kind in DEVICES_SEEN[who] if kind[1] == "in_service"}
    answer = looked_up(world, who)

    found = {near["id"] for near in answer["devices"] + answer["unusable_now"]}
    assert found == ids(world, seen) | {world.street[audience] for audience in STREET_SEEN[who]}


@as_everyone
def test_a_consumable_is_visible_to_those_who_see_its_device(world: World, who: str) -> None:
    for kind, consumable_id in world.consumables.items():
        answer = world.get(who, f"/v1/consumables/{consumable_id}")
        assert answer.status_code == (200 if kind in DEVICES_SEEN[who] else 404), kind


@as_everyone
def test_a_hidden_device_is_answered_like_a_missing_one(world: World, who: str) -> None:
    hidden = [
        *(f"/v1/devices/{world.devices[kind]}" for kind in world.devices if kind not in DEVICES_SEEN[who]),
        *(
            f"/v1/devices/{world.devices[kind]}/history"
            for kind in world.devices
            if kind not in DEVICES_SEEN[who]
        ),
        *(
            f"/v1/consumables/{world.consumables[kind]}"
            for kind in world.devices
            if kind not in DEVICES_SEEN[who]
        ),
        *(f"/v1/estates/{world.estates[name]}" for name in world.estates if name not in ESTATES_SEEN[who]),
        *(
            f"/v1/estates/{world.estates[name]}/{part}"
            for name in world.estates
            for part in ("gates", "history")
            if name not in ESTATES_SEEN[who]
        ),
        *(f"/v1/gates/{world.gates[name]}" for name in world.gates if name not in ESTATES_SEEN[who]),
    ]
    for path in hidden:
        parts = path.split("/")
        absent = "/".join([*parts[:3], str(NOT_THERE), *parts[4:]])
        seen, really = world.get(who, path), world.get(who, absent)
        assert seen.status_code == really.status_code == 404
        assert re.sub(rf"\b{parts[3]}\b", "N", seen.text) == really.text.replace(str(NOT_THERE), "N")
        kept = [name for name in seen.headers if name != "content-length"]
        assert [seen.headers[name] for name in kept] == [really.headers[name] for name in kept]


# --- estates, gates -------------------------------------------------------------------------------------


@as_everyone
def test_estates_and_their_gates_are_visible_to_the_neighbourhood_and_the_region(
    world: World, who: str
) -> None:
    known = {world.estates[name] for name in ESTATES_SEEN[who]}

    assert {estate["id"] for estate in world.get(who, "/v1/estates").json()} == known
    for name, estate_id in world.estates.items():
        expected = 200 if name in ESTATES_SEEN[who] else 404
        assert world.get(who, f"/v1/estates/{estate_id}").status_code == expected, name
        assert world.get(who, f"/v1/gates/{world.gates[name]}").status_code == expected, name
        gates = world.get(who, f"/v1/estates/{estate_id}/gates")
        assert gates.status_code == expected, name
        if expected == 200:
            assert [gate["id"] for gate in gates.json()] == [world.gates[name]]


def test_the_list_of_estates_pages_without_gaps(world: World) -> None:
    seen: list[int] = []
    while page := world.get("administrator", "/v1/estates", limit=2, cursor=seen[-1] if seen else 0).json():
        assert len(page) <= 2
        seen += [estate["id"] for estate in page]

    assert seen == sorted(world.estates.values())


# --- history --------------------------------------------------------------------------------------------


@as_everyone
def test_history_is_for_those_who_may_amend_and_hides_invisible_devices(world: World, who: str) -> None:
    when_seen = {"member": 200, "administrator": 200, "nobody": 401}.get(who, 403)
    for kind, device_id in world.devices.items():
        answer = world.get(who, f"/v1/devices/{device_id}/history")
        assert answer.status_code == (when_seen if kind in DEVICES_SEEN[who] else 404), kind
    for name in ESTATES_SEEN[who]:
        answer = world.get(who, f"/v1/estates/{world.estates[name]}/history")
        own = {"member": "ours", "neighbour": "next door", "stranger with a token": "other"}.get(who)
        assert answer.status_code == (200 if who == "administrator" or name == own else 403), name


# --- public data ----------------------------------------------------------------------------------------


@as_everyone
def test_holidays_regions_and_health_are_the_same_for_everyone(world: World, who: str) -> None:
    for path in ("/v1/holidays", "/v1/holidays/CN/2026", "/v1/regions", "/healthz", "/readyz"):
        answer = world.get(who, path)
        assert answer.status_code == 200
        assert answer.json() == world.get("nobody", path).json()


def test_viewers_can_read_their_own_role(world: World) -> None:
    assert world.get("nobody", "/v1/me").json() == {
        "role": "anyone",
        "name": "anyone",
        "scopes": ["read"],
        "estate_id": None,
        "region_ids": [],
    }
    member = world.get("member", "/v1/me").json()
    assert (member["role"], member["estate_id"]) == ("member", world.estates["ours"])
    province = world.get("dispatcher of the province", "/v1/me").json()
    assert len(province["region_ids"]) == 3, "the province, its city and the city's district"


# --- invalid tokens -------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", REFUSED)
def test_a_wrong_or_revoked_token_is_refused_and_an_expired_one_sees_public_devices(
    world: World, who: str
) -> None:
    device_id, estate_id = world.devices["public", "in_service"], world.estates["ours"]
    for path in (
        f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}&at=2026-10-01T10:00:00Z",
        "/v1/devices",
        f"/v1/devices/{device_id}",
        f"/v1/devices/{device_id}/history",
        f"/v1/consumables/{world.consumables['public', 'in_service']}",
        "/v1/estates",
        f"/v1/estates/{estate_id}",
        f"/v1/estates/{estate_id}/gates",
        f"/v1/estates/{estate_id}/history",
        f"/v1/gates/{world.gates['ours']}",
        "/v1/me",
    ):
        answer = world.client.get(path, headers=world.keys[who])
        if who == "expired":  # public data, with a note that the token has expired
            stranger = world.client.get(path)
            if stranger.status_code == 200:
                assert answer.content == stranger.content, path
            else:
                assert answer.status_code == 401, path
            assert answer.headers["WWW-Authenticate"].startswith("Bearer"), path
            continue
        assert answer.status_code == 401, path
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json()["type"] == "urn:aed:problem:not-signed-in"
        if who in ("wrong", "revoked"):
            assert answer.json()["detail"] == world.get("wrong", "/v1/me").json()["detail"]


# --- phones, keepers, serials ---------------------------------------------------------------------------


LOOKUP = f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}&limit=50&responders=50&route=true"


def everything(world: World, who: str) -> str:
    """Return every response to the viewer as one text."""
    paths = ["/v1/devices", "/v1/estates", "/v1/me", "/v1/regions", "/v1/holidays"]
    for device_id in (*world.devices.values(), *world.street.values()):
        paths += [f"/v1/devices/{device_id}", f"/v1/devices/{device_id}/history"]
    for name, estate_id in world.estates.items():
        paths += [f"/v1/estates/{estate_id}", f"/v1/estates/{estate_id}/gates"]
        paths += [f"/v1/estates/{estate_id}/history", f"/v1/gates/{world.gates[name]}"]
    paths += [f"/v1/consumables/{consumable_id}" for consumable_id in world.consumables.values()]
    paths += ["/v1/export/geojson", "/v1/export/csv", "/v1/export/estates", "/tiles/14/13657/6744.mvt"]
    paths += [f"/ogc/collections/{name}/items" for name in ("devices", "estates", "gates")]
    paths.append(LOOKUP)
    return "\n".join(world.client.get(path, headers=world.keys[who]).text for path in paths)


@pytest.mark.parametrize("who", ["nobody", "stranger with a token", "dispatcher elsewhere"])
def test_strangers_never_read_a_phone_a_keeper_or_a_serial(world: World, who: str) -> None:
    text = everything(world, who)

    assert [secret for secret in world.secrets if secret in text] == []


def test_a_neighbour_reads_the_guards_phone_but_no_keeper_and_no_serial(world: World) -> None:
    text = everything(world, "neighbour")

    assert [secret for secret in world.secrets if secret in text] == [world.guard_phone]


@pytest.mark.parametrize("who", KNOW_THE_HOUSE)
def test_members_of_the_estate_and_its_dispatchers_read_phones_keepers_and_serials(
    world: World, who: str
) -> None:
    device = world.get(who, f"/v1/devices/{world.devices['estate', 'in_service']}").json()

    assert device["serial"] == "SN-estate-in_service"
    assert device["keeper"] == {"name": "Keeper Wang", "phone": "+86 571 0333 4444"}
    assert device["guard_phone"] == world.guard_phone
    contacts = {near["id"]: near["contacts"] for near in looked_up(world, who)["devices"]}
    assert contacts[device["id"]] == {
        "guard_phone": world.guard_phone,
        "keeper_name": "Keeper Wang",
        "keeper_phone": "+86 571 0333 4444",
    }


# --- responders -----------------------------------------------------------------------------------------


@as_everyone
def test_only_dispatchers_of_the_region_see_responders_and_only_by_cell(world: World, who: str) -> None:
    found = looked_up(world, who)["responders"]

    if who not in (*DISPATCHERS, "dispatcher elsewhere"):
        assert found is None
    elif who not in DISPATCHERS:
        assert found == []
    else:
        (seen,) = found
        assert seen["id"] == world.responder_id
        place: Position = north_of(PATIENT, metres=300)
        assert seen["cell"] == h3.latlng_to_cell(place.lat, place.lon, 9)
        assert set(seen) == {"id", "cell", "walk_seconds", "basis", "availability", "certificate"}
        assert seen["walk_seconds"] % 30 == 0


def test_nobody_sees_the_name_phone_or_place_of_a_responder(world: World) -> None:
    place = north_of(PATIENT, metres=300)
    for who in VIEWERS:
        reply = world.client.get(LOOKUP, headers=world.keys[who]).text
        assert "Responder " not in reply
        assert "+86 100 0000" not in reply
        assert str(place.lat) not in reply
