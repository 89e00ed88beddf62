"""The OpenAPI document, and requests to the whole API validated against it."""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import requests
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.permissions import Role, TokenRole
from aed.accounts.viewers import viewer_of_person
from aed.certificates.models import PersonPair
from aed.database.session import open_database
from aed.http.openapi_examples import json_contents
from aed.notifications.endpoints import EndpointInput, save_endpoint
from aed.notifications.outbox import Notice, enqueue_to_endpoint
from aed.notifications.rules import Channel
from aed.settings import Settings
from aed.sharing.decisions.actions import create_link
from aed.sharing.decisions.queries import party as party_of
from aed.sharing.decisions.schemas import LinkIn
from aed.sharing.rules import PartyRole
from aed.volunteering.appeals.actions import open_appeal
from aed.volunteering.records import actions as service_actions
from tests import make
from tests.apps import app_on, served_document
from tests.examples import examples
from tests.make import NOW, PATIENT
from tests.throwaway_postgres import copy_database, drop_database

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """Return the document as served."""
    return served_document()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        name = schema["$ref"].removeprefix("#/components/schemas/")
        schema = document["components"]["schemas"][name]
    return schema


# --- the document ---------------------------------------------------------------------------------------


def test_operation_ids_are_function_names(document: dict[str, Any]) -> None:
    """Generated clients name their functions after operation ids."""
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) > 200
    assert [each for each in ids if not re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", each) or "_v1_" in each] == []


def test_schemas_are_named_after_their_class_only(document: dict[str, Any]) -> None:
    """Two classes with the same name would both get their module's name as a prefix."""
    assert [name for name in document["components"]["schemas"] if "__" in name] == []


def test_the_document_is_valid_and_names_the_program(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"]
    assert document["info"]["version"]
    for name, schema in document["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid(
            {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        ), name
    # The loader reads every operation and resolves every reference.
    loaded = list(schemathesis.openapi.from_dict(document).get_all_operations())
    assert [each for each in loaded if not isinstance(each, Ok)] == []
    assert len(loaded) == len(list(operations(document)))


def test_every_operation_has_a_summary_and_a_unique_name(document: dict[str, Any]) -> None:
    named = [one["operationId"] for _, one in operations(document)]
    assert len(set(named)) == len(named)
    for label, one in operations(document):
        assert one.get("description", "").strip(), label
        assert one["tags"], label


def test_every_operation_documents_its_failures_as_problem_documents(document: dict[str, Any]) -> None:
    for label, one in operations(document):
        for status in ("4XX", "503"):
            answer = one["responses"][status]
            assert list(answer["content"]) == ["application/problem+json"], (label, status)
            schema = answer["content"]["application/problem+json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}


def test_every_body_and_every_required_parameter_has_an_example(document: dict[str, Any]) -> None:
    for label, one in operations(document):
        for parameter in one.get("parameters", []):
            schema = resolved(document, parameter["schema"])
            speaks_for_itself = schema.get("type") == "integer" or "enum" in schema
            says = speaks_for_itself or "examples" in schema or "examples" in parameter
            assert says or not parameter["required"], (label, parameter["name"])
        if "requestBody" in one:
            for content in one["requestBody"]["content"].values():
                schema = resolved(document, content["schema"])
                assert schema.get("examples") or content.get("example"), label


def test_every_json_body_and_answer_has_an_example_that_its_schema_allows(document: dict[str, Any]) -> None:
    count = 0
    for label, one in operations(document):
        for content in json_contents({"paths": {label: {"any": one}}}):
            schema = resolved(document, content["schema"])
            given = [content["example"]] if "example" in content else schema.get("examples", [])
            assert given, label
            whole = content["schema"] | {"components": document["components"]}
            validator = jsonschema_rs.validator_for(whole, validate_formats=True)
            for example in given:
                assert [str(error) for error in validator.iter_errors(example)] == [], label
            count += 1
    assert count > 200


def test_an_example_of_the_lookup_reads_like_an_answer(document: dict[str, Any]) -> None:
    answer = document["paths"]["/v1/nearest"]["get"]["responses"]["200"]["content"]["application/json"]
    device = answer["example"]["devices"][0]
    assert answer["example"]["first_aid"]["en"].startswith("Call 120 first")
    assert (device["fetch_seconds"], device["walk_metres"], device["estate"]["zh"]) == (200, 85, "湖畔苑")


def test_the_bearer_token_is_described_as_optional(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert document["security"] == [{}, {"token": []}]


# --- the whole API --------------------------------------------------------------------------------------


@pytest.fixture
def known(session: Session) -> dict[str, int | str]:
    return make_known(session)


@pytest.fixture
def headers(session: Session) -> dict[str, str]:
    return administrator(session)


def make_known(session: Session) -> dict[str, int | str]:
    """Create objects for the path parameters, so that not every response is 404; return their ids."""
    estate = make.estate(session, around=PATIENT)
    device = make.device(session, of=estate, pads_expire_on=date(2027, 1, 1))
    other = make.device(session, of=estate)
    gate = make.gate(session, estate, at=PATIENT)
    make.building(session, estate, at=PATIENT)
    made: dict[str, int | str] = {
        "device_id": device.id,
        "estate_id": estate.id,
        "gate_id": gate.id,
        "consumable_id": 1,
        "calendar": "CN",
        "year": 2026,
    }
    made["review_id"] = make.review(session, of=device).id
    make.responder(session)
    person = make.person(session, phone="+8613800138000", password="a long pass phrase")
    made["person_id"] = person.id
    made["grant_id"] = make.role(session, person, Role.RESIDENT, estate=estate).id
    made["course_id"] = make.course(session, "FIRST-AID").id
    soon = datetime.now(UTC) + timedelta(hours=1)  # enrolment and sign-in are both open
    training = make.training(session, starts_at=soon, enrolment_closes_at=soon.isoformat())
    comes, leaves = make.enrolment(session, training), make.enrolment(session, training)
    assert comes.id == 1, "as in the examples"
    group = EndpointInput(
        "the-group", Channel.WECOM, "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x"
    )
    endpoint = save_endpoint(session, make.ADMINISTRATOR, group, at=NOW)
    outgoing = enqueue_to_endpoint(session, endpoint, Notice("Due", "到期"), NOW)
    made |= {"name": endpoint.name, "message_id": outgoing.id, "job": "feeds"}
    made |= {"session_id": training.id, "enrolment_id": leaves.id, "number": "CPR-AED-2026-0A1B2C3D4E"}
    issuer = make.issuer(session)
    make.trainer_grade(session, person, issuer)
    made["issuer_id"] = issuer.id
    made["issuer_batch_id"] = make.issuer_batch(session, issuer).id
    two = [make.person(session) for _ in range(2)]
    pair = PersonPair(first_id=two[0].id, second_id=two[1].id, score=0.9, reasons=["a name"], found_at=NOW)
    session.add(pair)
    session.flush()
    made["pair_id"] = pair.id
    made["declaration_id"] = make.declaration(session, estate=estate).id
    check = make.check(session, device).check
    made |= {
        "policy_id": make.policy(session).id,
        "check_id": check.id,
        "photo_id": make.photo(session, of=check).id,
        "report_id": make.report(session, other).id,
        "recall_id": make.recall(session).id,
        "stock_id": make.spare_stock(session, estate, kind="battery").id,
        "retrieval_id": make.retrieval(session, other).id,
        "confirmation_request": f"ask_{make.confirmation_request(session, other, person).person_id}",
    }
    incident = make.incident(session)
    made |= {
        "incident_id": incident.id,
        "alert_id": make.alert(session, incident, person).id,
        "alert_key": "call_key",
        "platform": "wecom",
        "exclusion_id": make.exclusion(session, other, incident).id,
        "patient_report_id": make.patient_report_id(session, incident),
        "centre": "river-120",
        "factor_id": 1,
    }
    make.centre(session, "river-120")
    made["message_key"], made["reminder_id"] = make.reminded(session, person, device, at=clock.now())
    agreement = make.draft(session, estate, other)
    party = party_of(session, agreement.id, PartyRole.OWNERS_COMMITTEE)
    made["agreement_id"], made["party_role"] = agreement.id, "service_centre"
    made["cost_case_id"] = make.cost_case(session, estate).id
    made["party_key"] = create_link(session, party, LinkIn(), by="test", at=clock.now())[1]
    made |= {"region": "CN-33", "account_id": make.credited(session, person, estate).id}
    goods = make.goods(session, estate)
    exchange = make.service_exchange(session, estate, person)
    made |= {
        "goods_id": goods.id,
        "sponsor_id": goods.sponsor_id,
        "order_id": make.goods_order(session, goods, person).id,
        "exchange_id": exchange.id,
        "offer_id": exchange.offer_id,
        "mandate_id": make.mandate(session, person, make.person(session)).id,
    }
    made["relative_declaration_id"] = make.relative(session, person).id
    made["inheritance_id"] = make.inheritance(session, estate).id
    made["webhook_id"] = make.webhook(session, of=estate)[0]
    made["signal_source"] = "guardbox"
    made["client_id"] = make.client_app(session, estate)[0].client_id
    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
    make.registered(session, viewer_of_person(session, person.id), estate, number="330106000124")
    volunteer = make.volunteer(session, estate, number="330106000125")
    patrol = make.service(session, volunteer, estate)
    service_actions.confirm_record(session, manager, patrol.id, rating=None, at=clock.now())
    refused = make.service(session, volunteer, estate, minutes=30, ended_at=NOW)
    service_actions.void_record(session, manager, refused.id, reason="Nobody saw it", at=clock.now())
    made |= {
        "record_id": patrol.id,
        "appeal_id": open_appeal(session, volunteer, refused.id, reason="I was there", at=clock.now()).id,
        "batch_id": make.service_batch(session, estate).id,
        "service_number": make.service_certificate(session, of=person, on=estate).number,
        "proof_request_id": make.proof_request(session, person, estate).id,
    }
    made["mapping_id"] = make.saved_mapping(session).id
    made["calendar_id"] = make.calendar(session, of=person)[0]
    session.commit()
    return made


def administrator(session: Session) -> dict[str, str]:
    made = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    return made


def filled(path: str, known: dict[str, int | str]) -> str:
    return path.format(**known) if "{" in path else path


SIGNING_IN = {"POST /v1/sign-in", "POST /v1/sign-in/code", "POST /v1/sign-in/token", "DELETE /v1/sign-in"}
"""Routes of the sign-in itself, which need no session."""
BY_KEY = {
    "POST /v1/confirmation-requests/{confirmation_request}",
    "PUT /v1/reminders/{message_key}/{reminder_id}",
    "POST /v1/alerts/{alert_key}",
    "PUT /v1/alerts/{alert_key}/location",
    "GET /v1/agreements/by-link/{party_key}",
    "POST /v1/agreements/by-link/{party_key}/decisions",
    "POST /v1/agreements/by-link/{party_key}/withdrawal",
    "POST /v1/agreements/by-link/{party_key}/step-down",
}
"""Routes opened by the key in a message, without a session."""
WITHOUT_VERSION = {
    "POST /v1/sign-in": 200,
    "POST /v1/sign-in/code": 202,
    "POST /v1/sign-in/second-factor": 401,  # needs a person's session, as do all routes of factors below
    "POST /v1/sign-in/second-factor/passkey": 401,
    "POST /v1/me/second-factors/app": 401,
    "POST /v1/me/second-factors/{factor_id}/confirm": 401,
    "POST /v1/me/second-factors/passkey": 401,
    "POST /v1/calendars": 201,
    "POST /v1/placement": 200,
    "POST /v1/rounds": 422,  # its day has passed
    "POST /v1/rounds/preview": 422,
    "POST /v1/region-previews": 202,
    "POST /v1/estates/{estate_id}/coverage-previews": 201,
    "POST /v1/people/duplicates/{pair_id}/decision": 200,
    "POST /v1/certificate-declarations/{declaration_id}/decision": 200,
    "POST /v1/endpoints": 201,
    "POST /v1/devices/{device_id}/checks": 200,
    "POST /v1/devices/{device_id}/check-request": 200,
    "POST /v1/devices/{device_id}/confirmations": 200,
    "POST /v1/devices/{device_id}/reports": 202,
    "POST /v1/devices/{device_id}/signals": 401,  # it is not sent with the device's own token
    "POST /v1/devices/{device_id}/loan": 409,  # the other device is no spare
    "PATCH /v1/devices/{device_id}/loan": 428,  # it is not lent: there is no version to send
    "DELETE /v1/devices/{device_id}/loan": 409,
    "POST /v1/devices/{device_id}/signal-token": 201,
    "DELETE /v1/devices/{device_id}/signal-token": 204,
    "POST /v1/signal-sources/{signal_source}/messages": 401,  # the request is not signed
    "POST /v1/reports": 202,
    "PATCH /v1/reports/{report_id}": 200,
    "POST /v1/checks/{check_id}/approval": 403,  # the second person is not a token
    "POST /v1/recalls/preview": 200,
    "POST /v1/spares/{stock_id}/movements": 200,
    "POST /v1/retrievals": 200,
    "POST /v1/retrievals/{retrieval_id}/outcome": 200,
    "POST /v1/confirmation-requests/{confirmation_request}": 200,
    "POST /v1/incidents": 200,
    "POST /v1/centres": 201,
    "POST /v1/centres/{centre}/secret": 200,
    "POST /v1/centres/{centre}/messages": 401,  # the request is not signed
    "PUT /v1/incidents/{incident_id}/hold": 200,
    "POST /v1/incidents/{incident_id}/ask-more": 200,
    "PUT /v1/incidents/{incident_id}/radius": 200,
    "PUT /v1/incidents/{incident_id}/patient": 200,
    "PUT /v1/incidents/{incident_id}/hazard": 200,
    "POST /v1/incidents/{incident_id}/exclusions": 200,
    "DELETE /v1/incidents/{incident_id}/exclusions/{exclusion_id}": 200,
    "PATCH /v1/incidents/{incident_id}/location": 200,
    "POST /v1/incidents/{incident_id}/reports/{patient_report_id}/split": 409,  # it has only one report
    "PUT /v1/incidents/{incident_id}/ambulance": 200,
    "PUT /v1/incidents/{incident_id}/signs": 200,
    "POST /v1/incidents/{incident_id}/close": 200,
    "POST /v1/incidents/{incident_id}/alerts/{alert_id}": 200,
    "POST /v1/alerts/{alert_key}": 200,
    "PUT /v1/alerts/{alert_key}/location": 409,  # an earlier example has closed the incident
    "PUT /v1/devices/{device_id}/cabinet-code": 204,
    "PUT /v1/gates/{gate_id}/code": 204,
    "PUT /v1/devices/{device_id}/place-photo": 204,
    "POST /v1/devices/{device_id}/drills": 200,
    "PUT /v1/reminders/{message_key}/{reminder_id}": 200,
    "PUT /v1/reminders/preferences": 401,  # needs a person
    "POST /v1/agreements/{agreement_id}/confirmation": 409,  # nobody has consented
    "POST /v1/agreements/{agreement_id}/suspension": 409,  # an earlier example has withdrawn it
    "POST /v1/agreements/{agreement_id}/step-down": 409,
    "POST /v1/agreements/{agreement_id}/parties/{party_role}/decisions": 403,  # a token represents no party
    "POST /v1/agreements/{agreement_id}/parties/{party_role}/links": 201,
    "PUT /v1/agreements/{agreement_id}/parties/{party_role}/representative": 204,
    "POST /v1/agreements/by-link/{party_key}/decisions": 409,  # it is withdrawn
    "POST /v1/agreements/by-link/{party_key}/withdrawal": 409,
    "POST /v1/agreements/by-link/{party_key}/step-down": 409,
    "POST /v1/sharing-rules": 201,
    "POST /v1/cost-cases/{cost_case_id}/payment": 200,
    "POST /v1/cost-cases/{cost_case_id}/waiver": 409,  # an earlier example has paid it
    "POST /v1/service-records": 403,  # needs a person, as do all decisions on service
    "POST /v1/service-records/{record_id}/confirmation": 403,
    "POST /v1/service-records/{record_id}/objections": 403,
    "POST /v1/service-records/{record_id}/release": 403,
    "POST /v1/service-records/{record_id}/dispute": 403,
    "POST /v1/service-records/{record_id}/upholding": 403,
    "POST /v1/service-records/{record_id}/voiding": 403,
    "POST /v1/service-records/{record_id}/corrections": 403,
    "POST /v1/service-records/{record_id}/appeal": 403,
    "POST /v1/service-appeals/{appeal_id}/votes": 403,
    "POST /v1/service-hours": 403,
    "POST /v1/service-batches": 409,  # the platform has all of it in a batch
    "POST /v1/service-batches/{batch_id}/answer": 200,
    "POST /v1/service-certificates": 404,  # person 1 is no volunteer
    "PUT /v1/estates/{estate_id}/service-issuer": 200,
    "PUT /v1/issuers/{issuer_id}/trainer-grades": 200,
    "POST /v1/issuers/{issuer_id}/batches": 409,  # it takes none
    "PUT /v1/enrolments/{enrolment_id}/identity": 409,  # the issuer wants none
    "PUT /v1/estates/{estate_id}/appeal-panel/{party_role}": 200,
    "PUT /v1/estates/{estate_id}/leads/{person_id}/buildings": 409,  # the person is no lead
    "PUT /v1/volunteers/{person_id}": 200,
    "POST /v1/time-bank/donations": 403,  # needs a person, as do all that use own points
    "POST /v1/time-bank/family": 403,
    "POST /v1/time-bank/family/deposits": 403,
    "POST /v1/time-bank/family/members": 403,
    "POST /v1/time-bank/gifts": 403,
    "POST /v1/time-bank/groups": 201,
    "POST /v1/time-bank/inheritances": 403,
    "POST /v1/time-bank/inheritances/{inheritance_id}/claim": 403,
    "POST /v1/time-bank/relatives": 403,
    "POST /v1/time-bank/rules/{region}": 201,
    "POST /v1/time-bank/goods": 201,
    "PUT /v1/time-bank/goods/{goods_id}": 200,
    "POST /v1/time-bank/goods/{goods_id}/stock": 200,
    "POST /v1/time-bank/mandates": 403,
    "POST /v1/time-bank/offers": 403,
    "POST /v1/time-bank/offers/{offer_id}/exchanges": 403,
    "POST /v1/time-bank/orders": 403,
    "POST /v1/time-bank/orders/{order_id}/collection": 403,
    "PUT /v1/time-bank/orders/{order_id}/review": 403,
    "PUT /v1/time-bank/exchanges/{exchange_id}/time": 403,
    "PUT /v1/time-bank/exchanges/{exchange_id}/rating": 403,
    "PUT /v1/time-bank/heir": 403,
    "POST /v1/service-proof-requests": 403,
    "POST /v1/service-proof-requests/{proof_request_id}/withdrawal": 403,
    "POST /v1/service-proof-requests/{proof_request_id}/refusal": 200,
    "POST /v1/time-bank/priority": 403,
    "POST /v1/time-bank/sponsors": 201,
    "POST /v1/time-bank/webhooks": 201,
    "POST /v1/time-bank/webhooks/{webhook_id}/secret": 200,
    "POST /v1/time-bank/apps": 201,
    "POST /v1/time-bank/app-links": 403,  # a token is not a person
    "PUT /v1/time-bank/sponsors/{sponsor_id}/budget": 403,
    "PUT /v1/location": 403,  # a token has no phone
    "POST /v1/cells/links": 404,  # this installation is alone
    "POST /v1/cells/erasures": 404,
    "POST /v1/me/wechat-consents": 403,  # a token is not a person
    "POST /v1/sign-in/token": 200,
    "POST /v1/sign-in/wechat": 404,  # no mini program is configured
    "PUT /v1/me/push": 403,  # a token has neither a person nor a browser
}
"""Expected statuses of examples that create no object with a version."""


def test_the_documented_examples_work(
    client: TestClient, known: dict[str, int | str], headers: dict[str, str], document: dict[str, Any]
) -> None:
    """Each example request in the document returns a response that the document allows."""
    tried = 0
    for path, item in document["paths"].items():
        for method in ("post", "put", "patch"):
            if method not in item:
                continue
            bodies = item[method].get("requestBody", {"content": {}})["content"]
            if "application/json" not in bodies:
                continue  # a file, or no body
            label = f"{method.upper()} {path}"
            schema = resolved(document, bodies["application/json"]["schema"])
            where = filled(path, known)
            for example in schema["examples"]:
                asking = dict(headers)
                if method != "post" and label not in WITHOUT_VERSION:
                    asking["If-Match"] = client.get(where, headers=headers).headers["ETag"]
                answer = client.request(method, where, json=example, headers=asking)
                tried += 1
                if label in WITHOUT_VERSION:
                    assert answer.status_code == WITHOUT_VERSION[label], answer.text
                    continue
                assert answer.status_code in (200, 201), (method, where, answer.text)
                assert answer.headers["ETag"]
                if answer.status_code == 201:
                    again = client.get(answer.headers["Location"], headers=headers)
                    assert again.json() == answer.json()
    assert tried >= 14


EXAMPLES = examples(8, in_depth=100)
VERSIONS = st.sampled_from([None, 1, 2, 3])
SURE = frozenset({"GET /v1/nearest", "GET /v1/devices/{device_id}", "DELETE /v1/gates/{gate_id}"})
"""Operations that must succeed at least once. They get eight times as many examples, about objects that
exist: of the requests to the last one, one in eight is valid and of the gate's version."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]


@dataclass(frozen=True)
class Asker:
    """A client that sends the requests schemathesis generates and records the responses."""

    name: str
    client: TestClient
    headers: dict[str, str]
    known: dict[str, int | str]
    answered: dict[str, set[int]] = field(default_factory=dict)

    def ask(self, case: schemathesis.Case[Any], version: int | None, *, is_known: bool) -> Any:
        if is_known and case.path_parameters:
            names = self.known.keys() & case.path_parameters.keys()
            case.path_parameters |= {name: self.known[name] for name in names}
        sent = case.as_transport_kwargs(headers=dict(self.headers))
        if version is not None and case.method in ("PATCH", "DELETE", "PUT"):
            sent["headers"]["If-Match"] = f'"{version}"'
        sent.pop("cookies", None)  # the API takes no cookies here
        data, files = sent.pop("data", None), sent.pop("files", None)
        if files:  # schemathesis generates numbers for files too; send them as text
            form = requests.PreparedRequest()
            form.prepare_headers({})
            form.prepare_body(data, files)
            sent["content"] = form.body
            sent["headers"]["Content-Type"] = form.headers["Content-Type"]
        elif data is not None:
            sent["content"] = data
        answer = self.client.request(**sent)
        self.answered.setdefault(case.operation.label, set()).add(answer.status_code)
        return answer


def ask_all_of(operation: APIOperation[Any, Any, Any, Any], askers: list[Asker]) -> None:
    """Send valid and invalid requests, about objects that exist and objects that don't.

    Generating a request takes longer than answering it, so each is sent by every client. What is refused
    for lack of a sufficient token, or because a value has the wrong form, runs no SQL of the route: it is
    tried on the first database only.
    """
    questions = operation.as_strategy(GenerationMode.POSITIVE)
    if operation.body or operation.query or operation.path_parameters or operation.headers:
        questions |= operation.as_strategy(GenerationMode.NEGATIVE)

    is_sure = operation.label in SURE

    @settings(
        max_examples=EXAMPLES * (8 if is_sure else 1),
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=questions, is_known=st.just(True) if is_sure else st.booleans(), version=VERSIONS)
    def holds(case: schemathesis.Case[Any], is_known: bool, version: int | None) -> None:
        refused: set[str] = set()
        for asker in askers:
            if asker.name in refused:
                continue
            answer = asker.ask(case, version, is_known=is_known)
            case.validate_response(answer, checks=CHECKS)
            if answer.status_code == 401 or (answer.status_code == 422 and "errors" in answer.json()):
                refused.add(asker.name)

    holds()


@dataclass(frozen=True)
class World:
    """A database template and the ids of its objects."""

    url: str
    known: dict[str, int | str]
    headers: dict[str, str]

    def copied(self, path: Path) -> str:
        url = make_url(self.url)
        if url.get_backend_name() == "sqlite":
            shutil.copyfile(str(url.database), path)
            return f"sqlite:///{path}"
        return copy_database(self.url, f"openapi_{path.stem}")


@pytest.fixture(scope="module")
def worlds(
    spatialite_template: Path, postgis_template: str, tmp_path_factory: pytest.TempPathFactory
) -> list[World]:
    """Return one world per database engine."""
    path = tmp_path_factory.mktemp("openapi") / "aed.sqlite"
    shutil.copyfile(spatialite_template, path)
    made = []
    for url in (f"sqlite:///{path}", copy_database(postgis_template, "openapi")):
        database = open_database(Settings(database_url=url))
        with database.write_sessions() as session:
            made.append(World(url, make_known(session), administrator(session)))
        database.close()
    return made


PARTS = 6
"""The number of groups of operations, so that several processes share the work."""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_any_request_gets_a_documented_answer_and_never_an_internal_error(
    worlds: list[World], document: dict[str, Any], tmp_path: Path, part: int
) -> None:
    loaded = schemathesis.openapi.from_dict(document).get_all_operations()
    everything = [each.ok() for each in loaded if isinstance(each, Ok)]
    assert len(everything) == len(list(operations(document)))
    of_this_part = everything[part * len(everything) // PARTS : (part + 1) * len(everything) // PARTS]
    labels = {operation.label for operation in of_this_part}

    with contextlib.ExitStack() as opened:
        askers: list[Asker] = []
        for number, (world, name) in enumerate(itertools.product(worlds, ("nobody", "administrator"))):
            url = world.copied(tmp_path / f"{number}_{part}.sqlite")
            if not url.startswith("sqlite"):
                opened.callback(drop_database, url)
            on = Settings(database_url=url, walking_network=tmp_path / "none", access_log=False, threads=4)
            client = opened.enter_context(TestClient(app_on(on), raise_server_exceptions=False))
            askers.append(Asker(name, client, world.headers if name == "administrator" else {}, world.known))

        wrong: list[FailureGroup] = []
        for operation in of_this_part:
            try:
                ask_all_of(operation, askers)
            except FailureGroup as failures:
                wrong.append(failures)
        assert [(failure.operation, str(failure)) for group in wrong for failure in group.exceptions] == []

    for asker in askers:
        fine = {label for label, statuses in asker.answered.items() if statuses & {200, 201, 204}}
        if asker.name == "administrator":
            assert labels & SURE <= fine
        else:
            assert {label for label in fine if not label.startswith("GET")} <= SIGNING_IN | BY_KEY
    for asker in askers[:2]:  # clients that were refused need no second database
        assert asker.answered.keys() == labels
