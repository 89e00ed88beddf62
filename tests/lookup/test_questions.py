"""Test that invalid questions get a problem document that names the field and how to correct it."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from tests.cases import each_case

HERE = {"lat": "30.29", "lon": "120.1"}


@pytest.mark.one_engine("a refusal before any statement")
@each_case(
    ("given", "field", "says"),
    [
        ({"lat": "nan"}, "lat", "number of degrees"),
        ({"lon": "NaN"}, "lon", "number of degrees"),
        ({"lat": "inf"}, "lat", "number of degrees"),
        ({"lon": "-Infinity"}, "lon", "number of degrees"),
        ({"lat": "120.1", "lon": "30.29"}, "lat", "swapped"),
        ({"lat": "91"}, "lat", "-90 to 90"),
        ({"lat": "-90.0001"}, "lat", "-90 to 90"),
        ({"lon": "180.5"}, "lon", "-180 to 180"),
        ({"lon": "1e300"}, "lon", "-180 to 180"),
        ({"lat": "nan", "datum": "gcj02"}, "lat", "number of degrees"),
        ({"lat": "31.2", "lon": "400", "datum": "bd09"}, "lon", "-180 to 180"),
        ({"lat": "north"}, "lat", "number"),
        ({"lat": ""}, "lat", "number"),
        ({"lat": None}, "lat", "required"),
        ({"lon": None}, "lon", "required"),
        ({"datum": "mars"}, "datum", "wgs84"),
        ({"limit": "0"}, "limit", "greater than or equal to 1"),
        ({"limit": "51"}, "limit", "less than or equal to 50"),
        ({"limit": "-1"}, "limit", "greater than or equal to 1"),
        ({"limit": "five"}, "limit", "integer"),
        ({"limit": "99999999999999999999999"}, "limit", "less than or equal to 50"),
        ({"responders": "-1"}, "responders", "greater than or equal to 0"),
        ({"responders": "51"}, "responders", "less than or equal to 50"),
        ({"floor": "201"}, "floor", "less than or equal to 200"),
        ({"floor": "-21"}, "floor", "greater than or equal to -20"),
        ({"floor": "1.5"}, "floor", "integer"),
        ({"route": "perhaps"}, "route", "boolean"),
        ({"at": "2026-10-01T10:00:00"}, "at", "needs an offset"),
        ({"at": "2026-10-01"}, "at", "needs an offset"),
        ({"at": "2026-10-01T10:00:00 08:00"}, "at", ""),  # a plus that was not quoted
        ({"at": "tomorrow"}, "at", ""),
        ({"at": "1999-12-31T00:00:00Z"}, "at", "between the years 2000 and 2100"),
        ({"at": "2101-01-01T00:00:00Z"}, "at", "between the years 2000 and 2100"),
        ({"at": "9999-12-31T23:59:59-12:00"}, "at", "between the years 2000 and 2100"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at", "between the years 2000 and 2100"),
    ],
)
def test_invalid_parameters_are_refused_with_the_field(
    client: TestClient, given: dict[str, str | None], field: str, says: str
) -> None:
    asked = {name: value for name, value in {**HERE, **given}.items() if value is not None}

    response = client.get("/v1/nearest?" + "&".join(f"{name}={quote(asked[name])}" for name in asked))

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["type"] == "urn:aed:problem:invalid-input"
    assert problem["field"] == field
    assert says in problem["detail"]
    assert problem["instance"] == "/v1/nearest"


@pytest.mark.parametrize(
    "given",
    [
        {"lat": "90"},
        {"lat": "-90", "lon": "180"},
        {"lat": "0", "lon": "-180"},
        {"lat": "89.999999", "lon": "-0.0"},
        {"at": "2000-01-01T00:00:00Z"},
        {"at": "2100-12-31T23:59:59-12:00"},
        {"at": "2026-10-01T10:00:00%2B08:00"},
        {"floor": "-20", "limit": "50", "responders": "50", "route": "1"},
    ],
)
def test_values_at_the_bounds_are_accepted(client: TestClient, given: dict[str, str]) -> None:
    asked = {**HERE, **given}

    response = client.get("/v1/nearest?" + "&".join(f"{name}={value}" for name, value in asked.items()))

    assert response.status_code == 200
    assert response.json()["devices"] == []
    assert response.json()["is_complete"] is True


@pytest.mark.parametrize("key", ["Bearer aed_wrong", "Bearer ", "Basic YTpi", "aed_wrong", "Bearer 门"])
def test_a_wrong_token_is_refused_instead_of_treated_as_anonymous(client: TestClient, key: str) -> None:
    response = client.get("/v1/nearest", params=HERE, headers={b"Authorization": key.encode()})

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="aed"'
    assert response.json()["type"] == "urn:aed:problem:not-signed-in"
