"""Measure the lookup with 100,000 shares in force, against the same devices without an agreement."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import func, insert, literal, select, text, update

from aed.accounts.permissions import ANYONE, Audience
from aed.database.session import Database, open_database, transaction
from aed.geo import Position
from aed.lookup.answer import answer_lookup
from aed.lookup.question import LookupQuestion
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.settings import Settings
from aed.sharing.models import Agreement, DeviceShare
from aed.sharing.rules import AgreementKind, AgreementState, CodeRecipient, PublishedPosition
from tests.bench.filling import fill_spatialite
from tests.bench.population import Population, questions
from tests.bench.ratio import Ratio
from tests.bench.rounds import by_turns

CITIES = 25
"""Of 4,000 devices each."""
MAX_RATIO = 1.1
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = "Mo-Su 06:00-23:00"
QUESTIONS, ROUNDS, A_ROUND, LIMIT = 400, 21, 40, 10


def share_every_device(url: str) -> int:
    """Put every device under an agreement in force, with hours of sharing; return the number of shares.

    The devices stay visible to the same people in these hours.
    """
    database = open_database(Settings(database_url=url, statement_timeout_ms=600_000))
    try:
        with transaction(database) as session:
            if count := session.scalar(select(func.count()).select_from(DeviceShare)):
                return count
            session.execute(
                insert(Agreement).from_select(
                    [
                        *("estate_id", "region_id", "kind", "state", "starts_on", "text_hash"),
                        *("rules_version", "created_at", "created_by", "version"),
                    ],
                    select(
                        Estate.id,
                        Estate.region_id,
                        literal(AgreementKind.AGREEMENT.value),
                        literal(AgreementState.CONFIRMED.value),
                        literal(date(2026, 1, 1)),
                        literal("0" * 64),
                        literal("1"),
                        literal(SINCE),
                        literal("bench"),
                        literal(1),
                    ),
                    include_defaults=False,
                )
            )
            first = select(func.min(Agreement.id)).scalar_subquery()
            of_estate = select(Agreement.id).where(Agreement.estate_id == Device.estate_id).scalar_subquery()
            session.execute(
                insert(DeviceShare).from_select(
                    [
                        *("agreement_id", "device_id", "step", "hours", "step_outside_hours"),
                        *("allows_override", "code_to", "may_leave_estate", "published_position"),
                        "starts_at",
                    ],
                    select(
                        func.coalesce(of_estate, first),
                        Device.id,
                        Device.audience,
                        literal(HOURS),
                        literal(Audience.ESTATE.value),
                        literal(True),
                        literal(CodeRecipient.DISPATCHER.value),
                        literal(True),
                        literal(PublishedPosition.EXACT.value),
                        literal(SINCE),
                    ),
                    include_defaults=False,
                )
            )
            session.execute(
                update(Device).values(sharing_hours=HOURS, audience_outside_hours=Audience.ESTATE.value)
            )
            count = session.scalar(select(func.count()).select_from(DeviceShare)) or 0
        if database.engine.dialect.name == "postgresql":  # the update has left a dead copy of every row
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM (FULL, ANALYZE) devices"))
        return count
    finally:
        database.close()


def shares(
    on_postgis: Callable[[str], str], centres: list[Position], folder: Path, at: datetime
) -> Iterator[Ratio]:
    """Measure on both databases, in one process, taking turns. The answers are compared first."""
    population = Population(centres, len(centres), at.date(), gates_everywhere=False)
    without = folder / "unshared.sqlite"
    fill_spatialite(without, population)
    with_shares = folder / "shared.sqlite"
    shutil.copyfile(without, with_shares)
    for what, plain, shared in (
        ("SpatiaLite", f"sqlite:///{without}", f"sqlite:///{with_shares}"),
        ("PostGIS", on_postgis("unshared"), on_postgis("shared")),
    ):
        count = share_every_device(shared)
        yield from _compared(what, count, plain, shared, centres, at)


def _compared(
    what: str, count: int, plain: str, shared: str, centres: list[Position], at: datetime
) -> Iterator[Ratio]:
    asked = [LookupQuestion(here=here, at=at, limit=LIMIT) for here in questions(centres, QUESTIONS, seed=8)]
    settings = Settings()

    def asking(database: Database) -> Callable[[LookupQuestion], list[int]]:
        connection = database.engine.connect()

        def ask(question: LookupQuestion) -> list[int]:
            answer = answer_lookup(connection, ANYONE, question, network=None, settings=settings)
            return [each.row.id for each in answer.devices]

        return ask

    databases = [open_database(Settings(database_url=url)) for url in (plain, shared)]
    try:
        ask_plain, ask_shared = map(asking, databases)
        assert [ask_plain(each) for each in asked] == [ask_shared(each) for each in asked]
        timings = by_turns(
            {"without": (ask_plain, asked), "with": (ask_shared, asked)}, rounds=ROUNDS, a_round=A_ROUND
        )
    finally:
        for database in databases:
            database.close()
    with_micros, without_micros = timings["with"].micros, timings["without"].micros
    yield Ratio(
        f"lookup with {count:,} shares in force : without, {what}",
        with_micros / without_micros,
        MAX_RATIO,
        f"{with_micros:.0f} us : {without_micros:.0f} us, the same answers",
    )
