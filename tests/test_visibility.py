"""No read without the viewer's predicate: checked in the source, and in the SQL sent to the database."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

import aed
import aed.tables  # every table
from aed.database.types import Table
from aed.exports.rules import ExportFormat
from tests import make
from tests.apps import served_document
from tests.make import NOW, PATIENT, north_of
from tests.statements import statements_of

LATER = datetime(2060, 1, 1, tzinfo=UTC)
SOURCE = Path(aed.__file__).parent

GUARDED = {
    "Device": "devices",
    "CoveragePreview": "coverage_previews",
    "RegionPreview": "region_previews",
    "RegionCoverage": "region_coverages",
    "Estate": "estates",
    "Gate": "gates",
    "ResidenceRequest": "residence_requests",
    "SavedFilter": "saved_filters",
    "Building": "buildings",
    "Consumable": "consumables",
    "RegistryChange": "registry_changes",
    "Person": "people",
    "Responder": "responders",
    "ResponderPlace": "responder_places",
    "LiveLocationRow": "live_places",
    "Certificate": "certificates",
    "SourceRecord": "source_records",
    "Review": "reviews",
    "Account": "accounts",
    "PersonChange": "person_changes",
    "RoleGrant": "role_grants",
    "OutboxMessage": "outbox",
    "ShortLink": "short_links",
    "TrainingReminder": "training_reminders",
    "EndpointRow": "endpoints",
    "WechatConsent": "wechat_consents",
    "SecurityEvent": "security_events",
    "Lease": "leases",
    "JobRun": "job_runs",
    "TrainingSession": "training_sessions",
    "Enrolment": "enrolments",
    "Attendance": "attendances",
    "PresenceCodeUsed": "presence_codes_used",
    "CalendarAddress": "calendar_addresses",
    "Assessment": "assessments",
    "AssessmentAttempt": "assessment_attempts",
    "TrainerGrade": "trainer_grades",
    "LearnerIdentity": "learner_identities",
    "IssuerBatch": "issuer_batches",
    "IssuerBatchRow": "issuer_batch_rows",
    "Consent": "consents",
    "Check": "checks",
    "CheckApproval": "check_approvals",
    "ImportDraft": "import_drafts",
    "SavedMapping": "saved_mappings",
    "InspectionRound": "inspection_rounds",
    "RoundStop": "round_stops",
    "Drill": "drills",
    "Incident": "incidents",
    "IncidentReport": "incident_reports",
    "IncidentPlan": "incident_plans",
    "IncidentEvent": "incident_events",
    "CabinetCode": "cabinet_codes",
    "GateCode": "gate_codes",
    "Loan": "loans",
    "DeviceMonitor": "device_monitors",
    "DeviceSignal": "device_signals",
    "SignalSource": "signal_sources",
    "SignalBridge": "signal_bridges",
    "Alert": "alerts",
    "EarlierAlertLink": "earlier_alert_links",
    "StoredReply": "alert_answers",
    "AlertLocation": "alert_places",
    "IncidentExclusion": "incident_exclusions",
    "ShowUpCount": "show_up_counts",
    "PatientOutcome": "patient_outcomes",
    "DispatchCentre": "centres",
    "IncidentMessage": "incident_messages",
    "Photo": "photos",
    "PlacePhoto": "place_photos",
    "Sighting": "sightings",
    "Quarantine": "quarantines",
    "FaultReport": "fault_reports",
    "Policy": "policies",
    "Retrieval": "retrievals",
    "Confirmation": "confirmations",
    "ConfirmationRequest": "confirmation_requests",
    "Reminder": "reminders",
    "ReminderRecipient": "reminder_recipients",
    "ReminderMessage": "reminder_messages",
    "ReminderPreference": "reminder_preferences",
    "Identity": "identities",
    "LinkedAccount": "linked_accounts",
    "IssuerEntry": "issuer_entries",
    "CertificateCheck": "certificate_checks",
    "CertificateDeclaration": "certificate_declarations",
    "PersonPair": "person_pairs",
    "Agreement": "agreements",
    "AgreementParty": "agreement_parties",
    "DeviceShare": "device_shares",
    "PartyDecision": "party_decisions",
    "PartyLink": "party_links",
    "LedgerAccount": "ledger_accounts",
    "LedgerEntry": "ledger_entries",
    "ExpiryNotice": "expiry_notices",
    "CostCase": "cost_cases",
    "Relative": "relatives",
    "FamilyMember": "family_members",
    "NamedHeir": "named_heirs",
    "Inheritance": "inheritances",
    "Volunteer": "volunteers",
    "LeadBuilding": "lead_buildings",
    "ServiceRecord": "service_records",
    "ServiceProof": "service_proofs",
    "ServiceEvent": "service_events",
    "ServiceFlag": "service_flags",
    "PanelMember": "appeal_panel_members",
    "ServiceAppeal": "service_appeals",
    "AppealVote": "appeal_votes",
    "ServiceIssuer": "service_issuers",
    "ServiceCertificate": "service_certificates",
    "ProofRequest": "proof_requests",
    "PlatformBatch": "platform_batches",
    "PlatformRow": "platform_rows",
    "Mandate": "mandates",
    "WebhookSubscription": "webhook_subscriptions",
    "ClientApp": "client_apps",
    "EmbeddedView": "embedded_views",
    "PriorityMember": "priority_members",
    "GoodsOrder": "goods_orders",
    "StockChange": "stock_changes",
    "ServiceOffer": "service_offers",
    "ServiceExchange": "service_exchanges",
}
"""Models that not everyone may see, with their tables."""
OPEN_TO_ALL = {
    "replication_heartbeat",  # a moment; read by connections only
    "sharing_rules",  # numbers; shown without who set them
    "time_bank_rules",
    "imported_estates",  # numbers in two cells; read by the command line only
    "imported_rows",
    "moved_devices",  # where a label leads, for anyone who scans it
    "goods",
    "goods_photos",
    "sponsors",
    "regions",
    "holiday_calendars",
    "holiday_years",
    "holiday_days",
    "holiday_calendar_notices",  # warnings sent; read by scheduled jobs only
    "courses",
    "course_prerequisites",
    "recalls",
    "spare_stocks",  # read through `spares.queries`, which require a keeper of the estate
    "spare_movements",
    "spare_notices",  # read by a scheduled job only
    "estate_paces",  # how fast devices are fetched; shows in every lookup result
    "sources",
    "issuers",
    "issuer_names",
    "issuer_courses",
    "issuer_lines",  # pauses of an issuer's line; read by scheduled jobs only
    "provider_requests",  # looked up by the hash of a key that the caller's browser holds
    "feeds",  # read by the command line and scheduled jobs only
    "tokens",  # looked up by the hash of the caller's key; read by the command line
    "sign_ins",  # looked up by the hash of the key in the caller's cookie
    "second_factors",  # read by the person's own session and the command line
    "recovery_codes",  # the same
    "audit_log",  # read by the command line; contains no names
    "audit_keys",  # read when signing and verifying; encrypted
    "sign_in_codes",  # looked up by the hash of the caller's number; never returned
    "sign_in_attempts",  # counts; never returned
    "first_run_codes",  # the hash of a code that only the operator has; never returned
    "demo_people",  # exists only in a demo, whose people are invented
}
PREDICATES = {
    "account_visible_to",
    "orders_visible_to",
    "at_managed_place",
    "visible_to",
    "estate_visible_to",
    "responder_visible_to",
    "people_visible_to",
    "role_grants_visible_to",
    "visible_sessions",
    "on_rosters_of",
    "answers_for",  # the same for people who may be the same person
    "run_by",
    "managed_by",
    "agreement_visible_to",
    "service_visible_to",
    "certificates_visible_to",
    "requests_visible_to",
    "batches_visible_to",
    "volunteers_visible_to",
    "seen_by",  # the same for enrolments
}
READING = {
    "aliased",
    "exists",
    "from_statement",
    "get",
    "get_one",
    "join",
    "outerjoin",
    "query",
    "refresh",
    "select",
    "select_from",
    "with_entities",
}
REASON = re.compile(r"\bvisibility: \w+")
SQL_FROM = re.compile(rf"\b(?:FROM|JOIN) +(?:{'|'.join(GUARDED.values())})\b")


# --- the check ------------------------------------------------------------------------------------------


def unguarded_reads(source: str) -> list[str]:
    """Return functions (or top-level lines) that read a guarded table without a predicate or a reason.

    1. A read is a call to a function in `READING` with a guarded model in its arguments, `table("devices")`,
       or SQL in a string. A name bound to a guarded model (import under another name, alias) counts as it.
    2. A read is allowed in a function that calls a predicate, directly or through a function of its module,
       or whose docstring has `visibility: why not`. Nested functions count as part of the outer one.
    """
    tree = ast.parse(source)
    lines = source.splitlines()
    guarded = set(GUARDED) | _bound_names(tree)
    functions = dict(_functions(tree))
    guarding = _guarding(functions)
    found = []
    inside: set[ast.AST] = set()
    for name, function in functions.items():
        inside |= set(ast.walk(function))
        is_excused = REASON.search("\n".join(lines[function.lineno - 1 : function.end_lineno]))
        if _reads(function, guarded) and name not in guarding and not is_excused:
            found.append(name)
    for statement in tree.body:
        outside = [node for node in ast.walk(statement) if node not in inside]
        text = "\n".join(lines[statement.lineno - 1 : statement.end_lineno])
        if any(_is_read(node, guarded) for node in outside) and not REASON.search(text):
            found.append(f"line {statement.lineno}")
    return found


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield functions and methods without nested functions."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        if isinstance(node, ast.ClassDef):
            for part in ast.walk(node):
                if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{part.name}", part


def _bound_names(tree: ast.Module) -> set[str]:
    """Return other names of guarded models in this module."""
    names = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in GUARDED and alias.asname
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and (
            _is_read(node.value, set(GUARDED)) or _is_table_by_name(node.value)
        ):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def _guarding(functions: Mapping[str, ast.AST]) -> set[str]:
    """Return the functions that call a predicate, directly or through a function of their module."""
    called = {name: _called(function) for name, function in functions.items()}
    guarding = {name for name, calls in called.items() if calls & PREDICATES}
    while True:
        more = {name for name, calls in called.items() if calls & guarding} - guarding
        if not more:
            return guarding
        guarding |= more


def _called(function: ast.AST) -> set[str]:
    return {_name_of(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}


def _name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _reads(function: ast.AST, guarded: set[str]) -> bool:
    return any(_is_read(node, guarded) for node in ast.walk(function))


def _is_read(node: ast.AST, guarded: set[str]) -> bool:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return SQL_FROM.search(node.value) is not None
    if not isinstance(node, ast.Call) or _name_of(node.func) not in READING:
        return False
    arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
    return any(
        isinstance(part, ast.Name | ast.Attribute) and _name_of(part) in guarded
        for argument in arguments
        for part in ast.walk(argument)
    )


def _is_table_by_name(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and _name_of(node.func) in ("table", "Table")
        and any(isinstance(part, ast.Constant) and part.value in GUARDED.values() for part in node.args)
    )


# --- the source -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_query_has_the_viewers_predicate_or_gives_a_reason(path: Path) -> None:
    assert unguarded_reads(path.read_text()) == [], (
        "These read what not everyone may see: add visible_to, estate_visible_to or responder_visible_to, "
        "or a line `visibility: why it needs none`."
    )


def test_every_table_is_guarded_or_listed_as_public() -> None:
    assert set(GUARDED.values()) | OPEN_TO_ALL == set(Table.metadata.tables)
    assert not set(GUARDED.values()) & OPEN_TO_ALL
    models = {mapper.class_.__name__: mapper.class_.__tablename__ for mapper in Table.registry.mappers}
    assert {name: models[name] for name in GUARDED} == GUARDED


def test_the_check_finds_the_existing_queries() -> None:
    """Without their predicates, all queries of the registry are reported."""
    source = "\n".join(each.read_text() for each in (SOURCE / "registry").rglob("*.py"))
    for predicate in PREDICATES:
        source = source.replace(predicate, "anything")

    assert {
        "device",
        "devices",
        "consumable",
        "nearest_devices",
        "estate",
        "estates",
        "gate",
        "gates",
    } <= set(unguarded_reads(source))


BAD = {
    "a select of the model": "def f(session): return session.scalars(select(Device)).all()",
    "a select of a column": "def f(session): return session.scalars(select(Device.id))",
    "a count": "def f(session): return session.scalar(select(func.count()).select_from(Estate))",
    "an aggregate": "def f(): return select(func.max(Certificate.valid_until))",
    "a join": "def f(): return select(Region.id).join(Gate, Gate.estate_id == 1)",
    "a get": "def f(session): return session.get(Device, 1)",
    "an old-style query": "def f(session): return session.query(Responder).all()",
    "the module's name before it": "def f(): return select(models.ResponderPlace)",
    "another name for it": "from aed.registry.devices.models import Device as D\ndef f(): return select(D)",
    "an alias of it": "Other = aliased(Device)  # visibility: only a name\ndef f(): return select(Other.id)",
    "a table by its name": 'places = table("devices", column("id"))\ndef f(): return select(places.c.id)',
    "SQL in a string": 'def f(session): return session.execute(text("SELECT * FROM devices"))',
    "SQL in an f-string": 'def f(session, n): return session.execute(text(f"SELECT {n} FROM responders r"))',
    "a method": "class A:\n    def f(self): return select(Device)",
    "an async function": "async def f(): return select(RegistryChange)",
    "a function inside": "def f():\n    def g(): return select(Gate)\n    return g",
    "a lambda": "f = lambda: select(Estate)",
    "outside of any function": "EVERYTHING = select(Consumable)",
    "a predicate that is only imported": (
        "from aed.accounts.visibility import visible_to\ndef f(): return select(Device)"
    ),
    "a predicate that is not called": "def f(): return select(Device), visible_to",
    "another function's predicate": (
        "def f(): return select(Device)\ndef g(): return select(Device).where(visible_to(v, Device))"
    ),
    "a reason without words": 'def f():\n    "visibility:"\n    return select(Device)',
    "a reason in the next function": "def f(): return select(Device)\n# visibility: not for f\ndef g(): pass",
}
GOOD = {
    "the predicate": "def f(v): return select(Device).where(visible_to(v, Device))",
    "through a function of the module": (
        "def mine(v): return estate_visible_to(v, estate_id=1)\n"
        "def f(v): return select(Estate).where(mine(v))"
    ),
    "through two": (
        "def one(v): return estate_visible_to(v)\n"
        "def two(v): return one(v)\n"
        "def f(v): return select(Gate).where(two(v))"
    ),
    "in a function inside": (
        "def f(v):\n    def g(): return select(Device).where(visible_to(v, Device))\n    return g"
    ),
    "a reason in the docstring": (
        'def f():\n    """Counts.\n\n    visibility: an import\'s."""\n    return select(Device)'
    ),
    "a reason in a comment": "def f():\n    return select(Device)  # visibility: an administrator's",
    "what is for everyone": "def f(): return select(Region), select(HolidayDay.day)",
    "making one": "def f(): return Device(source='x')",
    "naming a column": "def f(): return Device.id == 3",
    "a dictionary's get": "def f(known): return known.get('Device')",
}


