"""Annual statistics: computed by hand for small years, and over the API."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import openpyxl
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import ANYONE, TokenRole, Viewer
from aed.database.session import Database
from aed.debrief.outcomes.actions import record_outcome
from aed.debrief.outcomes.rules import (
    BystanderCpr,
    CallCounts,
    CoreItems,
    RecordedTimes,
    Rhythm,
    Sex,
    Witnessed,
    YesNo,
    age_band,
)
from aed.debrief.statistics.queries import YearQuery, cases_of_year, year_in_numbers
from aed.debrief.statistics.rules import (
    CountedIncident,
    CountedKind,
    OutcomeGroup,
    Statistics,
    require_case_viewer,
    sees_small_counts,
    statistics_of,
)
from aed.debrief.statistics.schemas import CaseOut
from aed.errors import NotAllowed, NotFound, NotSignedIn
from aed.incidents.calls import actions as lifecycle
from aed.incidents.models import Incident
from aed.incidents.rules import IncidentOutcome, IncidentState, Task
from tests import make
from tests.debrief.test_outcomes import SHE_LIVES, dispatcher
from tests.make import ADMINISTRATOR, NOW, PATIENT, north_of
from tests.statements import statements_of

HE_DIES = replace(SHE_LIVES, sex=Sex.MALE, age_years=81, rosc=YesNo.NO, survived_event=YesNo.NO)
HE_DIES = replace(HE_DIES, survived=YesNo.NO, cpc=None, first_rhythm=Rhythm.ASYSTOLE)
UNKNOWN = CoreItems()


def case(
    items: CoreItems = SHE_LIVES,
    *,
    outcome: IncidentOutcome | None = IncidentOutcome.HANDED_OVER,
    **seconds: float,
) -> CountedIncident:
    """Return an incident called in at NOW; its other times are in seconds after that."""
    moments: dict[str, Any] = {name: NOW + timedelta(seconds=after) for name, after in seconds.items()}
    known = RecordedTimes(
        NOW, NOW, **moments, calls={Task.DIRECT: CallCounts(4, 3, 2, 1), Task.FETCH: CallCounts(2, 1, 1, 0)}
    )
    state = IncidentState.CLOSED if outcome is not None else IncidentState.OPEN
    return CountedIncident("CN-33", NOW, state, outcome, items, known)


def group(found: Statistics, name: str) -> OutcomeGroup:
    return next(each for each in found.groups if each.group == name)


def counted(found: Statistics, item: str) -> dict[str, int | None]:
    rows = (*found.arrests, *found.resuscitation, *found.patients)
    return {each.value: each.cases for each in rows if each.item == item and each.cases != 0}


# --- counting -------------------------------------------------------------------------------------------


def test_arrests_and_patients_are_counted_step_by_step_down_the_template() -> None:
    cases = [
        case(SHE_LIVES),
        case(HE_DIES),
        case(replace(UNKNOWN, arrest=YesNo.YES, resuscitation=YesNo.NO)),
        case(replace(UNKNOWN, arrest=YesNo.NO)),
        case(UNKNOWN),
        case(UNKNOWN, outcome=None),
        case(UNKNOWN, outcome=IncidentOutcome.FALSE_ALARM),
    ]
    found = statistics_of(cases, is_coarse=False)
    assert (found.incidents, found.still_open, found.false_alarms) == (7, 1, 1)
    assert counted(found, "arrest") == {"yes": 3, "no": 1, "unknown": 2}
    assert counted(found, "resuscitation") == {"yes": 2, "no": 1}
    assert counted(found, "first_rhythm") == {"aed_shockable": 1, "asystole": 1}
    assert counted(found, "age") == {"65-79": 1, "80+": 1}
    assert counted(found, "cpc") == {"1": 1, "unknown": 1}
    assert group(found, "all") == ("all", 2, 1, 1, 1, 2, 50.0, 1)


def test_outcomes_that_are_not_known_count_as_neither_yes_nor_no() -> None:
    not_known = replace(
        SHE_LIVES,
        rosc=YesNo.UNKNOWN,
        survived_event=YesNo.UNKNOWN,
        survived=YesNo.UNKNOWN,
        cpc=None,
        mrs=None,
    )
    cases = [*(case(SHE_LIVES) for _ in range(3)), case(HE_DIES), case(not_known)]

    found = group(statistics_of(cases, is_coarse=False), "all")

    assert (found.patients, found.rosc, found.survived_event, found.survived) == (5, 3, 3, 3)
    assert (found.survival_known, found.survived_per_cent, found.favourable) == (4, 75.0, 3)


@pytest.mark.parametrize(
    ("amended", "counts"),
    [
        ({}, True),
        ({"first_rhythm": Rhythm.VF}, True),
        ({"first_rhythm": Rhythm.PEA}, False),
        ({"first_rhythm": Rhythm.UNKNOWN}, False),
        ({"witnessed": Witnessed.EMS}, False),
        ({"witnessed": Witnessed.UNWITNESSED}, False),
        ({"resuscitation": YesNo.NO}, False),
        ({"arrest": YesNo.UNKNOWN}, False),
    ],
)
def test_the_comparator_group_is_bystander_witnessed_and_shockable(
    amended: dict[str, Any], counts: bool
) -> None:
    found = statistics_of([case(replace(SHE_LIVES, **amended))], is_coarse=False)
    assert group(found, "utstein_comparator").patients == int(counts)


def test_survival_percentages_exclude_unknowns() -> None:
    lost = replace(SHE_LIVES, survived=YesNo.UNKNOWN, cpc=None)
    no_cpr = replace(SHE_LIVES, bystander_cpr=BystanderCpr.NONE)
    found = statistics_of([case(SHE_LIVES), case(lost), case(no_cpr)], is_coarse=False)
    comparator = group(found, "utstein_comparator")
    assert (comparator.patients, comparator.survival_known, comparator.survived_per_cent) == (3, 2, 100.0)
    assert group(found, "comparator_with_bystander_cpr").patients == 2
    assert group(found, "unwitnessed").survived_per_cent is None
    assert statistics_of([], is_coarse=False).intervals[0].median is None


def test_intervals_start_at_the_call_and_exclude_incidents_without_arrest() -> None:
    cases = [case(UNKNOWN, first_there_at=60.0 * each) for each in (1, 2, 3, 4, 9)]
    cases.append(case(replace(UNKNOWN, arrest=YesNo.NO), first_there_at=6_000))
    cases.append(case(UNKNOWN, outcome=IncidentOutcome.FALSE_ALARM, first_there_at=6_000))
    cases.append(case(UNKNOWN, first_there_at=-30))
    found = statistics_of(cases, is_coarse=False)
    assert found.intervals[0] == ("first_there_at", 6, 75.0, 150.0, 225.0)


def test_an_interval_may_be_shorter_than_a_second_and_is_never_below_0() -> None:
    for after, seconds in ((0.4, 0.4), (0.0, 0.0), (-0.4, 0.0)):
        found = statistics_of([case(SHE_LIVES, first_there_at=after)], is_coarse=False)
        assert found.intervals[0].median == seconds


@pytest.mark.parametrize(
    ("viewer", "sees"),
    [
        (ADMINISTRATOR, True),
        (Viewer(TokenRole.DISPATCHER, region_ids=(1, 2)), True),
        (Viewer(TokenRole.DISPATCHER, region_ids=(1, 2, 3)), True),
        (Viewer(TokenRole.DISPATCHER, region_ids=(1,)), False),
        (Viewer(TokenRole.DISPATCHER), False),
        (Viewer(TokenRole.MEMBER, region_ids=(1, 2)), False),
        (ANYONE, False),
    ],
)
def test_single_cases_are_seen_by_those_who_dispatch_in_all_of_their_regions(
    viewer: Viewer, sees: bool
) -> None:
    assert sees_small_counts(viewer, [1, 2]) is sees
    if sees:
        require_case_viewer(viewer, [1, 2])
    else:
        with pytest.raises(NotAllowed if viewer.is_signed_in else NotSignedIn):
            require_case_viewer(viewer, [1, 2])


def test_intervals_are_rounded_to_a_tenth_of_a_second() -> None:
    cases = [case(UNKNOWN, first_there_at=each) for each in (10.11, 20.26, 30.37)]

    assert statistics_of(cases, is_coarse=False).intervals[0] == ("first_there_at", 3, 15.2, 20.3, 25.3)


def test_a_false_alarm_recorded_as_an_arrest_counts_as_one() -> None:
    found = statistics_of([case(SHE_LIVES, outcome=IncidentOutcome.FALSE_ALARM)], is_coarse=False)
    assert (found.false_alarms, counted(found, "arrest"), group(found, "all").patients) == (0, {"yes": 1}, 1)


def test_recorded_and_later_reported_shocks_are_separate_intervals() -> None:
    found = statistics_of([case(SHE_LIVES, shock_at=300)], is_coarse=False)
    medians = {each.until: each.median for each in found.intervals}
    assert (medians["shock_at"], medians["first_shock_recorded"]) == (300, 360)


def test_missing_items_are_counted_by_item() -> None:
    cases = [
        case(SHE_LIVES),
        case(replace(SHE_LIVES, age_years=None, cpc=None)),
        case(HE_DIES),
        case(UNKNOWN),
    ]
    found = {each.item: each for each in statistics_of(cases, is_coarse=False).completeness}
    assert found["arrest"][1:3] == (4, 1)
    assert found["resuscitation"][1:3] == (3, 0)
    assert found["age_years"] == ("age_years", 3, 1, 33.3)
    assert found["first_shock_at"][1:3] == (2, 0)
    assert found["cpc_or_mrs"][1:3] == (2, 1)


def test_people_who_were_called_are_counted_by_task_and_by_incident() -> None:
    found = {each.task: each for each in statistics_of([case(), case()], is_coarse=False).calls}
    assert found["all"] == ("all", 12, 8, 6, 2, 6.0, 3.0, 1.0)
    assert found["fetch"][1:5] == (4, 2, 2, 0)
    assert found["guide"] == ("guide", 0, 0, 0, 0, None, None, None)


@pytest.mark.parametrize(
    ("years", "band"), [(0, "0-17"), (17, "0-17"), (18, "18-34"), (80, "80+"), (130, "80+")]
)
def test_ages_are_shown_in_bands(years: int, band: str) -> None:
    assert age_band(years) == band


def test_coarsened_counts_hide_fewer_than_five_also_by_differences() -> None:
    cases = [case(SHE_LIVES)] * 12 + [case(HE_DIES)] * 3
    found = statistics_of(cases, is_coarse=True)
    assert found.incidents == 15
    assert counted(found, "first_rhythm") == {
        "aed_shockable": 10,
        **dict.fromkeys(
            ("vf", "pulseless_vt", "pea", "asystole", "bradycardia", "aed_not_shockable", "unknown")
        ),
    }
    every = [
        number
        for rows in (found.arrests, found.resuscitation, found.patients, found.groups, found.calls)
        for row in rows
        for number in row
        if isinstance(number, int)
    ]
    assert every
    assert {number % 5 for number in every} == {0}
    assert min(every) >= 5
    assert group(found, "all").survived_per_cent == round(100 * 10 / 15, 1), "of the known outcomes"
    assert statistics_of([case(first_there_at=60)] * 4, is_coarse=True).intervals[0][1:] == (None,) * 4


# --- permissions ----------------------------------------------------------------------------------------


def recorded(session: Session, items: CoreItems, *, at: datetime = NOW, **given: Any) -> Incident:
    """Add an incident with this outcome."""
    incident = make.incident(session, at=at, **given)
    lifecycle.close_incident(session, ADMINISTRATOR, incident.id, IncidentOutcome.HANDED_OVER, None, at=at)
    items = replace(items, first_shock_at=None)
    record_outcome(session, ADMINISTRATOR, incident.id, items, version=0, at=at + timedelta(days=1))
    return incident


def incidents_of(session: Session, viewer: Viewer, year: int = 2026, **asked: Any) -> int | None:
    kind, region = asked.get("kind", CountedKind.REAL), asked.get("region")
    return year_in_numbers(session, viewer, YearQuery(year, kind, region)).statistics.incidents


def test_real_incidents_and_exercises_are_counted_apart_and_tests_never(session: Session) -> None:
    for number, kind in enumerate(("real", "real", "exercise", "test")):
        make.incident(session, kind=kind, at=NOW + timedelta(hours=number))
    assert incidents_of(session, ADMINISTRATOR) == 2
    assert incidents_of(session, ADMINISTRATOR, kind=CountedKind.EXERCISE) == 1


def test_a_year_begins_at_midnight_where_the_patient_is(session: Session) -> None:
    for number, at in enumerate(
        (
            datetime(2025, 12, 31, 15, 59, tzinfo=UTC),
            datetime(2025, 12, 31, 16, 0, tzinfo=UTC),
            datetime(2026, 12, 31, 15, 59, tzinfo=UTC),
            datetime(2026, 12, 31, 16, 0, tzinfo=UTC),
        )
    ):
        make.incident(session, at=at, where=north_of(PATIENT, metres=1_000.0 * number))
    assert [incidents_of(session, ADMINISTRATOR, year) for year in (2024, 2025, 2026, 2027)] == [0, 1, 2, 1]


def test_dispatchers_see_every_count_and_others_coarsened_ones(session: Session) -> None:
    make.region(session, "CN")
    make.region(session, "CN-33", parent="CN")
    elsewhere = dispatcher(session, "CN-44")
    make.incident(session)
    resident = make.member(make.estate(session))
    with pytest.raises(NotSignedIn):
        incidents_of(session, ANYONE)
    for stranger in (resident, elsewhere):
        assert incidents_of(session, stranger, region="CN-33") is None
        with pytest.raises(NotAllowed):
            cases_of_year(session, stranger, YearQuery(2026, CountedKind.REAL, "CN-33"))
    assert incidents_of(session, resident) is None
    assert incidents_of(session, elsewhere) == 0, "its own region"
    own = dispatcher(session)
    assert incidents_of(session, own) == incidents_of(session, own, region="CN-33") == 1
    assert incidents_of(session, own, region="CN") is None, "it holds more than the own region"
    assert incidents_of(session, ADMINISTRATOR, region="CN") == 1
    passed_on = year_in_numbers(session, own, YearQuery(2026, CountedKind.REAL, None), for_publication=True)
    assert passed_on.statistics.incidents is None
    with pytest.raises(NotFound):
        incidents_of(session, own, region="CN-99")


def test_the_number_of_statements_does_not_grow_with_incidents(session: Session, database: Database) -> None:
    asked, counts = YearQuery(2026, CountedKind.REAL, None), []
    for more in (1, 5):
        for number in range(more):
            recorded(session, SHE_LIVES, at=NOW + timedelta(days=more * 10 + number))
        session.commit()
        with statements_of(database.engine) as statements:
            assert len(cases_of_year(session, ADMINISTRATOR, asked)) == (1 if more == 1 else 6)
        counts.append(len(statements))
    assert counts == [5, 5]


def test_a_case_row_has_no_name_place_or_day(session: Session) -> None:
    make.responder(session, at=north_of(PATIENT, metres=50), name="王小明")
    incident = recorded(session, SHE_LIVES, address="Flat 501")
    (found,) = [
        CaseOut.of(each)
        for each in cases_of_year(session, dispatcher(session), YearQuery(2026, CountedKind.REAL, None))
    ]
    assert (found.region, found.month, found.age, found.sex) == ("CN-33", 9, "65-79", "female")
    assert (found.asked, found.accepted) == (1, 0)
    text = found.model_dump_json()
    names = session.scalars(select(Person.name)).all()
    assert not any(word in text for word in (*names, "501", "30.29", "2026-09", "67", f'"{incident.id}"'))
    assert not {"id", "incident_id", "estate_id", "lat", "opened_at"} & set(CaseOut.model_fields)


# --- files ----------------------------------------------------------------------------------------------


def lines(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def sheets(content: bytes) -> dict[str, Sequence[Sequence[Any]]]:
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True)
    return {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book}


def test_the_year_and_its_cases_are_sent_as_files(client: TestClient, session: Session) -> None:
    for number in range(6):
        recorded(session, SHE_LIVES if number else HE_DIES, at=NOW + timedelta(days=number))
    headers = make.key(session, TokenRole.DISPATCHER, writes=False, region=make.region(session))
    session.commit()

    def ask(where: str, **query: str | int) -> Any:
        answer = client.get(f"/v1/statistics{where}", params={"year": 2026, **query}, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer

    whole = ask("").json()
    assert (whole["incidents"], whole["is_coarse"]) == (6, False)
    assert whole["groups"][1]["group"] == "utstein_comparator"
    assert whole["groups"][1]["survived"] == 5

    answer = ask("", format="csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="aed-statistics-2026.csv"'
    numbers = {(each["table"], each["row"], each["column"]): each["number"] for each in lines(answer.content)}
    assert numbers["about", "year", ""] == "2026"
    assert numbers["incidents", "arrest=yes", "cases"] == "6"
    assert numbers["outcomes", "utstein_comparator", "survived_per_cent"] == "100.0"
    hidden = {each["number"] for each in lines(ask("", format="csv", for_publication=True).content)}
    assert hidden & {"1", "2", "3", "4", "6"} == set()
    assert {"<5", "5"} <= hidden

    book = sheets(ask("", format="xlsx", for_publication=True).content)
    assert list(book) == ["about", "incidents", "patients", "outcomes", "intervals", "calls", "completeness"]
    assert book["incidents"][1] == ("事件 incidents", 5)
    assert book["incidents"][3] == ("其中误报 false alarms", "<5")

    rows = lines(ask("/cases", format="csv").content)
    assert [each["survived"] for each in rows].count("yes") == 5
    assert len(sheets(ask("/cases", format="xlsx").content)["cases"]) == 7
    assert len(ask("/cases").json()["cases"]) == 6
    assert ask("", kind="exercise").json()["incidents"] == 0
    refused = client.get("/v1/statistics", params={"year": 2026, "kind": "test"}, headers=headers)
    assert refused.status_code == 422
    assert client.get("/v1/statistics", params={"year": 2026}).status_code == 401
