"""Core items of out-of-hospital cardiac arrest reporting that an incident's record cannot know.

Source: the Utstein template in its update of 2014 (Perkins et al., Resuscitation 2015; 96:328, and
Circulation 2015; 132:1286). A newer update exists (Grasner, Bray et al., Resuscitation 2024; 201:110288,
doi:10.1016/j.resuscitation.2024.110288). Its text could not be read when this was written, so no item follows
it: see `TEMPLATE_VERSION`.

Each item can be unknown, which is the same as not recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from aed.errors import InvalidInput
from aed.incidents.rules import Task

TEMPLATE_VERSION: Final = "Utstein 2014 (Perkins 2015)"
"""Version of the template that items and groups follow; shown by the API and in tables."""


class YesNo(StrEnum):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Pathogenesis(StrEnum):
    MEDICAL = "medical"
    """Cardiac, other medical, or no obvious cause."""
    TRAUMA = "trauma"
    OVERDOSE = "overdose"
    DROWNING = "drowning"
    ELECTROCUTION = "electrocution"
    ASPHYXIAL = "asphyxial"
    UNKNOWN = "unknown"


class Witnessed(StrEnum):
    BYSTANDER = "bystander"
    EMS = "ems"
    """Witnessed by the ambulance's crew."""
    UNWITNESSED = "unwitnessed"
    UNKNOWN = "unknown"


class ArrestLocation(StrEnum):
    HOME = "home"
    WORKPLACE = "workplace"
    SPORTS = "sports"
    STREET = "street"
    PUBLIC_BUILDING = "public_building"
    CARE_HOME = "care_home"
    EDUCATION = "education"
    OTHER = "other"
    UNKNOWN = "unknown"


class Sex(StrEnum):
    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


class BystanderCpr(StrEnum):
    NONE = "none"
    COMPRESSIONS = "compressions"
    """Without rescue breaths."""
    WITH_BREATHS = "with_breaths"
    OF_SOME_KIND = "of_some_kind"
    UNKNOWN = "unknown"


class BystanderAed(StrEnum):
    NOT_USED = "not_used"
    NO_SHOCK = "no_shock"
    """The pads were attached, and no shock was advised."""
    SHOCK = "shock"
    UNKNOWN = "unknown"


class Rhythm(StrEnum):
    """The first rhythm that was seen on a monitor or judged by a device."""

    VF = "vf"
    PULSELESS_VT = "pulseless_vt"
    PEA = "pea"
    ASYSTOLE = "asystole"
    BRADYCARDIA = "bradycardia"
    AED_SHOCKABLE = "aed_shockable"
    AED_NOT_SHOCKABLE = "aed_not_shockable"
    UNKNOWN = "unknown"


SHOCKABLE: Final = frozenset({Rhythm.VF, Rhythm.PULSELESS_VT, Rhythm.AED_SHOCKABLE})
BYSTANDER_CPR: Final = frozenset(
    {BystanderCpr.COMPRESSIONS, BystanderCpr.WITH_BREATHS, BystanderCpr.OF_SOME_KIND}
)
MAX_AGE_YEARS: Final = 130


@dataclass(frozen=True, slots=True)
class CoreItems:
    """What is known of a patient; all of it unknown at first."""

    arrest: YesNo = YesNo.UNKNOWN
    """Whether it was a cardiac arrest."""
    resuscitation: YesNo = YesNo.UNKNOWN
    """Whether the ambulance's crew attempted it."""
    pathogenesis: Pathogenesis = Pathogenesis.UNKNOWN
    witnessed: Witnessed = Witnessed.UNKNOWN
    location: ArrestLocation = ArrestLocation.UNKNOWN
    age_years: int | None = None
    sex: Sex = Sex.UNKNOWN
    bystander_cpr: BystanderCpr = BystanderCpr.UNKNOWN
    dispatcher_cpr: YesNo = YesNo.UNKNOWN
    """Whether the dispatcher instructed the caller."""
    bystander_aed: BystanderAed = BystanderAed.UNKNOWN
    first_rhythm: Rhythm = Rhythm.UNKNOWN
    first_shock_at: datetime | None = None
    """By anybody, as learned later; what the incident's record says is shown beside it."""
    rosc: YesNo = YesNo.UNKNOWN
    """Return of spontaneous circulation, however brief."""
    survived_event: YesNo = YesNo.UNKNOWN
    """Handed over to the hospital with a circulation."""
    survived: YesNo = YesNo.UNKNOWN
    """Discharged alive, or alive after 30 days."""
    cpc: int | None = None
    """Cerebral performance category, 1 (good) to 5 (dead)."""
    mrs: int | None = None
    """Modified Rankin scale, 0 (no symptoms) to 6 (dead)."""


