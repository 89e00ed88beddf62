"""People of an estate with a time bank, and their requests over HTTP with a moved clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role, TokenRole
from aed.incidents.models import Incident
from tests import make
from tests.make import PATIENT, north_of

CHINA = ZoneInfo("Asia/Shanghai")


class Story:
    """The people of the story and their requests, at the moment to which the clock is set."""

    def __init__(self, session: Session, client: TestClient, run: Callable[[str, datetime], None]) -> None:
        self.session, self.client, self._run = session, client, run
        self.now = datetime(2026, 10, 1, 9, tzinfo=CHINA)
        self.estate = make.estate(session)
        self.device_id = make.device(session, of=self.estate, place_zh="大堂").id
        self.building_id = make.building(session, self.estate, at=north_of(PATIENT, metres=30)).id
        self.people: dict[str, int] = {}
        self.keys: dict[str, dict[str, str]] = {"anybody": {}}
        roles = {
            "lead": (Role.LEAD, Role.KEEPER),
            "manager": (Role.ESTATE_MANAGER,),
            "second manager": (Role.ESTATE_MANAGER,),
            "daughter": (Role.RESIDENT,),
            "elderly neighbour": (Role.RESIDENT,),
            "teacher": (Role.RESIDENT,),
            "late neighbour": (Role.RESIDENT,),
        }
        for name, held in roles.items():
            person = make.person(session)
            for each in held:
                make.role(session, person, each, estate=self.estate)
            self._add(name, person)
        region = make.region(session)
        officer = make.person(session)
        make.role(session, officer, Role.ADMINISTRATOR, region=region)
        self._add("region", officer)
        self.keys["dispatch centre"] = make.key(session, TokenRole.DISPATCHER, region=region, writes=True)
        session.commit()

    def _add(self, name: str, person: Person) -> None:
        self.people[name] = person.id
        key = make.sign_in(self.session, person.id, bearer=True)
        self.keys[name] = {"Authorization": f"Bearer {key}"}

    def served_before(self, name: str, *, hours: int) -> None:
        """Credit service of earlier years."""
        person = self.session.get_one(Person, self.people[name])
        make.credited(self.session, person, self.estate, minutes=hours * 60)
        self.session.commit()

    def at(self, day: int, time: str = "09:00") -> None:
        """Set the clock to a day of October."""
        self.now = datetime.fromisoformat(f"2026-10-{day:02}T{time}").replace(tzinfo=CHINA)

    def run(self, job: str) -> None:
        self._run(job, self.now)

    def send(self, who: str, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        answer = self.client.request(method, f"/v1{path}", json=body, headers=self.keys[who])
        assert answer.status_code == status, answer.text
        return (
            answer.json() if answer.content and "json" in answer.headers["content-type"] else answer.content
        )

    def post(self, who: str, path: str, body: Any = None, *, status: int = 200, **given: Any) -> Any:
        return self.send(who, "POST", path, given or body, status=status)

    def patrol(self, day: int, *, hours: int = 1) -> Any:
        """Record a patrol of the lead that began at 20:00 and is just over."""
        began = datetime(2026, 10, day, 20, tzinfo=CHINA)
        self.now = began + timedelta(hours=hours)
        return self.post(
            "lead",
            "/service-records",
            key=str(uuid4()),
            person_id=self.people["lead"],
            estate_id=self.estate.id,
            activity="夜间巡逻",
            started_at=began.isoformat(),
            ended_at=self.now.isoformat(),
            status=201,
        )

    def alert(self, incident_id: int) -> None:
        """Alert the lead to an incident, with a link whose key is `call_key`."""
        incident = self.session.get_one(Incident, incident_id)
        make.alert(self.session, incident, self.session.get_one(Person, self.people["lead"]))
        self.session.commit()

    def balance(self, name: str, currency: str = "points") -> Fraction:
        """Return what a person has, in points or minutes."""
        accounts = self.send(name, "GET", "/time-bank/accounts")["accounts"]
        units = sum(each["balance"] for each in accounts if each["currency"] == currency)
        return Fraction(units, 600 if currency == "points" else 1)

    def records(self, **wanted: str) -> list[Any]:
        found = self.send("manager", "GET", "/service-records")["records"]
        return [each for each in found if all(each[name] == value for name, value in wanted.items())]
