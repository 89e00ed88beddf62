"""Parameters of whom to alert, of survival, and of arrests to expect."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def _ascending(given: tuple[float, float, float]) -> tuple[float, float, float]:
    low, middle, high = given
    if not low <= middle <= high:
        raise ValueError("the lowest value comes first, then the middle one, then the highest")
    return given


class Survival(BaseModel):
    """The effect of delay on survival, for comparing plans (`aed.incidents.plan.rules.survival`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    at_once: float = Field(
        67.0,
        gt=0,
        le=100,
        description="Survival in per cent if compressions, shock and ambulance come at once",
    )
    per_minute_to_cpr: float = Field(
        2.3, ge=0, description="Percentage points lost for each minute until compressions"
    )
    per_minute_to_shock: float = Field(
        1.1, ge=0, description="Percentage points lost for each minute until the first shock"
    )
    per_minute_to_acls: float = Field(
        2.1, ge=0, description="Percentage points lost for each minute until the ambulance"
    )
    # Larsen 1993: 67 - 2.3 t_CPR - 1.1 t_shock - 2.1 t_ACLS.
    pads_seconds: float = Field(90.0, ge=0, description="Time from the device's arrival to the first shock")
    # Bochum: 96 s (PMC2902410).


type Interval = Annotated[
    tuple[
        Annotated[float, Field(ge=0)],
        Annotated[float, Field(ge=0)],
        Annotated[float, Field(ge=0)],
    ],
    AfterValidator(_ascending),
]
"""Lowest, middle and highest value."""


class ArrestRates(BaseModel):
    """How many arrests to expect, for previews and placement (`aed.planning.arrests`).

    Each is JSON: the lowest, the middle and the highest value. None is of your city: replace them by the
    figures of your emergency centre.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    per_100_000: Interval = Field(
        (28.3, 95.7, 240.0), description="Arrests a year among 100,000 people, outside hospitals"
    )
    # Low: Berdowski 2010, Resuscitation 81:1479, abstract (treated by ambulance crews, studies of Asia).
    # Middle: Zheng 2023, Lancet Public Health 8:e923 (BASIC-OHCA, China, assessed by ambulance crews). To be
    # checked: the figure was not seen again in the paper. High: Virginia Beach, the city's own list (2,706
    # from January 2017 to June 2019, among about 450,000 people; doi 10.5281/zenodo.4079985).
    at_home: Interval = Field(
        (0.66, 0.77, 0.82), description="Share of arrests that happen where people live"
    )
    # Low: SOS-KANTO 2012, doi 10.1186/s13054-016-1323-4, table 1 (66.0 % by day, 76 % at other hours).
    # Middle: Xie 2023, Circ Cardiovasc Qual Outcomes 16:e008856, abstract (BASIC-OHCA, 76.85 % of those
    # treated). High: Weisfeldt 2011, NEJM 364:313, abstract (9,564 at home, 2,042 in public).
    witnessed_and_shockable: Interval = Field(
        (0.054, 0.118, 0.18),
        description="Share of arrests that a bystander sees and a shock can help, to which the formulas of "
        "survival apply",
    )
    # Low: Xie 2023, abstract (5.43 % were shockable when the ambulance came, seen or not). Middle: 33.7 %
    # seen by a bystander (Hostler 2010, Resuscitation 81:826, abstract) x 35 % of those shockable at home
    # (Weisfeldt 2011, abstract). High: 50 % seen (SOS-KANTO 2012, table 1: 46-52 %) x 36 % shockable where a
    # bystander applied an AED at home (Weisfeldt 2011).
    fetched: Interval = Field(
        (0.054, 0.208, 0.42),
        description="Share of arrests for which a device in reach is really fetched",
    )
    # Low: Smith 2022, Eur Heart J Acute Cardiovasc Care 11:20, abstract (a responder accepted in 5.4 % of
    # arrests in the East Midlands, in 1.3 % in London). Middle: Andelius 2020, JACC 76:43, with its editorial
    # (PMC7324100): responders applied an AED in 91 of 438 arrests. High: the same, a responder was there
    # before the ambulance in 42.0 %.
    confirmed: float = Field(
        0.535,
        gt=0,
        le=1,
        description="Share of suspected arrests that are arrests; devices are fetched to all",
    )
    # Andelius 2020, abstract (438 of 819).


class Planning(BaseModel):
    """Parameters of choosing whom to alert, and how many (`aed.incidents.plan.rules.planner`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    probability_seen: float = Field(
        0.76, gt=0, le=1, description="Share of those alerted who see the alert in time"
    )
    probability_accepted: float = Field(0.38, gt=0, le=1, description="Share of those alerted who accept")
    probability_there: float = Field(0.27, gt=0, le=1, description="Share of those alerted who arrive")
    # Haskins 2021: alerted -> seen -> accepted -> arrived 76 % -> 38 % -> 27 %.
    show_up_prior_people: float = Field(
        25.0,
        gt=0,
        description="Weight of the shares above, in alerted people, against a region's own real incidents",
    )
    # Studies range from 17 to 47 % (Khalemsky 2023): a beta prior of that width weighs about 25 people.
    show_up_days: int = Field(
        730, ge=1, description="Days of real incidents from which a region's own shares are estimated"
    )
    # Two years cover each season twice, and residents seldom stay much longer.
    promise_probability: float = Field(
        0.9,
        ge=0,
        lt=1,
        description="Alert people until one of them arrives before the ambulance with this probability",
    )
    # A choice: nine of ten patients get help. Eight people at 27 % achieve it.
    promise_seconds: float = Field(
        360.0, gt=0, description="Aim for an arrival within this time, where enough people are near"
    )
    # Larsen 1993: without compressions, survival falls by 5.5 percentage points a minute.
    min_gain_percent: float = Field(
        0.02,
        ge=0,
        description="Beyond the target, alert nobody who adds less than this to survival, in "
        "percentage points",
    )
    # From `aed simulate` on Liechtenstein: docs/decide/simulation.md.
    min_direct: int = Field(
        3,
        ge=0,
        description="Minimum number sent directly to the patient when nobody gives compressions, if "
        "available",
    )
    # HartslagNu sends two people to the patient for each who fetches a device; two take turns at
    # compressions.
    max_alerts_per_wave: int = Field(
        30, ge=1, le=100, description="Maximum number of people alerted in one wave"
    )
    # At a show-up rate of 10 %, the target takes 22 people.
    ambulance_spread: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Uncertainty of the ambulance's expected time: standard deviation of its logarithm",
    )
    # Unknown. At 0.2, one in six arrives more than 22 % later than expected; at 0, all arrive as expected.
    wave_seconds: int = Field(45, ge=5, description="Seconds between two waves")
    answers_after_seconds: float = Field(
        30.0, gt=0, description="Average time after which a person who will come answers and sets out"
    )
    # Unknown before the first drills: most people who answer an app's alert do so within a minute.
    ambulance_seconds: float = Field(
        600.0, gt=0, description="Expected time of the ambulance, if the dispatch centre does not give one"
    )
    # Urban response times in China are 8-15 minutes; replaced by the dispatch centre's own estimate.
    ambulance_seconds_by_region: dict[str, float] = Field(
        default_factory=dict,
        description='JSON: the expected time of the ambulance by region code, such as {"CN-33": 540}',
    )
    overdue_ambulance_seconds: float = Field(
        180.0, gt=0, description="Remaining time assumed for an ambulance that is late"
    )
    overdue_seconds: float = Field(
        900.0, ge=0, description="Time after which a late ambulance is assumed to have arrived"
    )
    # Assumptions: estimates are off by minutes; an ambulance that nobody reports arrives within 15 minutes.
    guide_seconds: float = Field(
        90.0, ge=0, description="Time until a person who accepted to guide is at the gate to open it"
    )
    # From a flat down to the gate of an estate; unknown before the first drills.
    lift_held_seconds: float = Field(
        30.0, ge=0, description="Time saved by a lift that is held, out of the time above `high_floor`"
    )
    # The wait for the lift; unknown before the first drills.
    people: int = Field(40, ge=1, le=500, description="Number of nearest people considered")
    devices: int = Field(12, ge=0, le=100, description="Number of nearest devices considered")
    asked_elsewhere_seconds: float = Field(
        180.0, ge=0, description="Time during which a person alerted to one patient is not alerted to another"
    )
    # Most people who answer an app's alert do so within a minute (Haskins 2021); after three, silence means
    # no.
    call_age_unknown: bool = Field(True, description="Alert people who are not known to be 18 or older")
    # First aid certificates are given to adults almost everywhere. Without this default, nobody would be
    # alerted after an upgrade until they had declared their age. Nobody who declares to be younger is alerted
    # in any case.
    test_minutes: float = Field(10.0, gt=0, le=1_440, description="Minutes after which a test is closed")
    # Test alerts are read within minutes.
    exercise_minutes: float = Field(
        120.0, gt=0, le=1_440, description="Minutes after which an exercise is closed"
    )
    # The longest drills of an estate take about two hours, with debriefing.
    lapse_hours: float = Field(
        4.0,
        gt=0,
        le=48,
        description="Hours after the ambulance's expected arrival until a real incident is closed as lapsed",
    )
    # Resuscitation on scene ends within about an hour; nobody is still on the way after four hours.
    remind_after_seconds: float = Field(
        300.0,
        ge=0,
        description="Seconds after the ambulance's expected arrival until the dispatcher is reminded",
    )
    # The handover takes some minutes; an earlier reminder would interrupt it.
    open_per_person: int = Field(
        2,
        ge=1,
        description="Maximum number of open incidents of each kind per reporter who is not a dispatcher",
    )
    # A second patient near the first is possible; a third report by the same person should be an emergency
    # call.
    open_per_estate: int = Field(
        5, ge=1, description="Maximum number of open incidents per estate that no dispatcher has confirmed"
    )
    # Estates have 1,000-3,000 households: about one cardiac arrest a year, so five at once suggest misuse.
    same_patient_metres: float = Field(
        100.0, ge=0, description="Two reports within this distance are of the same patient"
    )
    same_patient_minutes: float = Field(
        30.0, ge=0, description="if they are also within this time of each other"
    )

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if not self.probability_seen >= self.probability_accepted >= self.probability_there:
            raise ValueError(
                "probability_seen, probability_accepted and probability_there fall in this order"
            )
        return self
