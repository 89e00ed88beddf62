"""Commands: `aed responders`, people who offer to help, and their consents."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from aed import clock
from aed.accounts.regions.models import Region
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.fields import validated
from aed.cli.language import either
from aed.cli.rows import SHOWN, After, Id
from aed.cli.screen import say, table
from aed.errors import InvalidInput
from aed.geo import Datum
from aed.registry.storeys import both_words
from aed.responders import queries
from aed.responders.actions import offering
from aed.responders.rules import WORDINGS, ConsentKind, PlaceKind, current_wording
from aed.responders.schemas import OfferAmend, OfferIn

responders = typer.Typer(
    no_args_is_help=True, help="Manage responders: where and when they can be called, and their consents."
)

Agreed = Annotated[
    list[ConsentKind],
    typer.Option("--agreed", help="The consents that the person gave, from `aed responders consent-texts`"),
]
Kind = Annotated[PlaceKind, typer.Option("--place", help="The kind of place")]
Floor = Annotated[int | None, typer.Option(help="The floor, 0 is the ground floor: 3楼 in China is 2")]
Storey = Annotated[str | None, typer.Option(help="The storey in words, instead of --floor: 3楼, B1")]
OfDatum = Annotated[Datum, typer.Option(help="Datum of the coordinates")]
PlaceHours = Annotated[str | None, typer.Option(help="Hours when the person is there")]
Hours = Annotated[
    str | None, typer.Option(help='Hours when the person can be called, such as "Mo-Fr 08:00-22:00"')
]


def _place(
    lat: float,
    lon: float,
    kind: PlaceKind,
    floor: int | None,
    datum: Datum,
    hours: str | None,
    storey: str | None = None,
) -> dict[str, object]:
    here = {"lat": lat, "lon": lon, "datum": datum}
    on = {} if floor is None else {"floor": floor}
    return {"kind": kind, "position": here, **on, "storey": storey, "hours": hours}


@responders.command("consent-texts")
def words() -> None:
    """Print the wording of the consents, which a person must have read or heard."""
    for kind in WORDINGS:
        now = current_wording(kind)
        say(f"{kind} ({now.version})")
        say(f"  {now.en}")
        say(f"  {now.zh}")


@responders.command("register", context_settings={"ignore_unknown_options": True})
def offer(
    person_id: Id,
    lat: Annotated[float, typer.Argument(help="A place where the person can be called")],
    lon: Annotated[float, typer.Argument()],
    agreed: Agreed,
    estate: Annotated[int | None, typer.Option(help="The estate where they live, by id", min=1)] = None,
    region: Annotated[str | None, typer.Option(help="Or the region where they live, by code")] = None,
    kind: Kind = PlaceKind.HOME,
    floor: Floor = None,
    storey: Storey = None,
    datum: OfDatum = Datum.WGS84,
    availability: Hours = None,
    place_hours: PlaceHours = None,
) -> None:
    """Register a person's offer to help; with a valid certificate, the person may be called from now on."""
    given = {
        "consents": {kind: current_wording(kind).version for kind in agreed},
        "estate_id": estate,
        "region": region,
        "availability": availability,
        "places": [_place(lat, lon, kind, floor, datum, place_hours, storey)],
    }
    new = validated(OfferIn, given)
    with cli_transaction() as session:
        made = offering.make_offer(session, operator(), person_id, new, at=clock.now())
        certified = [each for each in made.certificates if each.revoked_at is None]
    say(f"Person {person_id} offers to help.")
    if not certified:
        say("The person has no certificate yet, and is not called without one.")


@responders.command("hours")
def hours(
    person_id: Id, availability: Annotated[str, typer.Argument(help='Hours, such as "Mo-Fr 08:00-22:00"')]
) -> None:
    """Set the hours in which a person can be called."""
    _amend(person_id, validated(OfferAmend, {"availability": availability}))
    say(f"Person {person_id} can be called {availability}.")


