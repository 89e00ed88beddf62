"""Commands: `aed reviews` and `aed sources`, decisions about imported lists."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from aed import clock
from aed.cli.context import cli_read_session, long_cli_transaction, operator
from aed.cli.screen import counting, say, table
from aed.imports.devices import queries
from aed.imports.devices import reviews as stored_reviews
from aed.imports.devices.decisions import decide, update_source
from aed.imports.devices.models import Review
from aed.imports.devices.rules import DECISIONS, HAND_RANK, Decision, ReviewKind, rank_of, thresholds_in
from aed.settings import load_settings

reviews = typer.Typer(no_args_is_help=True)
sources = typer.Typer(no_args_is_help=True)

ReviewId = Annotated[int, typer.Argument(min=1, help="The review's number, from `aed reviews list`")]


@reviews.command("list")
def show_all(
    decided: Annotated[bool, typer.Option("--all", help="Include decided reviews")] = False,
    after: Annotated[int, typer.Option(min=0, help="Only those with a larger id")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """List the open reviews, the oldest first."""
    with cli_read_session() as session:
        found = stored_reviews.reviews(session, is_open=not decided, limit=limit + 1, after_id=after)
        rows = [(each.id, each.kind, _subject(each), _summary(each), each.decision) for each in found[:limit]]
    if not rows:
        say("There is nothing to decide.")
        return
    table(None, ["id", "kind", "about", "", "decided"], rows, right=["id"])
    if len(found) > limit:
        say(f"There are more: --after {rows[-1][0]}")


@reviews.command("show")
def show(review_id: ReviewId) -> None:
    """Show a review with its evidence and the possible decisions."""
    with cli_read_session() as session:
        review = stored_reviews.review(session, review_id)
        say(f"{review.kind} {review.id}, asked {review.opened_at:%Y-%m-%d %H:%M} UTC: {_subject(review)}")
        if review.decision is not None:
            say(f"decided: {review.decision}, {review.decided_at:%Y-%m-%d %H:%M} UTC by {review.decided_by}")
        for line in _evidence(review):
            say(line)
        answers = " | ".join(DECISIONS[review.kind])
    say(f"aed reviews decide {review_id} {answers}")


@reviews.command("decide")
def decide_one(
    review_id: ReviewId,
    decision: Annotated[Decision, typer.Argument(help="One of the decisions that `aed reviews show` prints")],
) -> None:
    """Decide a review: same or different; take or keep; accept or refuse."""
    with long_cli_transaction() as session, counting("devices") as progress:
        decide(
            session,
            operator(),
            review_id,
            decision,
            thresholds=thresholds_in(load_settings()),
            at=clock.now(),
            progress=progress,
        )
    say(f"Review {review_id}: {decision}.")


def _subject(review: Review) -> str:
    record = f"{review.source} {review.source_id}".strip()
    device = f", device {review.device_id}" if review.device_id is not None else ""
    return f"{record}{device}{f', {review.attribute}' if review.attribute else ''}"


def _summary(review: Review) -> str:
    evidence = review.evidence
    match review.kind:
        case ReviewKind.DUPLICATE:
            return f"the same device? score {evidence['score']:.2f}"
        case ReviewKind.CONFLICT:
            present, offered = evidence["present"], evidence["offered"]
            both = [f"{claim['source']}: {_value_text(claim['value'])}" for claim in (present, offered)]
            return " | ".join(both)
        case ReviewKind.SHRINK:
            return f"{evidence['missing']} of {evidence['listed_before']} are missing"
        case ReviewKind.SIGHTING:
            record = evidence["record"]
            return f"a passer-by reports a device: {record.get('place_zh') or record.get('place_en') or ''}"


def _evidence(review: Review) -> list[str]:
    evidence = review.evidence
    match review.kind:
        case ReviewKind.DUPLICATE:
            signs = [f"  {sign['weight']:+.1f}  {sign['said']}" for sign in evidence["signs"]]
            record = [f"  {name}: {_value_text(value)}" for name, value in evidence["record"].items()]
            return [f"score {evidence['score']:.3f}, from these signs", *signs, "the list's row", *record]
        case ReviewKind.CONFLICT:
            return [
                f"  {which}, of {claim['source'] if claim['source'] != 'registry' else 'a person'}: "
                f"{_value_text(claim['value'])}"
                for which, claim in (("present", evidence["present"]), ("offered", evidence["offered"]))
            ]
        case ReviewKind.SHRINK:
            return [
                f"  {evidence['missing']} of {evidence['listed_before']} are not in the last list, such as",
                *(f"  {source_id}" for source_id in evidence["examples"]),
            ]
        case ReviewKind.SIGHTING:
            return [f"  {name}: {_value_text(value)}" for name, value in evidence["record"].items()]


def _value_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@sources.command("list")
def show_sources() -> None:
    """List the sources, the highest rank first."""
    with cli_read_session() as session:
        ranks = queries.ranks(session)
        rows = [
            (each.source, rank_of(each.source, ranks), each.live, each.gone, each.waiting, each.title)
            for each in queries.sources(session)
        ]
    rows.sort(key=lambda row: (-row[1], row[0]))
    columns = ["source", "rank", "listed", "gone", "waiting", "title"]
    table(None, columns, rows, right=["rank", "listed", "gone", "waiting"])


@sources.command("set")
def set_source(
    name: Annotated[str, typer.Argument(help="A source, such as osm")],
    rank: Annotated[
        int | None,
        typer.Option(min=0, max=HAND_RANK, help=f"Default: 50; values entered by people have {HAND_RANK}"),
    ] = None,
    title: Annotated[str | None, typer.Option(help="A name for people to read")] = None,
    country: Annotated[str | None, typer.Option(help="Two-letter country code, such as CN")] = None,
) -> None:
    """Set the rank, title or country of a source. If two lists disagree, the higher rank wins."""
    with long_cli_transaction() as session, counting("devices") as progress:
        source = update_source(
            session,
            operator(),
            name,
            rank=rank,
            title=title,
            country=country,
            at=clock.now(),
            progress=progress,
        )
        message = f"{source.name} has rank {source.rank}."
    say(message)
