"""All settings, with their defaults and the sources of these. Read from environment variables `AED_…`.

Nested values use two underscores: `AED_ARRIVAL__REACTION_SECONDS=30`.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
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

    staffed: ByHour = Field((0.8, 0.8, 0.8, 0.8), description="At a guard's post, hotel, hospital, police")
    # Assumption: staff are there, but have to be asked.
    station: ByHour = Field((0.8, 0.8, 0.3, 0.8), description="At a station or an airport")
    # Assumption: trains run from about 6 to 23.
    school: ByHour = Field((0.7, 0.2, 0.09, 0.2), description="At a school or a university")
    shop: ByHour = Field((0.8, 0.6, 0.09, 0.7), description="In a shop, a mall, a restaurant")
    office: ByHour = Field((0.7, 0.33, 0.09, 0.2), description="In an office, a bank, a factory")
    # By day an assumption. At night the 9 % that are always open (Hansen 2013, Circulation 128:2224).
    estate: ByHour = Field((0.7, 0.7, 0.5, 0.7), description="In an estate, nothing else being known")
    # Assumption: people live there at all hours, and doors are locked at night.
    unknown: ByHour = Field((0.7, 0.33, 0.09, 0.33), description="Anywhere else")
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
        30.0, ge=0, description="From receipt of the call to being on the way, as part of the speeds below"
    )
    # Assumption: Gramm 2025 and Jonsson 2020 both assume it, and neither reports it.
    responder_metres_per_second: float = Field(
        2.3, gt=0, description="From receipt of the call to the patient, on foot over `speed_over_metres`"
    )
    # Jonsson 2020, Resuscitation 151:197.
    estate_metres_per_second: float = Field(1.8, gt=0, description="The same to a place in an estate")
    # Same source, over 8,000 people/km2; replaced by the estate's own drills.
    speed_over_metres: float = Field(600.0, gt=0, description="The walk over which those speeds hold")
    # The longest distance one way in Gramm 2025, where both sources agree (docs/decide/arrival-times.md).
    slow_start_seconds: float = Field(
        44.0, ge=0, description="Doors, crossings and finding the way, on each walk: in full from"
    )
    slow_start_metres: float = Field(300.0, gt=0, description="this distance on, and less before it")
    # Fitted to Gramm 2025: 200/400/600 m there and back took 4.05/6.62/8.62 min.
    open_cabinet_seconds: float = Field(30.0, ge=0, description="Opening the cabinet, taking the device")
    # Assumption: 20-40 s; replaced by drills.
    detour_factor: float = Field(1.5, ge=1, description="Walk over straight line where no network is known")
    # Karlsson 2021; Fan 2020 found 2.4 among podium towers.
    stairs_seconds_per_floor: float = Field(16.0, ge=0, description="One floor by the stairs, one way")
    # About 0.2 m/s of climb for storeys of 3 m; replaced by drills.
    lift_wait_seconds: float = Field(45.0, ge=0, description="Waiting for the lift, getting in and out")
    lift_seconds_per_floor: float = Field(2.0, ge=0, description="One floor by the lift, taken where sooner")
    # Drennan 2016, CMAJ 188:413: high floors cost about 120 s in all; 40 floors are 125 s here.
    guarded_gate_seconds: float = Field(30.0, ge=0, description="An outsider at a guarded gate, each passing")
    # The guard looks and the barrier opens; replaced by drills.
    closed_gate_seconds: float = Field(180.0, ge=0, description="Getting a closed gate opened, each passing")
    # Calling the guard and waiting for the key, used only if there is no other way; replaced by drills.
    probability_closed_gate: float = Field(0.5, gt=0, le=1, description="That a closed gate is opened at all")
    # Unknown: the same as for unknown hours.
    probability_open: float = Field(0.98, gt=0, le=1, description="Reachable when its hours say open")
    probability_assisted: float = Field(
        0.9, gt=0, le=1, description="Reachable when somebody must let you in"
    )
    probability_entry_unknown: float = Field(
        0.85,
        gt=0,
        le=1,
        description="Reachable when its hours say open, and not known whether one gets in",
    )
    # Assumption: above all unknown hours, since one of the two possible failures is ruled out.
    probability_unknown: UnknownHours = Field(
        default_factory=UnknownHours,
        description="Reachable when its hours are not known: by day, in the evening, at night, on a day off",
    )
    probability_ready_checked: float = Field(0.95, gt=0, le=1, description="Ready when checked lately")
    probability_ready: float = Field(
        0.85, gt=0, le=1, description="Ready when not known to be checked lately"
    )
    # Audits find about 85 % ready.
    checked_within_days: int = Field(35, ge=1, description="How lately is lately")  # monthly check and grace
    probability_ready_pads_expired: float = Field(
        0.6, gt=0, le=1, description="Ready where only the pads are past their date"
    )  # Unknown: gel dries slowly in a closed bag; Resuscitation Council UK: benefit outweighs risk.
    max_fetch_metres: float = Field(
        400.0, gt=0, description="Nobody beside a patient is sent farther, one way, to fetch a device"
    )  # Gramm 2025: 200 m one way were faster than the ambulance (6.9 min); 400 m took at most 8:37.
    bring_call_seconds: float = Field(
        45.0, ge=0, description="Ringing whoever is with a device, and until they set out with it"
    )  # Unknown: a guard answers at once and needs the address; replaced by drills.
    failed_fetch_penalty_seconds: float = Field(
        600.0, ge=0, description="What a fetch that finds nothing costs"
    )
    # About the response time of an urban ambulance, which is the next chance.

    @model_validator(mode="after")
    def _known_hours_are_worth_more(self) -> Self:
        if self.probability_entry_unknown < self.probability_unknown.best:
            raise ValueError("probability_entry_unknown must not be below any chance of probability_unknown")
        return self

    @model_validator(mode="after")
    def _leaves_time_to_walk(self) -> Self:
        start = self.slow_start_seconds * min(1.0, self.speed_over_metres / self.slow_start_metres)
        for name in ("responder_metres_per_second", "estate_metres_per_second"):
            if self.speed_over_metres / getattr(self, name) <= self.reaction_seconds + start:
                raise ValueError(
                    f"{name} over speed_over_metres takes longer than reaction_seconds and slow_start_seconds"
                )
        return self


class Drills(BaseModel):
    """Parameters of estimating the walking speed on an estate (`aed.lookup.pace`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    min_drills: int = Field(
        10, ge=5, le=200, description="Drills that an estate needs before its own walking pace is used"
    )
    # The estimate stays the same if two of ten drills are mistimed.
    spread_metres: float = Field(100.0, gt=0, description="By so much their walks differ at least, one way")
    # Two walks of nearly the same length do not determine the speed.
    max_drills: int = Field(200, ge=5, le=1000, description="Use only this many of the latest drills")
    # Estates change: a new gate, a new path.
    quickest_seconds_per_metre: float = Field(0.15, gt=0, description="What nobody can beat: 6.7 m/s")
    slowest_seconds_per_metre: float = Field(1.5, gt=0, description="What nobody needs: 0.7 m/s")
    # From a good runner to a slow walker; an estimate outside this range measures something else.
    min_pick_up_seconds: float = Field(10.0, ge=0, description="The overhead is not below this")
    max_pick_up_seconds: float = Field(600.0, gt=0, description="Nor above this")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.quickest_seconds_per_metre > self.slowest_seconds_per_metre:
            raise ValueError("quickest_seconds_per_metre must not exceed slowest_seconds_per_metre")
        if self.min_pick_up_seconds > self.max_pick_up_seconds:
            raise ValueError("min_pick_up_seconds must not exceed max_pick_up_seconds")
        if self.min_drills > self.max_drills:
            raise ValueError("min_drills must not exceed max_drills")
        return self


class IssuerAccess(BaseModel):
    """How to authenticate to an issuer: by a token, or by a signature (Standard Webhooks, `whsec_…`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: SecretStr | None = Field(None, description="Sent as Authorization: Bearer …")
    secret: SecretStr | None = Field(None, description="With which the question is signed")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.token is None) == (self.secret is None):
            raise ValueError("each issuer has a token or a secret, and not both")
        return self


BACK_FROM_PROVIDER: Final = "/v1/sign-in/provider/back"


class SignInProvider(BaseModel):
    """An external OpenID provider (`aed.accounts.identity_provider`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field("", description="Its issuer identifier, such as https://id.example; empty: none")
    client_id: str = Field("", description="What this program is called there")
    client_secret: SecretStr = Field(SecretStr(""), description="Its password there, if it has one")
    redirect_url: str = Field(
        "", description="Where it sends browsers back to: https://…/v1/sign-in/provider/back, as it knows it"
    )
    adds_people: bool = Field(
        False, description="Somebody whom it vouches for and nobody knows is added, without any role"
    )
    seconds: float = Field(10.0, gt=0, le=60, description="It is given up after so long")

    @property
    def is_set_up(self) -> bool:
        return bool(self.url)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len({bool(each) for each in (self.url, self.client_id, self.redirect_url)}) > 1:
            raise ValueError("url, client_id and redirect_url are given together, or none of them")
        for name in ("url", "redirect_url"):
            if getattr(self, name) and not is_private_from_others(getattr(self, name)):
                raise ValueError(f"{name} begins with https:// (http:// only on this machine itself)")
        if self.redirect_url and not self.redirect_url.endswith(BACK_FROM_PROVIDER):
            raise ValueError(f"redirect_url ends with {BACK_FROM_PROVIDER}")
        return self


def is_private_from_others(url: str) -> bool:
    """Return True if nobody on the way can read what is sent to the URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and is_here))


class Survival(BaseModel):
    """The effect of delay on survival, for comparing plans (`aed.incidents.plan.rules.survival`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    at_once: float = Field(67.0, gt=0, le=100, description="Per cent who survive when all is there at once")
    per_minute_to_cpr: float = Field(2.3, ge=0, description="Less for each minute until compressions")
    per_minute_to_shock: float = Field(1.1, ge=0, description="Less for each minute until the first shock")
    per_minute_to_acls: float = Field(2.1, ge=0, description="Less for each minute until the ambulance")
    # Larsen 1993: 67 - 2.3 t_CPR - 1.1 t_shock - 2.1 t_ACLS.
    pads_seconds: float = Field(90.0, ge=0, description="From the device's arrival to the first shock")
    # Bochum: 96 s (PMC2902410).


class Planning(BaseModel):
    """Parameters of choosing whom to alert, and how many (`aed.incidents.plan.rules.planner`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    probability_seen: float = Field(0.76, gt=0, le=1, description="Of those asked, so many see it in time")
    probability_accepted: float = Field(0.38, gt=0, le=1, description="And so many accept")
    probability_there: float = Field(0.27, gt=0, le=1, description="And so many get there")
    # Haskins 2021: alerted -> seen -> accepted -> arrived 76 % -> 38 % -> 27 %.
    show_up_prior_people: float = Field(
        25.0,
        gt=0,
        description="The chances above weigh as much as so many people of a region's own real calls",
    )
    # Studies range from 17 to 47 % (Khalemsky 2023): a beta prior of that width weighs about 25 people.
    show_up_days: int = Field(
        730, ge=1, description="Real calls of so many days count for how many of those asked come"
    )
    # Two years cover each season twice, and residents seldom stay much longer.
    promise_probability: float = Field(
        0.9,
        ge=0,
        lt=1,
        description="People are asked until somebody is there before the ambulance with this chance",
    )
    # A choice: nine of ten patients get help. Eight people at 27 % achieve it.
    promise_seconds: float = Field(
        360.0, gt=0, description="And within so long, where enough people are that near"
    )
    # Larsen 1993: without compressions, survival falls by 5.5 percentage points a minute.
    min_gain_percent: float = Field(
        0.02,
        ge=0,
        description="Beyond that, nobody is asked who adds less than this to survival, in per cent",
    )
    # From `aed simulate` on Liechtenstein: docs/decide/simulation.md.
    min_direct: int = Field(
        3, ge=0, description="So many go direct where nobody does compressions, if there are so many"
    )
    # HartslagNu sends two people to the patient for each who fetches a device; two take turns at
    # compressions.
    max_alerts_per_wave: int = Field(30, ge=1, le=100, description="So many are asked in one wave at most")
    # At a show-up rate of 10 %, the target takes 22 people.
    ambulance_spread: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Error of an ambulance's expected time: standard deviation of its logarithm",
    )
    # Unknown. At 0.2, one in six arrives more than 22 % later than expected; at 0, all arrive as expected.
    wave_seconds: int = Field(45, ge=5, description="After so long it is planned again, and more are asked")
    answers_after_seconds: float = Field(
        30.0, gt=0, description="Whoever comes answers after so long on average, and sets out"
    )
    # Unknown before the first drills: most people who answer an app's alert do so within a minute.
    ambulance_seconds: float = Field(
        600.0, gt=0, description="Until the ambulance is there, where the centre does not say"
    )
    # Urban response times in China are 8-15 minutes; replaced by the dispatch centre's own estimate.
    ambulance_seconds_by_region: dict[str, float] = Field(
        default_factory=dict, description='JSON: the same by a region\'s code, such as {"CN-33": 540}'
    )
    overdue_ambulance_seconds: float = Field(
        180.0, gt=0, description="An ambulance that is late is taken to be still so far away"
    )
    overdue_seconds: float = Field(
        900.0, ge=0, description="For so long after it was expected; then it is taken to be there"
    )
    # Assumptions: estimates are off by minutes; an ambulance that nobody reports arrives within 15 minutes.
    guide_seconds: float = Field(
        90.0, ge=0, description="Until somebody who has answered is at the gate, to open it"
    )
    # From a flat down to the gate of an estate; unknown before the first drills.
    lift_held_seconds: float = Field(
        30.0, ge=0, description="What a lift that is held saves, of the time above `high_floor`"
    )
    # The wait for the lift; unknown before the first drills.
    people: int = Field(40, ge=1, le=500, description="So many of the nearest are thought of")
    devices: int = Field(12, ge=0, le=100, description="And so many devices")
    asked_elsewhere_seconds: float = Field(
        180.0, ge=0, description="Asked to another patient, a person is left alone for so long"
    )
    # Most people who answer an app's alert do so within a minute (Haskins 2021); after three, silence means
    # no.
    call_age_unknown: bool = Field(
        True, description="Call people of whom it is not known that they are 18 or older"
    )
    # First aid certificates are given to adults almost everywhere. Without this default, nobody would be
    # alerted after an upgrade until they had declared their age. Nobody who declares to be younger is alerted
    # in any case.
    test_minutes: float = Field(10.0, gt=0, le=1_440, description="A test closes itself after so long")
    # Test alerts are read within minutes.
    exercise_minutes: float = Field(
        120.0, gt=0, le=1_440, description="An exercise closes itself after so long"
    )
    # The longest drills of an estate take about two hours, with debriefing.
    lapse_hours: float = Field(
        4.0, gt=0, le=48, description="A real incident lapses so long after the ambulance was expected"
    )
    # Resuscitation on scene ends within about an hour; nobody is still on the way after four hours.
    remind_after_seconds: float = Field(
        300.0, ge=0, description="A dispatcher is reminded so long after the ambulance was expected"
    )
    # The handover takes some minutes; an earlier reminder would interrupt it.
    open_per_person: int = Field(
        2, ge=1, description="So many open incidents of a kind per reporter who is no dispatcher"
    )
    # A second patient near the first is possible; a third report by the same person should be an emergency
    # call.
    open_per_estate: int = Field(
        5, ge=1, description="And so many per estate that no dispatcher has confirmed"
    )
    # Estates have 1,000-3,000 households: about one cardiac arrest a year, so five at once suggest misuse.
    same_patient_metres: float = Field(100.0, ge=0, description="Two reports this near are of one patient")
    same_patient_minutes: float = Field(30.0, ge=0, description="If they come within so long")

    @model_validator(mode="after")
    def _falling(self) -> Self:
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
        description="Days before the last day, the most first; the last is 0",
    )  # common practice; a service from 30 days before, a check from 7
    repeat_days: int = Field(7, ge=1, le=90, description="And then every so many days")
    manager_from_days: int = Field(7, description="From here on estate managers hear of it too")
    region_from_days: int = Field(
        -7, description="And from here on the region's administrators; - is overdue"
    )
    from_hour: int = Field(8, ge=0, le=23, description="Nobody is written to before this hour at the device")
    until_hour: int = Field(20, ge=1, le=24, description="Nor from this one on")

    @model_validator(mode="after")
    def _in_order(self) -> Reminding:
        days = self.days_before
        if days[-1] != 0 or list(days) != sorted(set(days), reverse=True):
            raise ValueError("days_before: the most first, each once, 0 last, such as [90, 60, 30, 7, 0]")
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

    host: str | None = Field(None, description="The server that takes our e-mail; without one: the spool")
    port: int = Field(587, ge=1, le=65535, description="Its port")
    security: MailSecurity = Field(
        MailSecurity.STARTTLS, description="starttls, tls, or none (only on this machine)"
    )
    user: str | None = Field(None, description="As whom we sign in there, if at all")
    password: SecretStr | None = Field(None, description="And its password")
    sender: str = Field("aed@localhost", description="From whom our e-mail comes")
    authorities: Path | None = Field(None, description="Certificates to trust in place of the system's (PEM)")


class GatewayForm(StrEnum):
    JSON = "json"
    FORM = "form"


class Sms(BaseModel):
    """The gateway of SMS and voice calls (`aed.notifications.channels.gateway`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: SecretStr | None = Field(
        None, description="The gateway that text messages are posted to; else the spool"
    )
    secret: SecretStr | None = Field(
        None, description="Signs what is posted, as webhooks are signed (whsec_…)"
    )
    form: GatewayForm = Field(GatewayForm.JSON, description="json or form")
    names: dict[str, str] = Field(
        default_factory=dict, description="JSON: what the gateway calls id, to, text, language, channel"
    )
    fixed: dict[str, str] = Field(default_factory=dict, description="JSON: fields that go along each time")
    headers: dict[str, SecretStr] = Field(
        default_factory=dict, description="JSON: headers that go along, such as Authorization"
    )


class WebPush(BaseModel):
    """The VAPID identity for browsers' push services (`aed.notifications.channels.web_push`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    private_key: SecretStr | None = Field(
        None, description="Made by `aed endpoints push-key`; without: no push"
    )
    contact: str = Field(
        "mailto:aed@localhost", pattern="^(mailto:|https://)", description="Whom a push service may write to"
    )


class TrustSettings(BaseModel):
    """How fast trust in confirmed data decays (`aed.registry.rules.trust`), and whom to ask again."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    readiness_half_life_days: float = Field(
        35.0, gt=0, description="After so many days half of what a check said of readiness still holds"
    )
    # A monthly check and its grace period: missing one halves the trust.
    position_half_life_days: float = Field(730.0, gt=0, description="The same of where a device is")
    hours_half_life_days: float = Field(365.0, gt=0, description="The same of its hours and the way in")
    # Unknown: cabinets move with a refurbishment, hours with a lease; replaced by the answers to tasks.
    ask_below: float = Field(0.5, ge=0, le=1, description="Below this confidence somebody nearby is asked")
    ask_within_metres: float = Field(500.0, gt=0, description="Nearby: a responder's place within this")
    ask_every_days: int = Field(14, ge=1, description="Nobody is asked twice within so many days")
    ask_lapses_days: int = Field(7, ge=1, description="An unanswered task lapses, and another is asked")
    ask_at_once: int = Field(200, ge=0, description="So many tasks are sent in one run at most; 0: none")


class Returns(BaseModel):
    """When to ask whether a device that was fetched is back (`aed.upkeep.rules`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ask_after_minutes: int = Field(
        15, ge=1, description="So long after the end of the call it is asked whether it is back"
    )  # people are home again and still remember; the page of the alert has a button for it too
    ask_again_minutes: int = Field(45, ge=1, description="And again after so long, as long as nobody answers")
    quarantine_after_minutes: int = Field(
        120, ge=1, description="After so long without an answer the device is quarantined as not returned"
    )  # until somebody answers, its place is unknown and it is not offered


class Settings(BaseSettings):
    """The settings of the process."""

    model_config = SettingsConfigDict(
        env_prefix="AED_", env_nested_delimiter="__", frozen=True, extra="ignore", allow_inf_nan=False
    )

    database_url: str = Field(
        f"sqlite:///{STATE}/aed.sqlite", description="sqlite:///FILE, or postgresql+psycopg://… with PostGIS"
    )
    encryption_keys: SecretStr | None = Field(
        None, description="The keys that seal people's numbers, the newest first; `aed keys new` makes one"
    )
    encryption_key_file: Path | None = Field(
        None, description="A file that holds them instead; left out: beside a SQLite database, ending `.keys`"
    )
    walking_network: Path = Field(STATE / "walking.npz", description="The file that `aed walking build` made")
    backups: Path = Field(STATE / "backups", description="The folder that `aed backup` fills")
    host: str = Field("127.0.0.1", description="Where `aed serve` listens")
    port: int = Field(8000, ge=0, le=65535, description="Its port")
    threads: int = Field(8, ge=1, le=64, description="Requests answered at once")
    # Measured: 40 threads give a p99 of 57-147 ms, 8 give 11-14 ms at the same throughput.
    log_format: LogFormat = Field(LogFormat.CONSOLE, description="json for machines, console for people")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="What is worth a line")
    access_log: bool = Field(True, description="One line per request (level info)")
    traces_url: str = Field(
        "",
        pattern="^(https?://[^/]+.*)?$",
        description="Where traces are sent by OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces; "
        "empty: nowhere. Needs the extra `aed[otel]`",
    )
    emergency_number_mainland_china: str = Field("120", description="Shown where no region says otherwise")
    emergency_number_elsewhere: str = Field("112", description="Works from any GSM phone")
    search_radius_metres: float = Field(50_000.0, gt=0, description="Nothing farther is ever answered")
    walking_reach_metres: float = Field(
        5_000.0, gt=0, description="Beyond this walk the answer is estimated from the straight line"
    )
    responder_radius_metres: float = Field(
        1_500.0, gt=0, description="Responders are looked for within this"
    )  # at most 1,500 m in Ringh 2015, Zijlstra 2014 and HartslagNu
    responder_cell_resolution: int = Field(
        9, ge=5, le=10, description="H3 resolution in which dispatchers see responders (9: about 0.1 km2)"
    )
    live_places_url: str = Field(
        "",
        pattern="^((redis|rediss)://[^/]+)?$",
        description="A Redis or Valkey Cluster that keeps where phones on duty are, by one of its nodes: "
        "redis://HOST:PORT; empty: the database. Needs the extra `aed[cluster]`",
    )
    responder_seconds_step: int = Field(
        30, ge=1, description="Times of responders, from the centre of their cell, are rounded up to this"
    )
    responder_lookups_per_hour: int = Field(
        240, ge=1, description="Lookups that show responders, of each token or person and process; then none"
    )  # a city of ten million has about one suspected cardiac arrest in ten minutes
    gap_walk_seconds: float = Field(
        180.0, gt=0, le=900, description="In the gap table people count who are at a building within this"
    )
    gap_target: int = Field(
        3, ge=1, le=50, description="So many should be able to come; fewer are a gap"
    )  # Haskins 2021: 27 % of those alerted arrive; of three, at least one in 61 % of cases
    body_limit_bytes: int = Field(64_000, gt=0, description="A larger request body is refused, but for")
    # The largest body of a single object, a checked device with replaced parts, is under 10 kB.
    list_limit_bytes: int = Field(
        1_000_000, gt=0, description="Lists that are typed (rosters, attendance, boundaries, CAP): this"
    )  # a roster of 1,000 rows is 0.5 MB
    body_seconds: float = Field(
        15.0, gt=0, description="A request body that takes longer to arrive is refused"
    )  # 1 MB at 0.5 Mbit/s
    file_seconds: float = Field(
        600.0, gt=0, description="And a list as a file (`/v1/lint`, `/v1/imports/…`) that takes longer"
    )  # 200 MB at 2.7 Mbit/s
    photo_seconds: float = Field(90.0, gt=0, description="And a photo that takes longer")
    # 5 MB, a photo of a phone, at 0.5 Mbit/s
    header_seconds: float = Field(
        10.0, gt=0, description="A connection that sends no whole request header within this is closed"
    )
    reading_seconds: float = Field(
        60.0, gt=0, description="A client that reads nothing of its answer for so long is disconnected"
    )  # the same as nginx's send_timeout
    connections: int = Field(
        800, ge=10, description="Connections at once; beyond, those that stall longest are closed"
    )  # Linux gives a process 1,024 files by default; the database and streams need some
    cors_origins: tuple[str, ...] = Field(
        (),
        description='JSON: sites whose pages may read public data, such as ["https://map.example"], or ["*"]',
    )
    lint_limit_bytes: int = Field(
        10_000_000, gt=0, description="A list that is sent to `/v1/lint` may be larger: this"
    )
    import_limit_bytes: int = Field(
        200_000_000, gt=0, description="And one that is sent to `/v1/imports/…`: this"
    )
    photo_limit_bytes: int = Field(
        15_000_000, gt=0, description="And a photo of a check, which is sent to `/v1/photos`: this"
    )
    run_jobs: bool | None = Field(
        None, description="Whether `aed serve` runs the timetable; left out: where the database is SQLite"
    )
    feed_limit_bytes: int = Field(
        200_000_000, gt=0, description="A larger file is not fetched, as it is sent and unpacked"
    )
    feed_seconds: float = Field(300.0, gt=0, le=1200, description="And none that takes longer to come")
    feed_allow_private: bool = Field(
        False, description="Feeds may come from this machine and from private networks too"
    )
    same_device_score: float = Field(
        0.9, ge=0, le=1, description="From this score on, another list's entry is taken for a known device"
    )
    maybe_same_score: float = Field(
        0.6, ge=0, le=1, description="From this score on, a person is asked whether it is one"
    )
    shrink_share: float = Field(
        0.2, ge=0, le=1, description="A list that lost more than this share is held back for a person"
    )
    phone_country: str = Field(
        "CN", pattern="^[A-Z]{2}$", description="Where a number without a country code is at home"
    )
    sign_in_hours: int = Field(
        168, ge=1, le=2160, description="After so many hours a browser signs in again"
    )  # a week, for a caretaker's phone
    sign_in_idle_hours: int = Field(
        72, ge=1, le=2160, description="A browser that was not used for so many hours signs in again sooner"
    )  # a long weekend; a phone on duty is used whenever it reports its location
    token_days: int = Field(
        365,
        ge=1,
        le=3650,
        description="A token is good for so many days, unless `aed tokens create` says else",
    )
    security_event_keep_days: int = Field(
        180, ge=1, description="Sign-ins and other security events are forgotten after so many days"
    )  # China's Cybersecurity Law, article 21: network logs are kept for at least six months
    outbox_spool: Path = Field(
        STATE / "outbox", description="The folder into which messages go, codes for signing in too"
    )
    outbox_keep_days: int = Field(
        90, ge=1, description="What was sent or given up so many days ago is forgotten"
    )
    notify_allow_private: bool = Field(
        False, description="Bots and webhooks may be on this machine and in private networks, over http too"
    )
    smtp: Smtp = Field(default_factory=Smtp, description="E-mail")
    sms: Sms = Field(default_factory=Sms, description="Text messages and calls")
    web_push: WebPush = Field(default_factory=WebPush, description="Messages to browsers")
    worker_lease_seconds: int = Field(
        20, ge=2, le=45, description="A worker that is silent for so long is replaced by another"
    )  # a dead worker is replaced within a minute: the lease, and a quarter of it until the next attempt
    job_runs_keep_days: int = Field(
        30, ge=1, description="Runs of jobs older than this are forgotten, but for the last of each"
    )
    public_url: str | None = Field(
        None,
        pattern="^https?://[^/?#]+(/[^?#]*[^/?#])?$",
        description="Where people reach this, for what is printed; left out: as the question came",
    )  # such as https://aed.example.org; it is printed in QR codes for years
    signing_keys: Path = Field(
        STATE / "signing-keys.json",
        description="The keys that sign certificates, made when needed; keep them: printed codes do",
    )
    signing_key_set: SecretStr | None = Field(
        None, description="The same as the text of that file (a JWK set), in place of it"
    )
    issuer_access: dict[str, IssuerAccess] = Field(
        {},
        description='Keys for asking issuers, by code: {"code": {"token": "…"}} or {"code": {"secret": "…"}}',
    )
    issuer_seconds: float = Field(
        15.0, gt=0, le=120, description="An issuer that is asked about a certificate answers within this"
    )
    sign_in_provider: SignInProvider = Field(
        default_factory=SignInProvider, description="Signing in by an operator's own identity provider"
    )
    statement_timeout_ms: int = Field(5_000, gt=0, description="PostgreSQL ends a statement after this")
    lock_timeout_ms: int = Field(4_000, gt=0, description="And a wait for a lock; SQLite's busy timeout too")
    arrival: Arrival = Field(default_factory=Arrival, description="The expected-time arithmetic")
    support_contact: str | None = Field(
        None, max_length=200, description="Whom those who were called may talk to afterwards, name and number"
    )
    patient_keep_days: int = Field(
        730, ge=1, description="Age and sex of a patient are forgotten so many days after the call"
    )  # the year of the alert, and the following year, in which it is reported
    live_seconds: float = Field(
        600.0,
        ge=0,
        le=3_600,
        description="A stream of an incident's record ends after so long, and is resumed",
    )  # streams of viewers who lost permission end then
    planning: Planning = Field(default_factory=Planning, description="Who is asked to come, and how many")
    survival: Survival = Field(
        default_factory=Survival, description="What a delay costs, for comparing plans; never a prognosis"
    )
    reminding: Reminding = Field(
        default_factory=Reminding, description="When people are reminded of what is due"
    )
    drills: Drills = Field(default_factory=Drills, description="An estate's own speed, from timed fetches")
    trust: TrustSettings = Field(
        default_factory=TrustSettings, description="How fast what was confirmed fades"
    )
    returns: Returns = Field(default_factory=Returns, description="Asking after devices that were sent for")


def load_settings() -> Settings:
    """Load the settings from the environment. Raises InvalidInput, which names the invalid value."""
    try:
        return Settings()
    except SettingsError as error:
        name = "AED_" + str(error).partition('"')[2].partition('"')[0].upper()
        raise InvalidInput(f"{name}: must be JSON, or give its parts as {name}__….", field=name) from None
    except ValidationError as error:
        wrong = error.errors()[0]
        name = "AED_" + "__".join(str(part).upper() for part in wrong["loc"])
        raise InvalidInput(f"{name}: {wrong['msg']}.", field=name) from None
