"""The time bank: balance and statement, postings a second against bare inserts, and a night's run.

AED_BENCH_ENTRIES=N is the number of entries on PostGIS (default 2,000,000); SpatiaLite has half of it, and at
most 1,000,000. A tenth as many service records are for the proofs of service.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from uuid import uuid4

from sqlalchemy import Connection, func, insert, select, text

from aed.accounts.audit_log import NOTHING_BEFORE
from aed.accounts.people.models import Person
from aed.accounts.permissions import TokenRole, Viewer
from aed.cli.server import bring_up_to_date
from aed.database.session import Database, open_database, transaction
from aed.registry.estates.models import Estate
from aed.settings import Settings
from aed.timebank.giving.jobs import run_nightly_time_bank_jobs
from aed.timebank.ledger.actions import credit_service
from aed.timebank.ledger.posting import (
    Posting,
    PostingContext,
    post,
    regional_account,
)
from aed.timebank.ledger.queries import accounts_of, statement
from aed.timebank.models import LedgerAccount, LedgerEntry
from aed.timebank.rules import AccountKind, Currency, LedgerKind, ServiceKind
from aed.volunteering.certificates.actions import issue_certificate
from aed.volunteering.certificates.pdf import proof_pdf
from aed.volunteering.certificates.schemas import ServiceCertificateIn
from tests import make
from tests.bench.ratio import Ratio
from tests.bench.rounds import by_turns
from tests.make import ADMINISTRATOR, NOW

ENTRIES = int(os.environ.get("AED_BENCH_ENTRIES", "2000000"))
PEOPLE_A_MILLION: Mapping[str, float] = {"SpatiaLite": 12_000, "PostGIS": 275_707 / 20}
"""People for each million entries: 12,000 in all on SpatiaLite, 275,707 for 20,000,000 on PostGIS."""
ENTRIES_A_RECORD = 10
MAX_READ_MILLISECONDS, MIN_A_SECOND, MAX_RATIO, MAX_NIGHT_SECONDS = 20.0, 200.0, 3.0, 60.0
MAX_CERTIFICATE_MILLISECONDS = 300.0


def time_bank(url: str, what: str, *, entries: int) -> Iterator[Ratio]:
    """Fill an empty database with entries of many people, and measure."""
    settings = Settings.model_validate({"database_url": url, "statement_timeout_ms": 600_000})
    database = open_database(settings)
    try:
        bring_up_to_date(database)
        began = time.perf_counter()
        people, estate_id = _fill(database, entries, people=round(entries * PEOPLE_A_MILLION[what] / 1e6))
        yield Ratio(
            f"filling with {entries:,} entries, {what}",
            (time.perf_counter() - began) / entries * 1e6,
            None,
            f"microseconds an entry in one statement, with its indexes; {len(people):,} people",
        )
        yield from _reads(database, people, what)
        yield from _certificates(database, people, estate_id, what)
        yield from _postings(database, people, estate_id, what)
        yield from _nights(database, what)
    finally:
        database.close()


def _fill(database: Database, entries: int, *, people: int) -> tuple[list[int], int]:
    with transaction(database) as session:
        estate = make.estate(session)
        session.execute(
            insert(Person), [{"name": str(number), "phone": f"+86138{number:08}"} for number in range(people)]
        )
        ids = list(session.scalars(select(Person.id)))  # visibility: invented
        session.execute(
            insert(LedgerAccount),
            [
                {
                    "kind": AccountKind.PERSON,
                    "currency": currency,
                    "region_id": estate.region_id,
                    "estate_id": estate.id,
                    "person_id": person_id,
                    "minimum": 0,
                    "opened_at": NOW,
                }
                for person_id in ids
                for currency in Currency
            ],
        )
        issuance = {
            currency: regional_account(
                session, AccountKind.ISSUANCE, currency, region_id=estate.region_id, at=NOW
            )
            for currency in Currency
        }
        first, last = session.execute(
            select(func.min(LedgerAccount.id), func.max(LedgerAccount.id)).where(
                LedgerAccount.kind == AccountKind.PERSON
            )
        ).one()
        accounts = range(first, last + 1)
        estate_id = estate.id
    _insert_entries(database, entries, accounts=accounts, issuance=issuance)
    _insert_records(database, entries // ENTRIES_A_RECORD, people=ids, estate_id=estate_id)
    if database.engine.dialect.name != "sqlite":
        with database.autocommit_engine.connect() as connection:
            for table in ("ledger_accounts", "ledger_entries", "service_records", "volunteers"):
                connection.execute(text(f"VACUUM ANALYZE {table}"))
    return ids, estate_id


def _insert_entries(
    database: Database, entries: int, *, accounts: range, issuance: Mapping[Currency, int]
) -> None:
    """Insert entries of 60 with one statement, and set the balances to their sums.

    They are spread over four years before now, so that some accounts expire. The triggers that refuse this
    are off meanwhile. The entries are not signed.
    """
    is_sqlite = database.engine.dialect.name == "sqlite"
    account = f":first + left_out + number * 7919 % ({len(accounts)} - left_out)"
    days = f"1460.0 * (number - {entries}) / {entries}"
    at = (
        f"strftime('%Y-%m-%d %H:%M:%f000', julianday(:now) + {days})"
        if is_sqlite
        else f"CAST(:now AS timestamptz) + {days} * interval '1 day'"
    )
    with _triggers_off(database) as connection:
        connection.execute(
            text(
                f"""
                INSERT INTO ledger_entries (number, at, kind, currency, from_account_id, to_account_id,
                    amount, record, rules_version, posted_by, hash, key_id)
                WITH RECURSIVE numbers(number) AS
                    (SELECT CAST(1 AS bigint)
                    UNION ALL SELECT number + 1 FROM numbers WHERE number < :entries),
                inactive AS
                    (SELECT number, CAST({len(accounts)} AS bigint) * 7 * number / 10 / :entries AS left_out
                    FROM numbers),
                receivers AS (SELECT number, {account} AS account_id FROM inactive)
                SELECT number, {at}, 'earn', currency,
                    CASE currency WHEN 'points' THEN :points ELSE :minutes END, account_id, 60,
                    'bench:' || number, 'default-1', 'bench', :hash, 'bench'
                FROM receivers JOIN ledger_accounts ON ledger_accounts.id = account_id
                ORDER BY number
                """  # noqa: S608 - constants
            ),
            {
                "entries": entries,
                "first": accounts[0],
                "now": f"{NOW:%Y-%m-%d %H:%M:%S}",
                "hash": NOTHING_BEFORE,
                "minutes": issuance[Currency.MINUTES],
                "points": issuance[Currency.POINTS],
            },
        )
        for side, sign in (("to", 1), ("from", -1)):
            connection.execute(
                text(
                    f"""
                    UPDATE ledger_accounts
                    SET balance = sums.total, last_entry = sums.last, active_at = sums.at
                    FROM (SELECT {side}_account_id AS account_id, {sign} * sum(amount) AS total,
                        max(number) AS last, max(at) AS at
                        FROM ledger_entries GROUP BY {side}_account_id) AS sums
                    WHERE ledger_accounts.id = sums.account_id
                    """  # noqa: S608 - constants
                )
            )
        assert connection.execute(text("SELECT sum(balance) FROM ledger_accounts")).scalar() == 0


def _insert_records(database: Database, records: int, *, people: list[int], estate_id: int) -> None:
    """Register everybody as a volunteer, and insert confirmed patrols of an hour in the year before."""
    is_sqlite = database.engine.dialect.name == "sqlite"

    def hours_ago(hours: str) -> str:
        if is_sqlite:
            return f"strftime('%Y-%m-%d %H:%M:%f000', julianday(:now) - ({hours}) / 24.0)"
        return f"CAST(:now AS timestamptz) - ({hours}) * interval '1 hour'"

    began = f"300 + 8000.0 * number / {records}"
    with database.engine.begin() as connection:
        connection.execute(
            text(
                f"""
                INSERT INTO volunteers
                    (person_id, estate_id, region_id, registered_at, registered_by, version)
                SELECT people.id, estates.id, region_id, {hours_ago("20000")}, 'bench', 1
                FROM people, estates WHERE estates.id = :estate_id AND people.id BETWEEN :first AND :last
                """  # noqa: S608 - constants
            ),
            {
                "now": f"{NOW:%Y-%m-%d %H:%M:%S}",
                "estate_id": estate_id,
                "first": people[0],
                "last": people[-1],
            },
        )
        connection.execute(
            text(
                f"""
                INSERT INTO service_records (source, source_id, person_id, estate_id, region_id, activity,
                    started_at, ended_at, minutes, proof, recorded_at, recorded_by, state, is_held,
                    confirmed_at, confirmed_by, notice_from, notice_until, version)
                WITH RECURSIVE numbers(number) AS
                    (SELECT CAST(1 AS bigint)
                    UNION ALL SELECT number + 1 FROM numbers WHERE number < :records)
                SELECT 'patrol', CAST(number AS varchar), :first + number * 7919 % {len(people)}, estates.id,
                    region_id, 'Patrol', {hours_ago(began)}, {hours_ago(f"{began} - 1")}, 60, '{{}}',
                    {hours_ago(f"{began} - 2")}, 'bench', 'confirmed', false, {hours_ago(f"{began} - 2")},
                    'bench', :posted_from, :posted_until, 1
                FROM numbers, estates WHERE estates.id = :estate_id
                """  # noqa: S608 - constants
            ),
            {
                "records": records,
                "now": f"{NOW:%Y-%m-%d %H:%M:%S}",
                "first": people[0],
                "estate_id": estate_id,
                "posted_from": NOW.date() - timedelta(days=10),
                "posted_until": NOW.date() - timedelta(days=3),
            },
        )


@contextmanager
def _triggers_off(database: Database) -> Iterator[Connection]:
    with database.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            found = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'ledger_%'"
            triggers = connection.exec_driver_sql(found).all()
            for name, _ in triggers:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
            yield connection
            for _, statement in triggers:
                connection.exec_driver_sql(statement)
        else:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            yield connection


def _reads(database: Database, people: list[int], what: str) -> Iterator[Ratio]:
    with database.read_sessions() as session:

        def balance(person_id: int) -> None:
            viewer = Viewer(role=TokenRole.MEMBER, name="bench", person_id=person_id)
            assert len(accounts_of(session, viewer, person_id)) == 2
            session.expunge_all()

        def lines(person_id: int) -> None:
            viewer = Viewer(role=TokenRole.MEMBER, name="bench", person_id=person_id)
            points = accounts_of(session, viewer, person_id)[1]
            statement(session, points.id, limit=50)
            session.expunge_all()

        timings = by_turns({"balance": (balance, people), "statement": (lines, people)}, rounds=5, a_round=40)
    for name, timing in timings.items():
        yield Ratio(
            f"{name}, ms, {what}",
            timing.percentile(0.99) / 1e3,
            MAX_READ_MILLISECONDS,
            f"p99; median {timing.micros / 1e3:.2f} ms",
        )


def _certificates(database: Database, people: list[int], estate_id: int, what: str) -> Iterator[Ratio]:
    """Issue proofs of a year's service, each with its PDF."""
    with transaction(database) as session:
        make.service_issuer(session, session.get_one(Estate, estate_id))

    def issue(person_id: int) -> None:
        new = ServiceCertificateIn(
            key=uuid4(),
            person_id=person_id,
            estate_id=estate_id,
            from_on=NOW.date() - timedelta(days=365),
            until_on=NOW.date(),
            handler="bench",
        )
        with transaction(database) as session:
            made = issue_certificate(session, ADMINISTRATOR, new, at=NOW)
            assert proof_pdf(made, address="https://aed.example.org/v1/service-check/x").startswith(b"%PDF")

    timing = by_turns({"issue": (issue, people)}, rounds=5, a_round=10, warm_up=2)["issue"]
    yield Ratio(
        f"proof of service with its PDF, ms, {what}",
        timing.percentile(0.99) / 1e3,
        MAX_CERTIFICATE_MILLISECONDS,
        f"p99; median {timing.micros / 1e3:.0f} ms",
    )


