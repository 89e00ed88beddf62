"""Commands: `aed certificates`, awarded ones, including those on paper, expiring ones, and refreshers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from aed import clock
from aed.accounts.masking import mask_name
from aed.certificates.awards import actions as award_actions
from aed.certificates.awards import queries
from aed.certificates.awards.pdf import certificate_pdf
from aed.certificates.rules import is_valid
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.files import write_whole
from aed.cli.language import either
from aed.cli.screen import say, table
from aed.errors import InvalidInput
from aed.settings import load_settings
from aed.signatures import TokenPurpose, add_key, opened, signed, signing_keys

certificates = typer.Typer(no_args_is_help=True)
Number = Annotated[str, typer.Argument(help="The certificate's number")]


@certificates.command("verify")
def verify(number: Number) -> None:
    """Show whether a certificate that was awarded here is valid today."""
    with cli_read_session() as session:
        found = queries.by_number(session, number)
    today = clock.now().astimezone(ZoneInfo(found.time_zone)).date()
    valid = is_valid(today=today, valid_until=found.valid_until, revoked_at=found.revoked_at)
    say(f"{number}: {'valid' if valid else 'NOT VALID'}, {mask_name(found.name)}, until {found.valid_until}.")


@certificates.command("revoke")
def revoke(
    number: Number, reason: Annotated[str, typer.Option(help="The reason; stored, but not shown to others")]
) -> None:
    """Revoke a certificate at once."""
    with cli_transaction() as session:
        award_actions.revoke_awarded(session, operator(), number, reason=reason, at=clock.now())
    say(f"{number} is revoked.")


@certificates.command("expiring")
def lapsing(
    days: Annotated[int, typer.Option(min=0, max=3650, help="Days from today")] = 90,
) -> None:
    """List certificates that expire soon and were not renewed, the earliest first."""
    with cli_read_session() as session:
        today = clock.now().date()
        found = queries.lapsing(session, operator(), today=today, within_days=days)
    if not found:
        say(f"No certificate expires within {days} days.")
        return
    rows = [
        (each.valid_until, (each.valid_until - today).days, each.name, each.phone, each.estate_id, each.kind)
        for each in found
    ]
    table(None, ["until", "days", "name", "phone", "estate", "certificate"], rows, right=["days"])


@certificates.command("refreshers")
def refreshers() -> None:
    """List people who should practise again, whatever their certificate says; the longest without practice
    first."""
    with cli_read_session() as session:
        found = queries.to_refresh(session, operator(), today=clock.now().date())
    if not found:
        say("Nobody has a refresher due.")
        return
    rows = [(each.practised_on, each.name, each.phone, each.course, each.refresher) for each in found]
    table(None, ["practised", "name", "phone", "course", ""], rows)


@certificates.command("pdf")
def pdf(
    number: Number,
    output: Annotated[Path, typer.Option("-o", "--output", help="The PDF file to write")],
    url: Annotated[
        str | None, typer.Option(help="The public URL of this network; default: AED_PUBLIC_URL")
    ] = None,
) -> None:
    """Write a certificate as PDF, in Chinese and English, with a code that anyone can verify."""
    settings = load_settings()
    with cli_read_session() as session:
        paper = queries.on_paper(session, operator(), number)
    token = signed(signing_keys(settings), TokenPurpose.CERTIFICATE, paper.number)
    address = (url or settings.public_url or f"http://{settings.host}:{settings.port}").rstrip("/")
    write_whole(output, certificate_pdf(paper, address=f"{address}/v1/check/{token}"))
    say(f"{output} contains certificate {number} of {paper.name}.")
    if url is None and settings.public_url is None:
        say(f"Its code leads to {address}, which others cannot reach. Set AED_PUBLIC_URL and print it again.")


@certificates.command("verify-code")
def check(
    code: Annotated[
        str, typer.Argument(help="The code printed on the certificate: the URL or its last part")
    ],
) -> None:
    """Verify the code on a certificate: whether this network issued it and it is valid today."""
    number = opened(signing_keys(load_settings()), TokenPurpose.CERTIFICATE, code.rpartition("/")[2])
    if number is None:
        raise InvalidInput(
            either(
                "NOT VALID: this code belongs to no certificate of this network, or it was altered.",
                "无效：此验证码不属于本网络的任何证书，或已被改动。",
            ),
            field="code",
        )
    verify(number)


@certificates.command("keys")
def keys() -> None:
    """List the ids of the keys that sign certificates; the first signs, all verify."""
    ids = signing_keys(load_settings()).ids
    table(
        None, ["key", ""], [(each, "signs" if place == 0 else "verifies") for place, each in enumerate(ids)]
    )


@certificates.command("new-key")
def new_key() -> None:
    """Create a new signing key; certificates already printed stay valid."""
    say(
        f"Key {add_key(load_settings()).ids[0]} now signs new certificates. Keep a copy "
        "of the key file in a safe place."
    )
