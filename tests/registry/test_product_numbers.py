"""Registration numbers and UDI-DI: how they are read, and how devices are found by them."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import TypeAdapter
from sqlalchemy.orm import Session
from tests import make
from tests.registry.conftest import Desk

from aed.errors import InvalidInput
from aed.registry.fields import UdiDi
from aed.registry.product_numbers import normalise_registration_number, normalise_udi_di

GTIN = "06901234567892"


@pytest.mark.parametrize(
    "written",
    [
        GTIN,
        "6901234567892",
        " 069 0123 456789 2 ",
        "(01)06901234567892(11)240131(17)340131(10)L7(21)SN-1",
        "（01）06901234567892",
        "01069012345678921124013121SN1",
        "]d20106901234567892",
    ],
)
def test_a_udi_of_gs1_is_read_as_14_digits(written: str) -> None:
    assert normalise_udi_di(written) == GTIN


@given(some.text("0123456789", min_size=14, max_size=14).filter(lambda it: it != "0" * 14), some.data())
def test_one_wrong_digit_of_a_gtin_is_noticed(digits: str, data: some.DataObject) -> None:
    valid = next(found for last in "0123456789" if (found := _if_valid(digits[:-1] + last)) is not None)
    place = data.draw(some.integers(0, 13))
    wrong = data.draw(some.sampled_from([each for each in "0123456789" if each != valid[place]]))

    with pytest.raises(InvalidInput, match="check digit"):
        normalise_udi_di(valid[:place] + wrong + valid[place + 1 :])


def _if_valid(digits: str) -> str | None:
    try:
        return normalise_udi_di(digits)
    except InvalidInput:
        return None


def test_codes_of_other_issuers_are_taken_as_they_are() -> None:
    assert normalise_udi_di("MA.156.M0.100000.AB12") == "MA.156.M0.100000.AB12"
    assert normalise_udi_di("+a99912345c") == "+A99912345C"
    for scanned in (f"01{GTIN}", f"]C101{GTIN}1728010110L2\x1d21AB", f"]Q301{GTIN}21AB"):
        assert TypeAdapter(UdiDi).validate_python(scanned) == GTIN
    for bad in ("", "12345", "号码号码号码", "(01)069", "A" * 101):
        with pytest.raises(InvalidInput):
            normalise_udi_di(bad)


def test_a_registration_number_of_china_has_11_digits() -> None:
    for written in ("国械注准20213080123", " 国械注准 2021 308 0123", "国械注进20153211234"):
        assert normalise_registration_number(written) == written.replace(" ", "")
    for written in ("P160029", "国食药监械(准)字2012第3210123号", "30100BZX00142000", "浙杭械备20210001"):
        assert normalise_registration_number(written) == written
    for bad in ("国械注准2021308012", "国械注准20215080123", "", "x" * 101):
        with pytest.raises(InvalidInput):
            normalise_registration_number(bad)


def test_devices_are_listed_by_their_numbers_to_those_who_may_see_them(
    session: Session, nobody: Desk, office: Desk
) -> None:
    found = make.device(session, udi_di="6901234567892", registration_number="国械注准 20213080123")
    hidden = make.device(session, of=make.estate(session), udi_di=GTIN, audience="estate")
    make.device(session, udi_di="MA.156.M0.100000")
    session.commit()

    def ids(desk: Desk, **query: str) -> list[int]:
        return [each["id"] for each in desk.get(f"/v1/devices?{urlencode(query)}").json()["features"]]

    assert ids(nobody, udi_di="(01)06901234567892(21)SN1") == [found.id]
    assert ids(office, udi_di=GTIN) == [found.id, hidden.id]
    assert ids(nobody, registration_number="国械注准20213080123") == [found.id]
    bad = nobody.get("/v1/devices?udi_di=06901234567893")
    assert (bad.status_code, bad.json()["field"]) == (422, "udi_di")