@pytest.mark.parametrize("code", BAD.values(), ids=BAD.keys())
def test_the_check_finds_a_planted_query_without_the_predicate(code: str) -> None:
    assert unguarded_reads(code) != []


@pytest.mark.parametrize("code", GOOD.values(), ids=GOOD.keys())
def test_the_check_accepts_a_guarded_query(code: str) -> None:
    assert unguarded_reads(code) == []


# --- SQL sent to the database ---------------------------------------------------------------------------


def paths_for_reading() -> list[str]:
    paths = served_document()["paths"]
    return [path for path, operations in paths.items() if "get" in operations]


def test_each_statement_that_reads_devices_for_a_stranger_is_limited_to_public_ones(
    session: Session, client: TestClient
) -> None:
    estate = make.estate(session)
    gate = make.gate(session, estate, at=PATIENT)
    public = make.device(session, of=estate, audience="public")
    hidden = make.device(session, of=estate, at=north_of(PATIENT, metres=20), audience="estate")
    make.responder(session)
    open_to_all = make.training(session, starts_at=LATER, planned_at=NOW)
    of_the_estate = make.training(session, estate=estate, starts_at=LATER, planned_at=NOW)
    make.enrolment(session, open_to_all)
    policy, recall = make.policy(session), make.recall(session, model="H1", serial_from="1", serial_to="9")
    make.photo(session, of=make.check(session, hidden).check)
    make.report(session, hidden)
    incident = make.incident(session)
    coverage = make.coverage_preview(session, estate)
    session.commit()
    given: dict[str, list[object]] = {
        "estate_id": [estate.id],
        "gate_id": [gate.id],
        "consumable_id": [1],
        "device_id": [public.id, hidden.id],
        "feature_id": [public.id, hidden.id],
        "review_id": [1],
        "person_id": [1],
        "grant_id": [1],
        "course_id": [1],
        "session_id": [open_to_all.id, of_the_estate.id],
        "enrolment_id": [1],
        "policy_id": [1, policy.id],
        "check_id": [1],
        "declaration_id": [1],
        "photo_id": [1],
        "report_id": [1],
        "preview_id": [coverage.id],
        "region_preview_id": [make.region_preview(session).id],
        "sighting_id": [1],
        "recall_id": [recall.id],
        "stock_id": [1],
        "round_id": [1],
        "confirmation_request": ["ask_made_up"],
        "incident_id": [incident.id],
        "alert_key": ["call_made_up"],
        "platform": ["wecom"],
        "centre": ["lake-120"],
        "message_key": ["no-such-key"],
        "message_id": [1],
        "job": ["feeds"],
        "name": ["gate-group"],
        "code": ["1234-4"],
        "number": ["CPR-AED-2026-0A1B2C3D4E"],
        "token": ["no-such-code"],
        "calendar_id": [1],
        "agreement_id": [1],
        "cost_case_id": [1],
        "rules_version": ["2026-1"],
        "record_id": [1],
        "appeal_id": [1],
        "batch_id": [1],
        "service_number": ["SC-2026-0A1B2C3D4E"],
        "party_key": ["agr_made_up"],
        "text_hash": ["0" * 64],
        "region": ["CN-33"],
        "account_id": [1],
        "webhook_id": [1],
        "mapping_id": [1],
        "issuer_id": [make.issuer(session).id],
        "issuer_batch_id": [1],
        "pair_id": [1],
        "calendar": ["CN"],
        "year": [2026],
        "format": list(ExportFormat),
        "ending": ["csv", "xlsx"],
        "collection_id": ["devices", "estates", "gates"],
        "z": [14],
        "x": [13657],
        "y": [6744],
    }
    query = {
        "/v1/cells/nearest": [f"lat={PATIENT.lat}&lon={PATIENT.lon}&at=2026-09-22T02:00:00Z&limit=50"],
        "/v1/nearest": [f"lat={PATIENT.lat}&lon={PATIENT.lon}&route=true&responders=50&limit=50"],
        "/v1/devices": ["", f"bbox=119,29,121,31&estate_id={estate.id}", "audience=estate&state=in_service"],
        "/v1/export/{format}": ["", "bbox=119,29,121,31"],
        "/v1/calendar.ics": ["key=cal_nobodys"],
        "/v1/statistics": ["year=2026"],
        "/v1/time-bank/goods": ["region=CN-33"],
        "/v1/regions/{region}/service-report": ["from=2026-01-01&until=2026-12-31"],
        "/v1/regions/{region}/service-report.{ending}": ["from=2026-01-01&until=2026-12-31"],
        "/v1/statistics/cases": ["year=2026"],
        "/ogc/collections/{collection_id}/items": ["", "bbox=119,29,121,31&limit=1"],
    }

    asked = 0
    with statements_of(client.app.state.database.engine) as sent:  # type: ignore[attr-defined] # it is a FastAPI
        for path in paths_for_reading():
            names = re.findall(r"\{(\w+)\}", path)
            for values in itertools.product(*(given[name] for name in names)):
                filled = path.format(**dict(zip(names, values, strict=True)))
                for parameters in query.get(path, [""]):
                    allowed = (200, 401, 404, 422) if "no-such-code" in filled else (200, 401, 404)
                    assert client.get(f"{filled}?{parameters}").status_code in allowed, filled
                    asked += 1

    assert asked >= 40
    of_devices = [statement for statement in sent if re.search(r"\b(FROM|JOIN) devices\b", statement)]
    assert len(of_devices) >= 6
    for statement in of_devices:
        if re.search(
            r"FROM (retrievals|checks|check_approvals|photos|quarantines|remind\w+|fault_reports|consumables)"
            r" .*WHERE .*(false|0 = 1)",
            statement,
        ):
            continue  # strangers get no upkeep data
        if re.search(r"SELECT devices_1.id, consumables.* WHERE devices_1.id IN \(\S+\)", statement):
            continue  # parts of a device that was just read, by its key
        assert "devices.audience = 'public'" in statement
        assert "devices.state != 'withdrawn'" in statement
    of_sessions = [each for each in sent if re.search(r"\bFROM training_sessions\b", each)]
    assert len(of_sessions) >= 3
    for statement in of_sessions:
        assert re.search(r"WHERE training_sessions.audience = ", statement), statement
    for statement in sent:
        if re.search(r"\bFROM (estates|gates)\b", statement):
            assert re.search(r"\bWHERE\b.*(false|0 = 1)", statement), statement
        if re.search(r"FROM enrolments WHERE enrolments.session_id IN .* GROUP BY", statement):
            continue  # the number of reserved places
        assert not re.search(r"\b(enrolments|attendances|assessments)\b", statement), statement
        if re.search(
            r"FROM certificates .*WHERE certificates.number = \S+ AND certificates.is_awarded", statement
        ):
            continue  # anyone with the number may verify the certificate
        if "FROM training_sessions" in statement:
            statement = re.sub(r"LEFT OUTER JOIN people AS people_1 ON \S+ = \S+", "", statement)
            statement = re.sub(r"people_1\.\w+", "", statement)  # the trainer, not in the response
        assert not re.search(r"\b(responders|responder_places|certificates|people|changes)\b", statement) or (
            "devices.audience = 'public'" in statement
        ), statement
