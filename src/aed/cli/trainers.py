"""Commands: `aed trainers`: the grades that issuers gave trainers."""

from __future__ import annotations

from typing import Annotated

import typer

from aed import clock
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.fields import Fields, fields_in, taking
from aed.cli.rows import MAX_ID
from aed.cli.screen import say, table
from aed.issuers.queries import issuer_by_code
from aed.training.trainers.actions import record_grade, remove_grade
from aed.training.trainers.queries import grade_of, grades
from aed.training.trainers.schemas import TrainerGradeIn

trainers = typer.Typer(no_args_is_help=True)
IssuerCode = Annotated[str, typer.Argument(help="The issuer's code")]


@trainers.command("list")
def list_trainer_grades(issuer: IssuerCode) -> None:
    """List the grades that an issuer gave trainers, those that expire first."""
    with cli_read_session() as session:
        found = grades(session, operator(), issuer_by_code(session, issuer).id)
        rows = [(each.person_id, each.person.name, each.grade, each.valid_until) for each in found]
    table(None, ["person", "name", "grade", "valid until"], rows, right=["person"])


@trainers.command("grade", cls=taking(TrainerGradeIn))
def grade_trainer(issuer: IssuerCode, given: Fields) -> None:
    """Record or renew the grade of a trainer.

    Example: aed trainers grade red-cross trainer_name=林华 grade=一级师资 valid_until=2028-05-31
    """
    new = fields_in(TrainerGradeIn, given)
    with cli_transaction() as session:
        issuer_id = issuer_by_code(session, issuer).id
        found = record_grade(session, operator(), issuer_id, new, at=clock.now())
        say(f"Person {found.person_id}: {found.grade}, valid until {found.valid_until}.")


@trainers.command("remove")
def remove_trainer_grade(
    issuer: IssuerCode,
    person_id: Annotated[
        int, typer.Argument(help="The trainer's id as a person", min=1, max=MAX_ID, show_default=False)
    ],
) -> None:
    """Remove the grade of a trainer."""
    with cli_transaction() as session:
        issuer_id = issuer_by_code(session, issuer).id
        present = grade_of(session, issuer_id, person_id)
        version = present.version if present is not None else 0
        remove_grade(session, operator(), issuer_id, person_id, version=version, at=clock.now())
    say(f"The grade of person {person_id} is removed.")
