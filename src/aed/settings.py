"""All settings, with their defaults and the sources of these. Read from environment variables `AED_…`.

Nested values use two underscores: `AED_ARRIVAL__REACTION_SECONDS=30`.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from aed.errors import InvalidInput


def is_checkout() -> bool:
    """True if the program runs from a checkout of its source, and not from an installed package."""
    source = Path(__file__).parents[1]
    return source.name == "src" and (source.parent / "pyproject.toml").is_file()


def state_folder() -> Path:
    """Return the folder of the program's data: database, keys, walking network, messages.

    `.state` in the working directory where the program runs from a checkout, otherwise the user's data folder
    (on Linux $XDG_DATA_HOME/aed, by default ~/.local/share/aed).
    """
    if is_checkout():
        return Path(".state")
    import platformdirs  # not needed in a checkout

    return platformdirs.user_data_path("aed", appauthor=False)


STATE: Final = state_folder()


class LogFormat(StrEnum):
    JSON = "json"
    CONSOLE = "console"


type Probability = Annotated[float, Field(gt=0, le=1)]
type ByHour = tuple[Probability, Probability, Probability, Probability]


class UnknownHours(BaseModel):
    """The probability that a device with unknown hours can be reached, by class of place.

    Four values each: by day (7-18), in the evening (18-22), at night (22-7), and on a day off
    (`aed.registry.devices.reachability`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    staffed: ByHour = Field(
        (0.8, 0.8, 0.8, 0.8), description="At a guard's post, hotel, hospital or police station"
    )
    # Assumption: staff are there, but have to be asked.
    station: ByHour = Field((0.8, 0.8, 0.3, 0.8), description="At a railway or metro station or an airport")
    # Assumption: trains run from about 6 to 23.
    school: ByHour = Field((0.7, 0.2, 0.09, 0.2), description="At a school or a university")
    shop: ByHour = Field((0.8, 0.6, 0.09, 0.7), description="In a shop, shopping centre or restaurant")
    office: ByHour = Field((0.7, 0.33, 0.09, 0.2), description="In an office, bank or factory")
    # By day an assumption. At night the 9 % that are always open (Hansen 2013, Circulation 128:2224).
    estate: ByHour = Field((0.7, 0.7, 0.5, 0.7), description="In an estate, if nothing else is known")
    # Assumption: people live there at all hours, and doors are locked at night.
    unknown: ByHour = Field((0.7, 0.33, 0.09, 0.33), description="At any other place")
    # Hansen 2013: coverage falls by 53 % outside working hours; 9 % are always open. By day an assumption.

    def of(self, place: str) -> ByHour:
        """Return the probabilities for a class of place, by its name."""
        found: ByHour = getattr(self, place)
        return found

    @property
    def best(self) -> float:
        """Return the highest of all probabilities."""
        return max(max(self.of(name)) for name in type(self).model_fields)


class Arrival(BaseModel):
    """Parameters of expected times of arrival (`aed.lookup.arrival`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    reaction_seconds: float = Field(
        30.0,
        ge=0,
        description="Seconds from the call until the responder sets out; included in the speeds below",
    )
    # Assumption: Gramm 2025 and Jonsson 2020 both assume it, and neither reports it.
    responder_metres_per_second: float = Field(
        2.3,
        gt=0,
        description="Speed of a responder on foot, over `speed_over_metres` and including the reaction time",
    )
    # Jonsson 2020, Resuscitation 151:197.
    estate_metres_per_second: float = Field(1.8, gt=0, description="The same for places inside an estate")
    # Same source, over 8,000 people/km2; replaced by the estate's own drills.
    speed_over_metres: float = Field(
        600.0, gt=0, description="Length of the walk for which these speeds hold"
    )
    # The longest distance one way in Gramm 2025, where both sources agree (docs/decide/arrival-times.md).
    slow_start_seconds: float = Field(
        44.0,
        ge=0,
        description="Time for doors, crossings and finding the way on each walk of at least "
        "`slow_start_metres`",
    )
    slow_start_metres: float = Field(
        300.0, gt=0, description="Walks shorter than this take proportionally less of `slow_start_seconds`"
    )
    # Fitted to Gramm 2025: 200/400/600 m there and back took 4.05/6.62/8.62 min.
    open_cabinet_seconds: float = Field(
        30.0, ge=0, description="Time to open the cabinet and take the device"
    )
    # Assumption: 20-40 s; replaced by drills.
    detour_factor: float = Field(
        1.5,
        ge=1,
        description="Walking distance divided by straight-line distance, where there is no walking network",
    )
    # Karlsson 2021; Fan 2020 found 2.4 among podium towers.
    stairs_seconds_per_floor: float = Field(16.0, ge=0, description="Time per floor by the stairs, one way")
    # About 0.2 m/s of climb for storeys of 3 m; replaced by drills.
    lift_wait_seconds: float = Field(45.0, ge=0, description="Time to wait for the lift, get in and get out")
    lift_seconds_per_floor: float = Field(
        2.0, ge=0, description="Time per floor by the lift, used when faster than the stairs"
    )
    # Drennan 2016, CMAJ 188:413: high floors cost about 120 s in all; 40 floors are 125 s here.
    guarded_gate_seconds: float = Field(
        30.0, ge=0, description="Time for an outsider to pass a guarded gate, each time"
    )
    # The guard looks and the barrier opens; replaced by drills.
    closed_gate_seconds: float = Field(180.0, ge=0, description="Time to get a closed gate opened, each time")
    # Calling the guard and waiting for the key, used only if there is no other way; replaced by drills.
    probability_closed_gate: float = Field(
        0.5, gt=0, le=1, description="Probability that a closed gate is opened at all"
    )
    # Unknown: the same as for unknown hours.
    probability_open: float = Field(
        0.98, gt=0, le=1, description="Probability that a device is accessible when its hours say open"
    )
    probability_assisted: float = Field(
        0.9,
        gt=0,
        le=1,
        description="Probability that a device is accessible when a person must let the responder in",
    )
    probability_entry_unknown: float = Field(
        0.85,
        gt=0,
        le=1,
        description="Probability that a device is accessible when its hours say open but access is unknown",
    )
    # Assumption: above all unknown hours, since one of the two possible failures is ruled out.
    probability_unknown: UnknownHours = Field(
        default_factory=UnknownHours,
        description="Probability that a device is accessible when its hours are unknown: day, "
        "evening, night, day off",
    )
    probability_ready_checked: float = Field(
        0.95, gt=0, le=1, description="Probability that a device works if it was checked recently"
    )
    probability_ready: float = Field(
        0.85, gt=0, le=1, description="Probability that a device works if no recent check is known"
    )
    # Audits find about 85 % ready.
    checked_within_days: int = Field(
        35, ge=1, description="Number of days within which a check counts as recent"
    )  # monthly check and grace
    probability_ready_pads_expired: float = Field(
        0.6, gt=0, le=1, description="Probability that a device works if only its pads have expired"
    )  # Unknown: gel dries slowly in a closed bag; Resuscitation Council UK: benefit outweighs risk.
    max_fetch_metres: float = Field(
        400.0, gt=0, description="Maximum distance, one way, that a bystander is sent to fetch a device"
    )  # Gramm 2025: 200 m one way were faster than the ambulance (6.9 min); 400 m took at most 8:37.
    bring_call_seconds: float = Field(
        45.0, ge=0, description="Time to phone the person beside a device, until they set out with it"
    )  # Unknown: a guard answers at once and needs the address; replaced by drills.
    failed_fetch_penalty_seconds: float = Field(
        600.0, ge=0, description="Cost of a fetch that does not bring a device"
    )
    # About the response time of an urban ambulance, which is the next chance.

    @model_validator(mode="after")
    def _known_hours_are_worth_more(self) -> Self:
        if self.probability_entry_unknown < self.probability_unknown.best:
            raise ValueError(
                "probability_entry_unknown must not be lower than any value of probability_unknown"
            )
        return self

    @model_validator(mode="after")
    def _leaves_time_to_walk(self) -> Self:
        start = self.slow_start_seconds * min(1.0, self.speed_over_metres / self.slow_start_metres)
        for name in ("responder_metres_per_second", "estate_metres_per_second"):
            if self.speed_over_metres / getattr(self, name) <= self.reaction_seconds + start:
                raise ValueError(
                    f"{name}: the walk of speed_over_metres must take longer than reaction_seconds "
                    "and slow_start_seconds together"
                )
        return self


class Drills(BaseModel):
    """Parameters of estimating the walking speed on an estate (`aed.lookup.pace`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_drills: int = Field(
        10, ge=5, le=200, description="Number of drills after which an estate's own walking pace is used"
    )
    # The estimate stays the same if two of ten drills are mistimed.
    spread_metres: float = Field(
        100.0,
        gt=0,
        description="Minimum difference between the longest and shortest walk of these drills, one way",
    )
    # Two walks of nearly the same length do not determine the speed.
    max_drills: int = Field(200, ge=5, le=1000, description="Maximum number of drills used, the latest first")
    # Estates change: a new gate, a new path.
    quickest_seconds_per_metre: float = Field(
        0.15, gt=0, description="Fastest plausible pace (0.15 s/m is 6.7 m/s)"
    )
    slowest_seconds_per_metre: float = Field(
        1.5, gt=0, description="Slowest plausible pace (1.5 s/m is 0.7 m/s)"
    )
    # From a good runner to a slow walker; an estimate outside this range measures something else.
    min_pick_up_seconds: float = Field(10.0, ge=0, description="Shortest plausible overhead")
    max_pick_up_seconds: float = Field(600.0, gt=0, description="Longest plausible overhead")

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        if self.quickest_seconds_per_metre > self.slowest_seconds_per_metre:
            raise ValueError("quickest_seconds_per_metre must not exceed slowest_seconds_per_metre")
        if self.min_pick_up_seconds > self.max_pick_up_seconds:
            raise ValueError("min_pick_up_seconds must not exceed max_pick_up_seconds")
        if self.min_drills > self.max_drills:
            raise ValueError("min_drills must not exceed max_drills")
        return self


class OtherBasemap(BaseModel):
    """A base map of another provider, in place of the file of `aed map build`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        "",
        pattern=r"^(https://[^/\s;,'\"]+/[^\s;,'\"]*)?$",
        description="URL of its image tiles, with {z}, {x} and {y}; empty: none. Browsers then ask that host",
    )
    credit: str = Field(
        "", description="Credit shown on the map; in mainland China with the map's approval number (审图号)"
    )
    datum: Literal["wgs84", "gcj02", "bd09"] = Field("wgs84", description="Datum of its tiles")
    max_zoom: int = Field(18, ge=1, le=22, description="Deepest zoom of its tiles")

    @model_validator(mode="after")
    def _check_url(self) -> Self:
        if self.url and not (self.credit and all(each in self.url for each in ("{z}", "{x}", "{y}"))):
            raise ValueError("url needs {z}, {x} and {y}, and a credit")
        return self


class IssuerAccess(BaseModel):
    """How to authenticate to an issuer: by a token, or by a signature (Standard Webhooks, `whsec_…`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: SecretStr | None = Field(None, description="Token, sent as Authorization: Bearer …")
    secret: SecretStr | None = Field(None, description="Secret that signs the requests")

    @model_validator(mode="after")
    def _check_credential(self) -> Self:
        if (self.token is None) == (self.secret is None):
            raise ValueError("each issuer must have either a token or a secret")
        return self


BACK_FROM_PROVIDER: Final = "/v1/sign-in/provider/back"


class SignInProvider(BaseModel):
    """An external OpenID provider (`aed.accounts.identity_provider`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        "", description="URL of the provider (its issuer identifier), such as https://id.example; empty: none"
    )
    client_id: str = Field("", description="Client id of this program at the provider")
    client_secret: SecretStr = Field(SecretStr(""), description="Client secret, if the provider issued one")
    redirect_url: str = Field(
        "",
        description="URL to which the provider sends browsers back, as registered there: "
        "https://…/v1/sign-in/provider/back",
    )
    adds_people: bool = Field(
        False, description="Add people who sign in for the first time, without any role"
    )
    seconds: float = Field(10.0, gt=0, le=60, description="Timeout of requests to the provider")

    @property
    def is_set_up(self) -> bool:
        return bool(self.url)

    @model_validator(mode="after")
    def _check_provider(self) -> Self:
        if len({bool(each) for each in (self.url, self.client_id, self.redirect_url)}) > 1:
            raise ValueError("url, client_id and redirect_url must be given together")
        for name in ("url", "redirect_url"):
            if getattr(self, name) and not is_private_from_others(getattr(self, name)):
                raise ValueError(f"{name} must begin with https:// (http:// only on this machine itself)")
        if self.redirect_url and not self.redirect_url.endswith(BACK_FROM_PROVIDER):
            raise ValueError(f"redirect_url must end with {BACK_FROM_PROVIDER}")
        return self


def is_private_from_others(url: str) -> bool:
    """Return True if nobody on the way can read what is sent to the URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and is_here))


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
        description="Alert people until somebody arrives before the ambulance with this probability",
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


class Reminding(BaseModel):
    """When reminders of what is due are sent (`aed.upkeep.reminders.rules`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days_before: tuple[int, ...] = Field(
        (90, 60, 30, 7, 0),
        min_length=1,
        description="Days before the due date on which reminders are sent, in descending order, "
        "ending with 0",
    )  # common practice; a service from 30 days before, a check from 7
    repeat_days: int = Field(7, ge=1, le=90, description="Interval of further reminders after the due date")
    manager_from_days: int = Field(
        7, description="Days before the due date from which estate managers are reminded too"
    )
    region_from_days: int = Field(
        -7,
        description="Days before the due date from which the region's administrators are reminded "
        "too; negative: overdue",
    )
    from_hour: int = Field(
        8, ge=0, le=23, description="Send no messages before this hour, local time of the device"
    )
    until_hour: int = Field(20, ge=1, le=24, description="Send no messages from this hour on")

    @model_validator(mode="after")
    def _check_days_and_hours(self) -> Reminding:
        days = self.days_before
        if days[-1] != 0 or list(days) != sorted(set(days), reverse=True):
            raise ValueError(
                "days_before must be in descending order without repetition and end with 0, such "
                "as [90, 60, 30, 7, 0]"
            )
        if self.from_hour >= self.until_hour:
            raise ValueError("from_hour must be before until_hour")
        return self


class MailSecurity(StrEnum):
    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class Smtp(BaseModel):
    """The SMTP server for outgoing mail (`aed.notifications.channels.email`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str | None = Field(
        None, description="SMTP server; without one, e-mails are written to the spool folder"
    )
    port: int = Field(587, ge=1, le=65535, description="Port of the SMTP server")
    security: MailSecurity = Field(
        MailSecurity.STARTTLS, description="starttls, tls, or none (only on this machine)"
    )
    user: str | None = Field(None, description="User name at the SMTP server, if it requires one")
    password: SecretStr | None = Field(None, description="Password at the SMTP server")
    sender: str = Field("aed@localhost", description="Sender's address")
    authorities: Path | None = Field(
        None, description="File of certificates (PEM) to trust instead of the system's"
    )


class Mqtt(BaseModel):
    """The broker from which `aed signals mqtt` receives signals of devices (`aed.upkeep.signals.bridge`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        "",
        pattern=r"^(mqtts?://([a-zA-Z0-9.-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?)?$",
        description="The broker: mqtts://HOST:8883 with TLS, or mqtt://HOST:1883 on this machine itself; "
        "empty: none. Needs the extra `aed[mqtt]`",
    )
    user: str | None = Field(None, max_length=200, description="User name at the broker, if it requires one")
    password: SecretStr | None = Field(None, description="Password at the broker")
    authorities: Path | None = Field(
        None, description="File of certificates (PEM) to trust instead of the system's"
    )
    certificate: Path | None = Field(
        None, description="File of the client's certificate (PEM), if the broker requires one"
    )
    certificate_key: Path | None = Field(
        None, description="File of the private key of that certificate (PEM)"
    )
    client_id: str = Field(
        "aed-signals",
        pattern="^[A-Za-z0-9_.-]{1,64}$",
        description="Name of the session that the broker keeps; one running bridge for each name",
    )
    keep_alive_seconds: int = Field(
        30, ge=5, le=3600, description="Silence after which the broker and the bridge ask each other for life"
    )
    max_reconnect_seconds: float = Field(
        60.0, gt=0, le=3600, description="Longest pause between attempts to reach the broker again"
    )
    silent_after_minutes: int = Field(
        60,
        ge=1,
        le=10_080,
        description="Minutes without any message after which administrators see a warning",
    )

    @model_validator(mode="after")
    def _check_broker(self) -> Self:
        if (self.certificate is None) != (self.certificate_key is None):
            raise ValueError("certificate and certificate_key must be given together")
        if self.password is not None and self.user is None:
            raise ValueError("a password needs a user")
        parts = urlsplit(self.url)
        if parts.scheme == "mqtt" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("url must begin with mqtts:// (mqtt:// only on this machine itself)")
        if parts.scheme == "mqtt" and self.certificate is not None:
            raise ValueError("a certificate needs mqtts://")
        return self


class GatewayForm(StrEnum):
    JSON = "json"
    FORM = "form"


class Sms(BaseModel):
    """The gateway of SMS and voice calls (`aed.notifications.channels.gateway`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: SecretStr | None = Field(
        None,
        description="URL to which text messages are posted; without one, they are written to the "
        "spool folder",
    )
    secret: SecretStr | None = Field(
        None, description="Secret (whsec_…) that signs the requests, as for webhooks"
    )
    form: GatewayForm = Field(GatewayForm.JSON, description="Encoding of the requests: json or form")
    names: dict[str, str] = Field(
        default_factory=dict,
        description="JSON: the gateway's names of the fields id, to, text, language and channel",
    )
    fixed: dict[str, str] = Field(default_factory=dict, description="JSON: further fields of every request")
    headers: dict[str, SecretStr] = Field(
        default_factory=dict, description="JSON: further headers of every request, such as Authorization"
    )


class WebPush(BaseModel):
    """The VAPID identity for browsers' push services (`aed.notifications.channels.web_push`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    private_key: SecretStr | None = Field(
        None, description="Key made by `aed endpoints push-key`; without it, push messages are off"
    )
    contact: str = Field(
        "mailto:aed@localhost",
        pattern="^(mailto:|https://)",
        description="URL or mailto: address at which a push service can reach the operator",
    )


class WechatTemplate(BaseModel):
    """A subscribe message template 订阅消息模板 of the mini program."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=64, description="Template id from WeChat's console")
    fields: dict[str, str] = Field(
        min_length=1,
        description="What each keyword of the template shows: subject, text or time of a message, or else "
        "these words themselves",
    )


type MessageTopicName = Literal["call", "device", "training", "other"]


class Wechat(BaseModel):
    """The WeChat mini program of this network (`aed.platforms.wechat`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app_id: str = Field("", description="AppID of the mini program, such as wx0123456789abcdef; empty: none")
    app_secret: SecretStr = Field(SecretStr(""), description="AppSecret of the mini program")
    url: str = Field("https://api.weixin.qq.com", description="Base address of WeChat's interface")
    templates: dict[MessageTopicName, WechatTemplate] = Field(
        default_factory=dict,
        description="JSON: the subscribe message template for each topic (call, device, training, other), "
        'such as {"device": {"id": "…", "fields": {"thing1": "subject", "thing2": "text", '
        '"time3": "time"}}}',
    )
    page: str = Field(
        "pages/index/index", description="Page of the mini program that opens from a subscribe message"
    )
    version: Literal["formal", "trial", "developer"] = Field(
        "formal", description="Version of the mini program that opens"
    )
    seconds: float = Field(
        0.8, gt=0, le=30, description="Time limit of a sign-in, with all requests to WeChat"
    )  # the page of a mini program waits for it

    @property
    def is_set_up(self) -> bool:
        return bool(self.app_id)

    @model_validator(mode="after")
    def _check_app(self) -> Self:
        if bool(self.app_id) != bool(self.app_secret.get_secret_value()):
            raise ValueError("app_id and app_secret must be given together")
        if not is_private_from_others(self.url):
            raise ValueError("url must begin with https:// (http:// only on this machine itself)")
        return self


class Wecom(BaseModel):
    """An app of an organisation in WeCom (`aed.platforms.wecom`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    corp_id: str = Field("", description="Id of the organisation (CorpID); empty: none")
    agent_id: int = Field(0, ge=0, description="AgentId of the app")
    secret: SecretStr = Field(SecretStr(""), description="Secret of the app")
    url: str = Field("https://qyapi.weixin.qq.com", description="Base address of WeCom's interface")
    consent_url: str = Field(
        "https://open.weixin.qq.com/connect/oauth2/authorize",
        description="Page that asks for consent in WeCom's own browser",
    )
    qr_url: str = Field(
        "https://login.work.weixin.qq.com/wwlogin/sso/login",
        description="Page that shows a QR code in other browsers",
    )
    seconds: float = Field(3.0, gt=0, le=30, description="Time limit of all requests for one sign-in")

    @property
    def is_set_up(self) -> bool:
        return bool(self.corp_id)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = (self.corp_id, self.agent_id, self.secret.get_secret_value())
        if len({bool(each) for each in given}) > 1:
            raise ValueError("corp_id, agent_id and secret must be given together")
        if not all(is_private_from_others(each) for each in (self.url, self.consent_url, self.qr_url)):
            raise ValueError("URLs must begin with https:// (http:// only on this machine itself)")
        return self


class Dingtalk(BaseModel):
    """An app of an organisation in DingTalk (`aed.platforms.dingtalk`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_id: str = Field("", description="Client ID of the app (AppKey); empty: none")
    client_secret: SecretStr = Field(SecretStr(""), description="Client Secret of the app (AppSecret)")
    agent_id: int = Field(0, ge=0, description="AgentId of the app")
    url: str = Field("https://oapi.dingtalk.com", description="Base address of DingTalk's first interface")
    api_url: str = Field("https://api.dingtalk.com", description="Base address of its newer interface")
    consent_url: str = Field(
        "https://login.dingtalk.com/oauth2/auth", description="Page that asks for consent"
    )
    seconds: float = Field(3.0, gt=0, le=30, description="Time limit of all requests for one sign-in")

    @property
    def is_set_up(self) -> bool:
        return bool(self.client_id)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = (self.client_id, self.agent_id, self.client_secret.get_secret_value())
        if len({bool(each) for each in given}) > 1:
            raise ValueError("client_id, client_secret and agent_id must be given together")
        if not all(is_private_from_others(each) for each in (self.url, self.api_url, self.consent_url)):
            raise ValueError("URLs must begin with https:// (http:// only on this machine itself)")
        return self


class TrustSettings(BaseModel):
    """How fast trust in confirmed data decays (`aed.registry.rules.trust`), and whom to ask again."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    readiness_half_life_days: float = Field(
        35.0,
        gt=0,
        description="Days after which confidence in a device's readiness, from a check, has halved",
    )
    # A monthly check and its grace period: missing one halves the trust.
    position_half_life_days: float = Field(
        730.0, gt=0, description="Days after which confidence in a device's position has halved"
    )
    hours_half_life_days: float = Field(
        365.0, gt=0, description="Days after which confidence in a device's hours and access has halved"
    )
    # Unknown: cabinets move with a refurbishment, hours with a lease; replaced by the answers to tasks.
    ask_below: float = Field(
        0.5, ge=0, le=1, description="Confidence below which a person nearby is asked to confirm"
    )
    ask_within_metres: float = Field(
        500.0, gt=0, description="Maximum distance between the device and a place of the person who is asked"
    )
    ask_every_days: int = Field(
        14, ge=1, description="Minimum number of days between two requests to the same person"
    )
    ask_lapses_days: int = Field(
        7, ge=1, description="Days after which an unanswered request lapses and another person is asked"
    )
    ask_at_once: int = Field(200, ge=0, description="Maximum number of requests sent in one run; 0: none")


class Returns(BaseModel):
    """When to ask whether a device that was fetched is back (`aed.upkeep.rules`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ask_after_minutes: int = Field(
        15,
        ge=1,
        description="Minutes after the end of the call until the responder is asked whether the "
        "device is back",
    )  # people are home again and still remember; the page of the alert has a button for it too
    ask_again_minutes: int = Field(
        45, ge=1, description="Minutes between repeated questions while there is no answer"
    )
    quarantine_after_minutes: int = Field(
        120,
        ge=1,
        description="Minutes without an answer after which the device is quarantined as not returned",
    )  # until somebody answers, its place is unknown and it is not offered


class Settings(BaseSettings):
    """The settings of the process."""

    model_config = SettingsConfigDict(
        env_prefix="AED_", env_nested_delimiter="__", frozen=True, extra="ignore", allow_inf_nan=False
    )

    database_url: str = Field(
        f"sqlite:///{STATE}/aed.sqlite",
        description="Database URL: sqlite:///FILE, or postgresql+psycopg://… with PostGIS",
    )
    database_read_url: str | None = Field(
        None,
        description="URL of the standbys of PostgreSQL that answer lookups and exports; default: the primary "
        "answers everything",
    )
    max_replication_lag_seconds: float = Field(
        5.0, ge=3, description="Age of a standby's data from which the primary answers in its place"
    )
    encryption_keys: SecretStr | None = Field(
        None, description="Keys that encrypt personal data, newest first; `aed keys new` makes one"
    )
    encryption_key_file: Path | None = Field(
        None,
        description="File that contains these keys; default: next to a SQLite database, ending in `.keys`",
    )
    walking_network: Path = Field(STATE / "walking.npz", description="The file made by `aed walking build`")
    basemap: Path = Field(STATE / "basemap.pmtiles", description="The file made by `aed map build`")
    other_basemap: OtherBasemap = Field(default_factory=OtherBasemap)
    embed_origins: tuple[str, ...] = Field(
        (),
        description="JSON: origins whose pages may show the map `/embed` in a frame, such as "
        '["https://partner.example"], or ["*"]',
    )
    backups: Path = Field(STATE / "backups", description="The folder for backups")
    host: str = Field("127.0.0.1", description="Address on which `aed serve` listens")
    port: int = Field(8000, ge=0, le=65535, description="Port on which `aed serve` listens")
    processes: int = Field(1, ge=1, le=64, description="Number of processes in which `aed serve` answers")
    shared_folder: Path | None = Field(
        None,
        description="Folder in which the processes of one machine count together, such as /run/aed; "
        "with AED_PROCESSES `aed serve` makes its own",
    )
    threads: int = Field(8, ge=1, le=64, description="Number of requests that a process works on at once")
    # Measured: 40 threads give a p99 of 57-147 ms, 8 give 11-14 ms at the same throughput.
    log_format: LogFormat = Field(LogFormat.CONSOLE, description="json for machines, console for people")
    log_level: str = Field(
        "info", pattern="^(debug|info|warning|error)$", description="Lowest level that is logged"
    )
    access_log: bool = Field(True, description="Log each request, at level info")
    traces_url: str = Field(
        "",
        pattern="^(https?://[^/]+.*)?$",
        description="URL to which traces are sent by OTLP over HTTP, such as "
        "http://127.0.0.1:4318/v1/traces; empty: none. Needs the extra `aed[otel]`",
    )
    emergency_number_mainland_china: str = Field(
        "120", description="Emergency number shown in mainland China, if the region has no other"
    )
    emergency_number_elsewhere: str = Field(
        "112",
        description="Emergency number shown elsewhere, if the region has no other; 112 works from "
        "any GSM phone",
    )
    search_radius_metres: float = Field(
        50_000.0, gt=0, description="Maximum distance of a device in an answer"
    )
    walking_reach_metres: float = Field(
        5_000.0, gt=0, description="Walks longer than this are estimated from the straight line"
    )
    responder_radius_metres: float = Field(
        1_500.0, gt=0, description="Maximum distance of responders in an answer"
    )  # at most 1,500 m in Ringh 2015, Zijlstra 2014 and HartslagNu
    responder_cell_resolution: int = Field(
        9, ge=5, le=10, description="H3 resolution at which dispatchers see responders (9: about 0.1 km2)"
    )
    live_places_url: str = Field(
        "",
        pattern="^((redis|rediss)://[^/]+)?$",
        description="A node of the Redis or Valkey Cluster that stores the locations of phones on "
        "duty: redis://HOST:PORT; empty: the database stores them. Needs the extra "
        "`aed[cluster]`",
    )
    responder_seconds_step: int = Field(
        30,
        ge=1,
        description="Arrival times of responders, from the centre of their cell, are rounded up to a "
        "multiple of this",
    )
    responder_lookups_per_hour: int = Field(
        240,
        ge=1,
        description="Maximum number of lookups per hour that show responders, per token or person "
        "and process",
    )  # a city of ten million has about one suspected cardiac arrest in ten minutes
    gap_walk_seconds: float = Field(
        180.0,
        gt=0,
        le=900,
        description="Walking time within which people count for a building in the gap table",
    )
    gap_target: int = Field(
        3,
        ge=1,
        le=50,
        description="Number of people who should be able to come to a building; fewer are a gap",
    )  # Haskins 2021: 27 % of those alerted arrive; of three, at least one in 61 % of cases
    body_limit_bytes: int = Field(
        64_000, gt=0, description="Maximum size of a request body, with the exceptions below"
    )
    # The largest body of a single object, a checked device with replaced parts, is under 10 kB.
    list_limit_bytes: int = Field(
        1_000_000,
        gt=0,
        description="Maximum size of a list in a request body: rosters, attendance, boundaries, CAP",
    )  # a roster of 1,000 rows is 0.5 MB
    body_seconds: float = Field(
        15.0, gt=0, description="Time limit for receiving a request body"
    )  # 1 MB at 0.5 Mbit/s
    file_seconds: float = Field(
        600.0, gt=0, description="Time limit for receiving a list as a file (`/v1/lint`, `/v1/imports/…`)"
    )  # 200 MB at 2.7 Mbit/s
    photo_seconds: float = Field(90.0, gt=0, description="Time limit for receiving a photo")
    # 5 MB, a photo of a phone, at 0.5 Mbit/s
    header_seconds: float = Field(
        10.0,
        gt=0,
        description="Time limit for receiving a request's headers; the connection is closed after it",
    )
    reading_seconds: float = Field(
        60.0, gt=0, description="Time after which a client that does not read its response is disconnected"
    )  # the same as nginx's send_timeout
    connections: int = Field(
        800, ge=10, description="Maximum number of connections; beyond it, the most delayed ones are closed"
    )  # Linux gives a process 1,024 files by default; the database and streams need some
    cors_origins: tuple[str, ...] = Field(
        (),
        description="JSON: origins whose pages may read public data, such as "
        '["https://map.example"], or ["*"]',
    )
    app_origins: tuple[Annotated[str, Field(pattern="^https?://[^/*]+$")], ...] = Field(
        (),
        description="JSON: origins of apps in browsers that may call every route with a bearer token, such "
        'as ["https://app.example"]; cookies are never sent across sites',
    )
    lint_limit_bytes: int = Field(10_000_000, gt=0, description="Maximum size of a list sent to `/v1/lint`")
    import_limit_bytes: int = Field(
        200_000_000, gt=0, description="Maximum size of a list sent to `/v1/imports/…`"
    )
    photo_limit_bytes: int = Field(
        15_000_000, gt=0, description="Maximum size of a photo sent to `/v1/photos`"
    )
    run_jobs: bool | None = Field(
        None, description="Run scheduled jobs in `aed serve`; default: only with SQLite"
    )
    feed_limit_bytes: int = Field(
        200_000_000, gt=0, description="Maximum size of a feed's file, both as transferred and unpacked"
    )
    feed_seconds: float = Field(300.0, gt=0, le=1200, description="Time limit for fetching a feed")
    feed_allow_private: bool = Field(
        False, description="Allow feeds from this machine and from private networks"
    )
    same_device_score: float = Field(
        0.9, ge=0, le=1, description="Score from which a device of another list is merged with a known one"
    )
    maybe_same_score: float = Field(
        0.6, ge=0, le=1, description="Score from which a person decides whether the two devices are the same"
    )
    shrink_share: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Share of missing devices above which a list waits for a person's decision",
    )
    phone_country: str = Field(
        "CN", pattern="^[A-Z]{2}$", description="Country of phone numbers without a country code"
    )
    sign_up_codes_per_day: int = Field(
        1000,
        ge=0,
        description="Maximum number of codes in a day for people who sign up, to numbers of `phone_country`; "
        "0: nobody can sign up",
    )
    sign_in_hours: int = Field(
        168, ge=1, le=2160, description="Hours after which a browser must sign in again"
    )  # a week, for a caretaker's phone
    sign_in_idle_hours: int = Field(
        72, ge=1, le=2160, description="Hours without use after which a browser must sign in again"
    )  # a long weekend; a phone on duty is used whenever it reports its location
    token_days: int = Field(
        365,
        ge=1,
        le=3650,
        description="Days until a token expires, unless `aed tokens create` says otherwise",
    )
    lead_word: str = Field(
        "里长",
        min_length=1,
        max_length=20,
        description="What neighbourhood leads are called in Chinese, such as 里长, 楼组长 or 楼长",
    )
    security_event_keep_days: int = Field(
        180, ge=1, description="Days after which sign-ins and other security events are deleted"
    )  # China's Cybersecurity Law, article 21: network logs are kept for at least six months
    outbox_spool: Path = Field(
        STATE / "outbox", description="Folder to which messages are written, including sign-in codes"
    )
    outbox_keep_days: int = Field(
        90, ge=1, description="Days after which sent and failed messages are deleted"
    )
    notify_allow_private: bool = Field(
        False, description="Allow bots and webhooks on this machine and in private networks, also over http"
    )
    smtp: Smtp = Field(default_factory=Smtp, description="E-mail")
    sms: Sms = Field(default_factory=Sms, description="Text messages and voice calls")
    web_push: WebPush = Field(default_factory=WebPush, description="Push messages to browsers")
    mqtt: Mqtt = Field(default_factory=Mqtt, description="The broker of devices that send over MQTT")
    wechat: Wechat = Field(default_factory=Wechat, description="The mini program in WeChat")
    wecom: Wecom = Field(default_factory=Wecom, description="An app in WeCom")
    dingtalk: Dingtalk = Field(default_factory=Dingtalk, description="An app in DingTalk")
    worker_lease_seconds: int = Field(
        11, ge=2, le=45, description="Seconds of silence after which another worker takes over"
    )  # a dead worker is replaced within 15 s: the lease, and a quarter of it until the next attempt
    job_runs_keep_days: int = Field(
        30, ge=1, description="Days after which runs of jobs are deleted, except the last run of each job"
    )
    public_url: str | None = Field(
        None,
        pattern="^https?://[^/?#]+(/[^?#]*[^/?#])?$",
        description="Public URL of this network, for printed codes and links; default: the request's own",
    )  # such as https://aed.example.org; it is printed in QR codes for years
    demo_from_anywhere: bool = Field(
        False,
        description="Let everyone who reaches the service sign in on `/demo` as the invented people of a "
        "demo database; without it, only browsers on this machine itself may",
    )  # these people hold roles: nobody may sign in as them once the database serves real people
    signing_keys: Path = Field(
        STATE / "signing-keys.json",
        description="File of the keys that sign certificates, created when needed; back it up: "
        "printed codes depend on it",
    )
    signing_key_set: SecretStr | None = Field(
        None, description="The contents of that file (a JWK set), instead of the file"
    )
    issuer_access: dict[str, IssuerAccess] = Field(
        {},
        description='JSON: credentials for asking issuers, by code: {"code": {"token": "…"}} or '
        '{"code": {"secret": "…"}}',
    )
    issuer_seconds: float = Field(15.0, gt=0, le=120, description="Timeout of requests to issuers")
    sign_in_provider: SignInProvider = Field(
        default_factory=SignInProvider, description="Sign-in through the operator's own identity provider"
    )
    answer_seconds: float = Field(
        4.5,
        gt=0,
        description="Time until a request is answered 503 instead of waiting longer for PostgreSQL",
    )
    statement_timeout_ms: int = Field(5_000, gt=0, description="Time limit of a PostgreSQL statement")
    lock_timeout_ms: int = Field(
        4_000, gt=0, description="Time limit of waiting for a lock, also SQLite's busy timeout"
    )
    arrival: Arrival = Field(default_factory=Arrival, description="Parameters of expected arrival times")
    support_contact: str | None = Field(
        None,
        max_length=200,
        description="Name and number of a person to talk to after a call, shown to responders",
    )
    patient_keep_days: int = Field(
        730, ge=1, description="Days after the call until the patient's age and sex are deleted"
    )  # the year of the alert, and the following year, in which it is reported
    live_seconds: float = Field(
        600.0,
        ge=0,
        le=3_600,
        description="Seconds after which a stream of an incident's events ends and the client reconnects",
    )  # streams of viewers who lost permission end then
    planning: Planning = Field(default_factory=Planning, description="Whom to alert, and how many")
    arrests: ArrestRates = Field(
        default_factory=ArrestRates, description="How many arrests to expect, low to high"
    )
    survival: Survival = Field(
        default_factory=Survival,
        description="The effect of delay on survival, for comparing plans; never a prognosis",
    )
    reminding: Reminding = Field(default_factory=Reminding, description="When reminders are sent")
    drills: Drills = Field(default_factory=Drills, description="An estate's own pace, from timed drills")
    trust: TrustSettings = Field(
        default_factory=TrustSettings, description="How fast confidence in confirmed data decreases"
    )
    returns: Returns = Field(
        default_factory=Returns, description="Follow-up of devices that people were sent for"
    )


def load_settings() -> Settings:
    """Load the settings from the environment. Raises InvalidInput, which names every invalid value."""
    try:
        return Settings()
    except SettingsError as error:
        name = "AED_" + str(error).partition('"')[2].partition('"')[0].upper()
        raise InvalidInput(
            "{name}: must be JSON, or its parts must be given as {name}__….", field=name, name=name
        ) from None
    except ValidationError as error:
        wrong = [
            ("AED_" + "__".join(str(part).upper() for part in each["loc"]), each) for each in error.errors()
        ]
        invalid = InvalidInput(" ".join(f"{name}: {each['msg']}." for name, each in wrong), field=wrong[0][0])
        invalid.errors = [{"field": name, "detail": f"{each['msg']}."} for name, each in wrong]
        raise invalid from None
