"""Parameters of reminders, returns and trust."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


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
    )  # until a person answers, its place is unknown and it is not offered
