"""Commands: `aed tokens`, the API tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from aed import clock
from aed.accounts import tokens as accounts_tokens
from aed.accounts.permissions import TokenRole, TokenScope
from aed.accounts.regions.queries import region_by_code
from aed.accounts.tokens import create_token, revoke_token
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.language import either
from aed.cli.screen import say, table
from aed.errors import InvalidInput
from aed.settings import load_settings

tokens = typer.Typer(no_args_is_help=True)


@tokens.command("create")
def create(
    name: Annotated[str, typer.Argument(help="A unique name that says what the token is for")],
    role: Annotated[TokenRole, typer.Option(help="The role of the token")],
    estate: Annotated[int | None, typer.Option(help="A member's estate, by id")] = None,
    region: Annotated[str | None, typer.Option(help="A dispatcher's region, by code")] = None,
    scope: Annotated[
        list[TokenScope] | None, typer.Option(help="read (default), write; may be repeated")
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(min=1, max=3650, help="Days until the token expires; default: AED_TOKEN_DAYS"),
    ] = None,
    no_expiry: Annotated[bool, typer.Option("--no-expiry", help="Never expires")] = False,
) -> None:
    """Create a token.

    Prints its key, which is not stored and cannot be shown again. The token expires, unless --no-expiry is
    given.
    """
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise InvalidInput(
            either(
                "A token's name must have 1 to 100 printable characters.",
                "令牌名称为 1 至 100 个可显示字符。",
            ),
            field="name",
        )
    if no_expiry and days is not None:
        raise InvalidInput(
            either("Give --days or --no-expiry, not both.", "--days 与 --no-expiry 只能二选一。"),
            field="days",
        )
    now, settings = clock.now(), load_settings()
    expires_at = None if no_expiry else now + timedelta(days=days or settings.token_days)
    with cli_transaction() as session:
        key = create_token(
            session,
            name=name,
            role=role,
            scopes=scope or [TokenScope.READ],
            at=now,
            estate_id=estate,
            region_id=region_by_code(session, region).id if region is not None else None,
            expires_at=expires_at,
            who=operator().name,
        )
    say(key)


@tokens.command("list")
def show_all() -> None:
    """List the tokens, without their keys, which are not stored."""
    with cli_read_session() as session:
        rows = [
            (
                token.name,
                token.role,
                " ".join(token.scopes),
                token.estate_id,
                token.region_id,
                f"{token.created_at:%Y-%m-%d}",
                f"{token.expires_at:%Y-%m-%d}" if token.expires_at else "never",
                "revoked" if token.revoked_at else "",
            )
            for token in accounts_tokens.tokens(session)
        ]
    table(None, ["name", "role", "scopes", "estate", "region", "made", "expires", ""], rows)


@tokens.command("revoke")
def revoke(name: Annotated[str, typer.Argument(help="The token's name")]) -> None:
    """Revoke a token at once."""
    with cli_transaction() as session:
        revoke_token(session, name=name, at=clock.now(), who=operator().name)
    say(f"{name} is revoked.")
