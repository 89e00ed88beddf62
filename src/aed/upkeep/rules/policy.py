"""How often a device is looked at, and what a check asks: a policy's words, and what holds by default."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class CheckKind(StrEnum):
    GLANCE = "glance"
    """In passing: is it there, is its light green."""
    CHECK = "check"
    """With the cabinet open, against the form."""
    SERVICE = "service"
    """By whoever is trained for it, as its maker says."""


class Question(StrEnum):
    """What a check may ask. The answer to each is yes when all is well."""

    STATUS_LIGHT = "status_light"
    CABINET = "cabinet"
    """That it opens: a no takes the device out."""
    CABINET_WHOLE = "cabinet_whole"
    SEAL = "seal"
    SIGN = "sign"
    PADS_IN_DATE = "pads_in_date"
    BATTERY_IN_DATE = "battery_in_date"
    SPARE_PADS = "spare_pads"
    ALARM = "alarm"
    ACCESS_AS_DESCRIBED = "access_as_described"
    PHOTO = "photo"


WORDS: Final = {
    Question.STATUS_LIGHT: ("Does the status light say that it is ready?", "状态指示灯显示正常吗？"),
    Question.CABINET: ("Does the cabinet open?", "外箱柜体能正常打开吗？"),
    Question.CABINET_WHOLE: ("Is the cabinet whole?", "外箱柜体完好吗？"),
    Question.SEAL: ("Is the seal unbroken?", "封条完好吗？"),
    Question.SIGN: ("Can the sign be seen from afar?", "导向标识远处看得见吗？"),
    Question.PADS_IN_DATE: ("Are the pads in date and their bag closed?", "电极片在有效期内、包装未拆封吗？"),
    Question.BATTERY_IN_DATE: ("Is the battery in date?", "电池在有效期内吗？"),
    Question.SPARE_PADS: ("Are spare pads there?", "备用电极片在吗？"),
    Question.ALARM: ("Does the cabinet's alarm sound?", "外箱柜体报警器会响吗？"),
    Question.ACCESS_AS_DESCRIBED: ("Does one get in as the register says?", "取用方式与登记的一致吗？"),
    Question.PHOTO: ("Take a photo of the front.", "请拍一张正面照片。"),
}
"""Each question in English and Chinese."""

PROBLEMS: Final = {
    Question.STATUS_LIGHT: ("status light", "状态指示灯"),
    Question.CABINET: ("cabinet does not open", "外箱柜体打不开"),
    Question.CABINET_WHOLE: ("cabinet", "外箱柜体"),
    Question.SEAL: ("seal", "封条"),
    Question.SIGN: ("sign", "导向标识"),
    Question.PADS_IN_DATE: ("pads", "电极片"),
    Question.BATTERY_IN_DATE: ("battery", "电池"),
    Question.SPARE_PADS: ("spare pads", "备用电极片"),
    Question.ALARM: ("alarm", "外箱柜体报警器"),
    Question.ACCESS_AS_DESCRIBED: ("how one gets in", "取用方式"),
    Question.PHOTO: ("photo", "照片"),
}
"""What is wrong where the answer is no."""
GLANCE_ASKS: Final = (Question.STATUS_LIGHT,)
"""A glance asks no more, whatever the policy."""
MUST_ASK: Final = frozenset({Question.STATUS_LIGHT, Question.PADS_IN_DATE})
"""Without these a check cannot say that a device is ready, so every policy asks them."""
DEFAULT_ASKS: Final = (
    Question.STATUS_LIGHT,
    Question.CABINET,
    Question.CABINET_WHOLE,
    Question.SEAL,
    Question.SIGN,
    Question.PADS_IN_DATE,
    Question.BATTERY_IN_DATE,
    Question.ACCESS_AS_DESCRIBED,
)


@dataclass(frozen=True, slots=True)
class Terms:
    """How often each kind of check is due (None: never), and how long what is fitted may be used."""

    glance_days: int | None
    check_days: int | None
    service_months: int | None
    asks: tuple[Question, ...]
    pads_months: int | None
    """For pads and batteries that say no date themselves; None: then one must be given."""
    battery_months: int | None


DEFAULT: Final = Terms(
    glance_days=1, check_days=30, service_months=12, asks=DEFAULT_ASKS, pads_months=24, battery_months=48
)
"""Where no policy is in force: glance daily, check monthly (HartslagNu; Guangzhou), service yearly. Makers
give pads two to five years and batteries four to five: the shortest of each."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a policy is for: an estate, a maker, a maker's model; all None: every device."""

    estate_id: int | None = None
    maker: str | None = None
    model: str | None = None

    def covers(self, other: Scope) -> bool:
        """Whether a device of `other` falls under it. Makers and models are compared whatever their case."""
        return (
            self.estate_id in (None, other.estate_id)
            and (self.maker is None or _same(self.maker, other.maker))
            and (self.model is None or _same(self.model, other.model))
        )

    @property
    def closeness(self) -> int:
        """Of two policies that cover a device the closer one holds: an estate's own word goes first, then the
        model's, then the maker's."""
        return 4 * (self.estate_id is not None) + 2 * (self.model is not None) + (self.maker is not None)


def _same(one: str, other: str | None) -> bool:
    return other is not None and one.casefold() == other.casefold()


def closest[P](policies: Iterable[tuple[Scope, P]], device: Scope) -> P | None:
    """Of the policies that cover the device the closest; None where none does."""
    covering = [(scope.closeness, policy) for scope, policy in policies if scope.covers(device)]
    return max(covering, key=lambda pair: pair[0])[1] if covering else None