@responders.command("place", context_settings={"ignore_unknown_options": True})
def place(
    person_id: Id,
    lat: Annotated[float, typer.Argument(help="A place where the person can be called")],
    lon: Annotated[float, typer.Argument()],
    kind: Kind = PlaceKind.HOME,
    floor: Floor = None,
    storey: Storey = None,
    datum: OfDatum = Datum.WGS84,
    place_hours: PlaceHours = None,
) -> None:
    """Set a person's place of one kind; places of other kinds stay."""
    new = _place(lat, lon, kind, floor, datum, place_hours, storey)
    with cli_transaction() as session:
        known = queries.offer_of(session, person_id).places
        others = [
            _place(here.lat, here.lon, each.kind, each.floor, Datum.WGS84, each.hours)
            for each, here in known
            if each.kind is not kind
        ]
        change = validated(OfferAmend, {"places": [*others, new]})
        offering.amend_offer(session, operator(), person_id, change, at=clock.now())
    say(f"The places of person {person_id} are stored.")


@responders.command("show")
def show(person_id: Id, after: After = 0) -> None:
    """Show what a person offers, and all consents ever given."""
    with cli_read_session() as session:
        offering.require_offer_access(session, operator(), person_id)
        found = queries.offer_of(session, person_id)
        entry = found.entry
        rows = [
            ("state", entry.state if entry is not None else "never offered"),
            ("availability", entry.availability if entry is not None else None),
            ("paused until", entry.paused_until if entry is not None else None),
            *(
                (f"place ({each.kind})", f"{at.lat:.6f} {at.lon:.6f}, {_storey(each.floor, found.region)}")
                for each, at in found.places
            ),
            *(
                (f"certificate ({each.kind})", f"{each.issuer}, until {each.valid_until}")
                for each in found.certificates
            ),
        ]
        given = [
            (
                each.kind,
                each.wording,
                f"{each.given_at:%Y-%m-%d %H:%M}",
                each.stated_by or each.given_by,
                _until(each.withdrawn_at),
            )
            for each in queries.consents(session, person_id, limit=SHOWN, after_id=after)
        ]
    table(None, ["field", "value"], rows)
    table("Consents", ["consent", "words", "given", "by", "withdrawn"], given)


def _storey(floor: int, region: Region | None) -> str:
    if region is None:
        return f"floor {floor} (0 is the ground)"
    return both_words(floor, counts_ground_as_one=region.counts_ground_as_one)


def _until(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment is not None else ""


@responders.command("pause")
def pause(
    person_id: Id,
    until: Annotated[str, typer.Argument(help="The end of the pause, such as 2026-12-31T00:00:00+08:00")],
) -> None:
    """Pause calls to a person until the given time."""
    try:
        moment = datetime.fromisoformat(until)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput(
            either(
                "UNTIL must be a date and time with an offset, such as 2026-12-31T00:00:00+08:00.",
                "UNTIL 必须是带时区的时间，如 2026-12-31T00:00:00+08:00。",
            ),
            field="until",
        )
    _amend(person_id, OfferAmend(paused_until=moment))
    say(f"Person {person_id} is not called until {moment.isoformat()}.")


@responders.command("resume")
def resume(person_id: Id) -> None:
    """Resume calls to a person."""
    _amend(person_id, OfferAmend(paused_until=None))
    say(f"Person {person_id} can be called again.")


@responders.command("add-consent")
def agree(person_id: Id, consent: ConsentKind) -> None:
    """Record one more consent of a person who offers to help."""
    _amend(person_id, OfferAmend(consents={consent: current_wording(consent).version}))
    say(f"Person {person_id} consents to {consent}.")


@responders.command("withdraw-consent")
def withdraw(person_id: Id, consent: ConsentKind) -> None:
    """Withdraw a consent of a person, and delete the data that depended on it."""
    _amend(person_id, OfferAmend(consents={consent: None}))
    say(f"Person {person_id} withdrew the consent to {consent}.")


@responders.command("leave")
def leave(person_id: Id) -> None:
    """End a person's offer: withdraw all consents, delete the places, and stop calls."""
    with cli_transaction() as session:
        offering.withdraw_offer(session, operator(), person_id, at=clock.now())
    say(f"Person {person_id} is no longer a responder.")


def _amend(person_id: int, change: OfferAmend) -> None:
    with cli_transaction() as session:
        offering.amend_offer(session, operator(), person_id, change, at=clock.now())