ITEMS: Final = tuple(each.name for each in fields(CoreItems))
IDENTIFYING_ITEMS: Final = ("age_years", "sex")
"""Stored encrypted, and deleted after a while."""
STORED_AS_GIVEN: Final = tuple(each for each in ITEMS if each not in IDENTIFYING_ITEMS)
_OF_AN_ARREST: Final = (
    "resuscitation",
    "pathogenesis",
    "witnessed",
    "first_rhythm",
    "first_shock_at",
    "rosc",
)
"""Items that do not apply if it was no arrest."""
DEAD_CPC: Final = 5
DEAD_MRS: Final = 6


def is_recorded(items: CoreItems, item: str) -> bool:
    return getattr(items, item) not in (None, "unknown")


def changed_items(before: CoreItems, after: CoreItems) -> list[str]:
    """Return the names of the changed items: all that the incident's record may contain."""
    return [each for each in ITEMS if getattr(before, each) != getattr(after, each)]


def is_favourable(items: CoreItems) -> bool | None:
    """True if the patient left with a good neurological outcome: CPC 1 or 2, mRS 0 to 3; None: not known.

    False if they did not survive.
    """
    if items.survived is YesNo.NO:
        return False
    if items.cpc is not None:
        return items.cpc <= 2
    if items.mrs is not None:
        return items.mrs <= 3
    return None


def require_consistent(items: CoreItems) -> None:
    """Require that the items can all be true of one patient. Raises InvalidInput naming every wrong item."""
    wrong = dict(_contradictions(items))
    if wrong:
        invalid = InvalidInput(" ".join(wrong.values()), field=next(iter(wrong)))
        if len(wrong) > 1:
            invalid.errors = [{"field": item, "detail": detail} for item, detail in wrong.items()]
        raise invalid


def _contradictions(items: CoreItems) -> Iterator[tuple[str, str]]:
    """Yield (item, sentence) for each contradiction."""
    if items.arrest is YesNo.NO:
        for item in _OF_AN_ARREST:
            if is_recorded(items, item):
                yield item, f"{item} needs arrest=yes: give it only for a confirmed arrest."
    if items.rosc is YesNo.NO and items.survived_event is YesNo.YES:
        yield "rosc", "rosc must be yes if survived_event is yes."
    if items.survived_event is YesNo.NO and items.survived is YesNo.YES:
        yield "survived_event", "survived_event must be yes if survived is yes."
    is_dead = [
        each for each in (_is_dead(items.cpc, DEAD_CPC), _is_dead(items.mrs, DEAD_MRS)) if each is not None
    ]
    if is_dead and items.survived is not YesNo.UNKNOWN and is_dead[0] is (items.survived is YesNo.YES):
        yield (
            "cpc" if items.cpc is not None else "mrs",
            f"CPC {DEAD_CPC} and mRS {DEAD_MRS} mean dead, all other values alive, which contradicts "
            "survived.",
        )
    if len(set(is_dead)) > 1:
        yield "mrs", "cpc and mrs contradict each other: one means dead, the other alive."


def _is_dead(value: int | None, dead: int) -> bool | None:
    return None if value is None else value == dead


def age_band(age_years: int | None) -> str:
    """Return a band such as "18-34", or "unknown"."""
    if age_years is None:
        return "unknown"
    first, last = next((first, last) for first, last in _BANDS if last is None or age_years <= last)
    return f"{first}+" if last is None else f"{first}-{last}"


_BANDS: Final = ((0, 17), (18, 34), (35, 49), (50, 64), (65, 79), (80, None))
AGE_BANDS: Final = tuple(age_band(first) for first, _ in _BANDS)


class CallCounts(NamedTuple):
    """Counts of people who were asked for one task."""

    asked: int = 0
    seen: int = 0
    accepted: int = 0
    there: int = 0


def sum_call_counts(calls: Iterable[CallCounts]) -> CallCounts:
    """Add up counts."""
    return CallCounts(*(sum(each) for each in zip(*calls, strict=True)))


@dataclass(frozen=True, slots=True)
class RecordedTimes:
    """What an incident's record knows: when things happened, and counts of people. None: not reported."""

    collapsed_at: datetime
    called_at: datetime
    first_there_at: datetime | None = None
    """First arrival of a person who was asked to go direct or to fetch."""
    compressions_at: datetime | None = None
    """When compressions were first known: as reported, or since somebody was there."""
    attached_at: datetime | None = None
    shock_at: datetime | None = None
    ambulance_there_at: datetime | None = None
    calls: Mapping[Task, CallCounts] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def all_calls(self) -> CallCounts:
        return sum_call_counts(self.calls.values())

    def seconds(self, moment: str) -> float | None:
        """Return the seconds from the call until then; 0 if a wrong clock put it before the call."""
        at: datetime | None = getattr(self, moment)
        return None if at is None else max(0.0, (at - self.called_at).total_seconds())


MOMENTS: Final = ("first_there_at", "compressions_at", "attached_at", "shock_at", "ambulance_there_at")
