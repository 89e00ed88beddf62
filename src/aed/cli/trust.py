"""Commands: `aed trust`, `aed retrievals` and `aed labels`."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated

import typer

from aed import clock
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.devices import show_readiness
from aed.cli.files import write_whole
from aed.cli.language import either
from aed.cli.rows import After, Id
from aed.cli.screen import plural, say, table
from aed.cli.upkeep import SHOWN
from aed.errors import InvalidInput
from aed.registry.devices import queries as device_queries
from aed.registry.devices.rules import probability_ready
from aed.settings import load_settings
from aed.upkeep.confirmations.actions import confirm_fact
from aed.upkeep.confirmations.curve import trust_curve
from aed.upkeep.confirmations.queries import trust_of
from aed.upkeep.confirmations.schemas import ConfirmIn
from aed.upkeep.device_filter import DeviceFilter
from aed.upkeep.labels.pdf import label_sheets
from aed.upkeep.labels.queries import to_be_labelled
from aed.upkeep.retrievals import actions as retrieval_actions
from aed.upkeep.retrievals import queries as retrieval_queries
from aed.upkeep.retrievals.schemas import ClosedAsIn, RetrievalIn
from aed.upkeep.rules import OUTCOME_WORDS, Fact, RetrievalOutcome

# --- Trust ----------------------------------------------------------------------------------------------

trust = typer.Typer(no_args_is_help=True)


@trust.command("show")
def show_trust(device_id: Id) -> None:
    """Show position, hours and readiness of a device: when and by whom confirmed, and the remaining
    confidence."""
    settings = load_settings()
    with cli_read_session() as session:
        device = device_queries.device(session, operator(), device_id)
        found = trust_of(session, device, at=clock.now(), numbers=settings.trust)
    rows = [
        (each.fact, f"{each.at:%Y-%m-%d}" if each.at else "never", each.by, f"{each.confidence:.2f}")
        for each in found
    ]
    table(None, ["what", "confirmed", "by", "confidence"], rows, right=["confidence"])
    ready = next(each.confidence for each in found if each.fact is Fact.READINESS)
    say(
        f"The lookup assumes a {probability_ready(ready, settings.arrival):.3f} probability that it is ready."
    )


@trust.command("confirm")
def confirm(
    device_id: Id,
    fact: Annotated[Fact, typer.Argument(help="position or hours; readiness is confirmed by a check")],
    no: Annotated[bool, typer.Option("--no", help="The fact is wrong; the keeper is notified")] = False,
    note: Annotated[str | None, typer.Option(help="A remark")] = None,
) -> None:
    """Confirm that a device is where the register says, or is accessible as it says."""
    if fact is Fact.READINESS:
        raise InvalidInput(
            either(
                "Readiness is confirmed by a check. Run `aed checks add`.",
                "设备状态须通过巡检确认：aed checks add。",
            ),
            field="fact",
        )
    with cli_transaction() as session:
        new = ConfirmIn(fact=fact, is_as_registered=not no, note=note)
        confirm_fact(session, operator(), device_id, new, at=clock.now())
    show_trust(device_id)


@trust.command("curve")
def draw_curve(
    output: Annotated[Path, typer.Option("-o", "--output", help="The .svg file to write")],
) -> None:
    """Draw how confidence decreases over time with the current settings."""
    settings = load_settings()
    output.write_text(trust_curve(settings.trust, settings.arrival), encoding="utf-8")
    say(f"The curves written to {output}.")


# --- Retrievals ------------------------------------------------------------------------------------------

retrievals = typer.Typer(no_args_is_help=True)


@retrievals.command("add")
def add_retrieval(
    device_id: Id,
    person: Annotated[
        int | None, typer.Option("--person", min=1, help="The person who was sent, by id")
    ] = None,
    reference: Annotated[str | None, typer.Option(help="The dispatch centre's case number")] = None,
    key: Annotated[
        str | None, typer.Option(help="A UUID; repeating it does not record the retrieval twice")
    ] = None,
) -> None:
    """Record that a person was sent for a device, so that its return is followed up."""
    try:
        made_up = uuid.UUID(key) if key is not None else uuid.uuid4()
    except ValueError:
        raise InvalidInput(
            either("key must be a UUID (uuidgen prints one).", "key 必须是 UUID（可用 uuidgen 生成）。"),
            field="key",
        ) from None
    new = RetrievalIn(key=made_up, device_id=device_id, person_id=person, reference=reference)
    numbers = load_settings().returns
    with cli_transaction() as session:
        made = retrieval_actions.create_retrieval(session, operator(), new, numbers=numbers, at=clock.now())
        message = (
            f"Retrieval {made.id} is recorded. The responder is asked about the device from "
            f"{made.ask_at:%Y-%m-%d %H:%MZ}."
        )
    say(message)


@retrievals.command("close")
def close_retrieval(
    retrieval_id: Id,
    outcome: Annotated[RetrievalOutcome, typer.Argument(help="The outcome")],
    note: Annotated[str | None, typer.Option(help="A remark")] = None,
) -> None:
    """Record the outcome of a retrieval: returned, used, not_returned, not_fetched or not_needed."""
    if outcome in (RetrievalOutcome.CHECKED, RetrievalOutcome.SILENT):
        raise InvalidInput(
            either(
                f"The outcome '{outcome}' is set by the system. Use `aed checks add` instead.",
                f"结果“{outcome}”由系统判定。请改用 aed checks add 记录巡检。",
            ),
            field="outcome",
        )
    given = ClosedAsIn(outcome=outcome, note=note)
    with cli_transaction() as session:
        device_id = retrieval_actions.close_retrieval(
            session, operator(), retrieval_id, given.outcome, given.note, at=clock.now()
        ).device_id
    say(f"Retrieval {retrieval_id}: {' '.join(reversed(OUTCOME_WORDS[outcome]))}.")
    show_readiness(device_id)


@retrievals.command("list")
def list_retrievals(
    device: Annotated[int | None, typer.Option("--device", min=1, help="Only of this device, by id")] = None,
    closed: Annotated[bool, typer.Option("--all", help="Include closed retrievals")] = False,
    after: After = 0,
) -> None:
    """List the retrievals whose outcome is not yet known."""
    with cli_read_session() as session:
        found = retrieval_queries.retrievals(
            session,
            operator(),
            DeviceFilter(device_id=device),
            limit=SHOWN + 1,
            after_id=after,
            also_closed=closed,
        )
    rows = [
        (
            each.id,
            each.device_id,
            f"{each.sent_at:%Y-%m-%d %H:%MZ}",
            each.reference,
            each.asked,
            " ".join(reversed(OUTCOME_WORDS[each.outcome])) if each.outcome is not None else "open",
        )
        for each in found[:SHOWN]
    ]
    if not rows:
        say("There are no open retrievals.")
        return
    columns = ["id", "device", "sent", "reference", "asked", "outcome"]
    table(None, columns, rows, right=["id", "device", "asked"])
    if len(found) > SHOWN:
        say(f"There are more: --after {found[SHOWN - 1].id}")


# --- Labels ---------------------------------------------------------------------------------------------


def labels(
    output: Annotated[Path, typer.Option("-o", "--output", help="The .pdf file to write")],
    device: Annotated[
        list[int] | None, typer.Option("--device", min=1, help="Only these devices, by id; may be repeated")
    ] = None,
    estate: Annotated[int | None, typer.Option("--estate", min=1, help="Only of this estate, by id")] = None,
    region: Annotated[
        str | None, typer.Option("--region", help="Only in this region and those below it")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="The public URL of this network; default: AED_PUBLIC_URL")
    ] = None,
) -> None:
    """Print QR-code labels for devices, ten to a sheet of A4.

    A label's code leads to the page of its device; its short number is printed beside the code.
    """
    if output.suffix.lower() != ".pdf":
        raise InvalidInput(
            either(
                f"{output.name}: the file name must end in .pdf.", f"{output.name}：文件扩展名须为 .pdf。"
            ),
            field="to",
        )
    settings = load_settings()
    address = (url or settings.public_url or f"http://{settings.host}:{settings.port}").rstrip("/")
    with cli_read_session() as session:
        device_filter = DeviceFilter(estate_id=estate, region=region)
        chosen = to_be_labelled(session, operator(), device_filter, device_ids=device or ())
    if not chosen:
        raise InvalidInput(either("There is no such device.", "没有这台设备。"), field="device")
    write_whole(output, label_sheets(chosen, public_url=address))
    say(f"{plural(len(chosen), 'label')} written to {output}.")
    if url is None and settings.public_url is None:
        say(
            f"The codes lead to {address}, which others cannot reach. Set AED_PUBLIC_URL and "
            "print them again."
        )