def _postings(database: Database, people: list[int], estate_id: int, what: str) -> Iterator[Ratio]:
    """Credit service, two entries in each transaction, and insert the same rows into a bare table."""
    columns = ", ".join(column.key for column in LedgerEntry.__table__.columns)
    with database.engine.begin() as connection:
        connection.execute(text(f"CREATE TABLE bare AS SELECT {columns} FROM ledger_entries WHERE 1 = 0"))  # noqa: S608 - constants

    numbers = count(10**9)

    def credit(_: None) -> None:
        number = next(numbers)
        with transaction(database) as session:
            credit_service(
                session,
                record_id=number,
                person_id=people[len(people) // 2 + number % (len(people) // 2)],
                estate_id=estate_id,
                minutes=7,
                kind=ServiceKind.PATROL,
                at=NOW,
                by="bench",
            )

    values = ", ".join(f":{column.key}" for column in LedgerEntry.__table__.columns)
    statement = text(f"INSERT INTO bare ({columns}) VALUES ({values})")  # noqa: S608 - constants
    row = {column.key: "x" * 60 for column in LedgerEntry.__table__.columns} | {
        "number": 1,
        "at": "2026-09-22 02:00:00",
        "from_account_id": 1,
        "to_account_id": 2,
        "amount": 60,
        "reverses": None,
        "served_on": None,
        "key_id": "x" * 8,
        "kind": "earn",
        "currency": "points",
    }

    def bare(_: None) -> None:
        with transaction(database) as session:
            session.execute(statement, [row, row])

    def posted(_: None) -> None:
        number = next(numbers)
        with transaction(database) as session:
            post(
                session,
                PostingContext(NOW, "bench", "default-1"),
                [
                    Posting(LedgerKind.EARN, Currency.POINTS, issuance, account, 60, f"p:{number}:{each}")
                    for each in range(2)
                ],
            )

    with transaction(database) as session:
        account, region_id = session.execute(
            select(LedgerAccount.id, LedgerAccount.region_id).where(  # visibility: invented
                LedgerAccount.kind == AccountKind.PERSON, LedgerAccount.currency == Currency.POINTS
            )
        ).first() or (0, 0)
        issuance = regional_account(
            session, AccountKind.ISSUANCE, Currency.POINTS, region_id=region_id, at=NOW
        )
    steps = {"credit": (credit, [None]), "posted": (posted, [None]), "bare": (bare, [None])}
    timings = by_turns(steps, rounds=5, a_round=80, warm_up=20)
    credited, posts, bares = (timings[name].micros / 1e3 for name in steps)
    yield Ratio(
        f"{MIN_A_SECOND:.0f} postings a second / measured, {what}",
        MIN_A_SECOND / (2e3 / credited),
        1.0,
        f"{2e3 / credited:.0f} postings a second by one process, two in each transaction, with all checks",
    )
    yield Ratio(
        f"posting against bare inserts, {what}",
        posts / bares,
        MAX_RATIO,
        f"two entries signed and checked {posts:.2f} ms, two bare rows {bares:.2f} ms, each in a "
        f"transaction; a credit {credited:.2f} ms",
    )


def _nights(database: Database, what: str) -> Iterator[Ratio]:
    """Run the first night, which expires what is due since a year, and the next one."""
    for name, at in (("first night, a year's arrears", NOW), ("night", NOW + timedelta(days=1))):
        began = time.perf_counter()
        counts = run_nightly_time_bank_jobs(database, at)
        yield Ratio(
            f"{name}, s, {what}",
            time.perf_counter() - began,
            MAX_NIGHT_SECONDS,
            f"{counts['expired']:,} accounts expired, {counts['notified']:,} people notified",
        )
