"""The network on its first day: estates of ten devices, their keepers and managers, and installed parts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from geoalchemy2 import WKTElement
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Audience, Role
from aed.accounts.role_grants import RoleGrant
from aed.geo import Datum, Position
from aed.registry.changes import RegistryChange
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.rules import ConsumableKind
from aed.registry.estates.models import Estate
from aed.upkeep.checks.actions import create_policy
from aed.upkeep.checks.schemas import PolicyIn
from tests import make
from tests.make import METRES_PER_DEGREE
from tests.year.ledger import CHECK_DAYS, Ledger

CHINA: Final = ZoneInfo("Asia/Shanghai")
DEVICES_AN_ESTATE: Final = 10
PLACES: Final = range(DEVICES_AN_ESTATE)
ESTATES_A_REGION: Final = 100
APART_DEGREES: Final = 0.03
"""The distance between estates, so that the ten nearest devices belong to the estate."""
SERVICE_MONTHS: Final = 12
LIVES: Final = {ConsumableKind.PADS: 730, ConsumableKind.CHILD_PADS: 730, ConsumableKind.BATTERY: 1460}
"""Shelf life in days of new parts."""


@dataclass(frozen=True)
class Size:
    estates: int
    first_day: date
    days: int
    seed: int = 5

    @property
    def last_day(self) -> date:
        return self.first_day + timedelta(days=self.days - 1)


@dataclass
class Participant:
    """A keeper or a manager, with a diligence that stays the same all year."""

    id: int
    diligence: str
    """prompt, slow, or gone (reads nothing)."""


@dataclass
class StaffedEstate:
    """An estate with its people and devices."""

    id: int
    here: Position
    keeper: Participant
    manager: Participant | None
    device_ids: list[int] = field(default_factory=list)


@dataclass
class World:
    size: Size
    houses: list[StaffedEstate]
    house_of: dict[int, StaffedEstate]
    """Estates by device id."""
    participants: dict[int, Participant]
    """People by id, including the regions' administrators."""
    office: Participant
    ledger: Ledger
    touched: dict[date, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Devices with an event, by day."""

    def touch(self, device_id: int, today: date) -> bool:
        """Mark the device as touched today; return False if it was already."""
        if device_id in self.touched[today]:
            return False
        self.touched[today].add(device_id)
        return True

    @property
    def device_ids(self) -> list[int]:
        return list(self.house_of)


def moment(day: date, hour: float) -> datetime:
    """Return that time of day in China."""
    local = datetime(day.year, day.month, day.day, tzinfo=CHINA) + timedelta(hours=hour)
    return local.astimezone(UTC)


def build(session: Session, size: Size) -> World:
    """Insert the initial rows directly, as from a list; later changes go through the program."""
    random, start = Random(size.seed), size.first_day
    ledger = Ledger(first_day=start, last_day=size.last_day)
    numbers = iter(range(1, 10_000_000))

    def person(name: str, diligence: str) -> Participant:
        number = next(numbers)
        row = Person(name=name, phone=f"+86138{number:08d}", language=random.choice(("zh", "zh", "en")))
        session.add(row)
        session.flush()
        return Participant(row.id, diligence)

    def grant(to: Participant, held: Role, *, estate: int | None = None, region: int | None = None) -> None:
        row = RoleGrant(
            person_id=to.id,
            role=held,
            estate_id=estate,
            region_id=region,
            granted_at=moment(start, 0),
            granted_by="year",
        )
        session.add(row)

    policy = PolicyIn.model_validate(
        {
            "name_en": "Of the network",
            "name_zh": "全网方案",
            "glance_days": None,
            "check_days": CHECK_DAYS,
            "service_months": SERVICE_MONTHS,
        }
    )
    create_policy(session, make.ADMINISTRATOR, policy, at=moment(start, 0))
    office = person("Office", "prompt")
    grant(office, Role.ADMINISTRATOR)
    houses, everybody = [], {office.id: office}
    region = make.region(session, "CN-00")
    for number in range(size.estates):
        if number % ESTATES_A_REGION == 0:
            region = make.region(session, f"CN-{number // ESTATES_A_REGION:02}")
            session.flush()
            chief = person(f"Region {region.code}", "prompt")
            grant(chief, Role.ADMINISTRATOR, region=region.id)
            everybody[chief.id] = chief
        here = Position(24.0 + APART_DEGREES * (number // 100), 108.0 + APART_DEGREES * (number % 100))
        estate = Estate(
            region_id=region.id,
            source="year",
            source_id=f"e{number}",
            name_en=f"Garden {number}",
            name_zh=f"花园{number}",
            boundary=_square(here),
            version=1,
        )
        session.add(estate)
        session.flush()
        tempers = random.choices(("prompt", "slow", "gone"), (0.7, 0.22, 0.08))
        keeper = person(f"Keeper {number}", tempers[0])
        manager = None
        if random.random() < 0.7:
            manager = person(f"Manager {number}", random.choices(("prompt", "gone"), (0.9, 0.1))[0])
            grant(manager, Role.ESTATE_MANAGER, estate=estate.id)
            everybody[manager.id] = manager
        is_by_role = random.random() < 0.5
        grant(keeper, Role.KEEPER, estate=estate.id)
        everybody[keeper.id] = keeper
        house = StaffedEstate(estate.id, here, keeper, manager)
        devices = [_device(random, house, region.id, place=place, by_role=is_by_role) for place in PLACES]
        session.add_all(devices)
        session.flush()
        house.device_ids += [device.id for device in devices]
        for device in devices:
            _equip(session, ledger, random, device, start=start)
        houses.append(house)
    session.flush()
    house_of = {device_id: house for house in houses for device_id in house.device_ids}
    return World(size, houses, house_of, everybody, office, ledger)


def _device(random: Random, house: StaffedEstate, region_id: int, *, place: int, by_role: bool) -> Device:
    lat, lon = house.here.lat + 30.0 * (place // 5) / METRES_PER_DEGREE, house.here.lon + 0.0004 * (place % 5)
    return Device(
        region_id=region_id,
        estate_id=house.id,
        source="year",
        source_id=f"{house.id}-{place}",
        position=WKTElement(f"POINT({lon} {lat})", srid=4326),
        origin_datum=Datum.WGS84,
        origin_lat=lat,
        origin_lon=lon,
        place_en=f"Building {place + 1}, lobby",
        place_zh=f"{place + 1}号楼大堂",
        opening_hours="24/7",
        maker=random.choice(("Heartline", "Zoll", "Mindray")),
        model=random.choice(("H1", "H2")),
        serial=f"S{random.randrange(10_000, 99_999)}",
        keeper_id=None if by_role else house.keeper.id,
        audience=Audience.PUBLIC,
        version=1,
    )


def _equip(session: Session, ledger: Ledger, random: Random, device: Device, *, start: date) -> None:
    """Install parts of random age, and a registration and checks within the year before.

    Checks may be late and a few parts expired, as in any registry on its first day.
    """
    registered = start - timedelta(days=random.randrange(20, 350))
    checked = max(registered, start - timedelta(days=random.randrange(1, CHECK_DAYS + 20)))
    device.last_checked_on = checked
    ledger.register(
        device.id,
        registered=registered,
        checked=checked,
        make=(device.maker or "", device.model or "", device.serial or ""),
    )
    session.add(
        RegistryChange(
            subject="devices",
            subject_id=str(device.id),
            at=moment(registered, 12),
            who="year",
            fields={"source": [None, "year"]},
        )
    )
    for kind, life in LIVES.items():
        left = random.randrange(-20, life) if random.random() < 0.02 else random.randrange(1, life)
        expires_on = start + timedelta(days=left)
        session.add(Consumable(device_id=device.id, kind=kind, expires_on=expires_on, version=1))
        ledger.fit(device.id, kind, expires_on, on=None)


def _square(here: Position) -> WKTElement:
    half = 0.002
    south, north, west, east = here.lat - half, here.lat + half, here.lon - half, here.lon + half
    ring = f"{west} {south},{east} {south},{east} {north},{west} {north},{west} {south}"
    return WKTElement(f"MULTIPOLYGON((({ring})))", srid=4326)
