"""Passkeys as second factors (WebAuthn), by the library `webauthn`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
import webauthn
from sqlalchemy import select
from sqlalchemy.orm import Session
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import PublicKeyCredentialDescriptor, UserVerificationRequirement

from aed.accounts.people.models import Person
from aed.accounts.second_factors.actions import (
    ISSUER,
    record_factor_added,
    record_second_factor,
    require_second_factor,
)
from aed.accounts.sessions import SignIn
from aed.accounts.sign_in import queries as sign_in_queries
from aed.accounts.sign_in.models import SecondFactor
from aed.accounts.sign_in.rules import CHALLENGE_LIFETIME, MAX_FACTORS, FactorKind
from aed.errors import Conflict, InvalidInput, NotFound, NotSignedIn

type PasskeyOptions = dict[str, Any]
"""Options for `navigator.credentials`, as JSON from the library."""


def _site(public_url: str | None) -> tuple[str, str]:
    """Return the site's name and origin, to which passkeys are bound. Raises NotFound if there is none."""
    if public_url is None:
        raise NotFound("Passkeys are bound to a public URL. Set AED_PUBLIC_URL, or use an authenticator app.")
    parts = urlsplit(public_url)
    return parts.hostname or "", f"{parts.scheme}://{parts.netloc}"


def _passkeys(session: Session, person_id: int) -> list[SecondFactor]:
    return [
        each for each in sign_in_queries.second_factors(session, person_id) if each.kind is FactorKind.PASSKEY
    ]


def _descriptors(passkeys: list[SecondFactor]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(id=base64url_to_bytes(each.credential_id))
        for each in passkeys
        if each.credential_id is not None
    ]


def _put_challenge(sign_in: SignIn, challenge: bytes, at: datetime) -> None:
    sign_in.challenge, sign_in.challenge_until = bytes_to_base64url(challenge), at + CHALLENGE_LIFETIME


def _take_challenge(sign_in: SignIn, at: datetime) -> bytes:
    """Take the challenge, which is valid once. Raises NotSignedIn if it has expired."""
    challenge, until = sign_in.challenge, sign_in.challenge_until
    sign_in.challenge = sign_in.challenge_until = None
    if challenge is None or until is None or until <= at:
        raise NotSignedIn("The request expired or was already used. Start again.")
    return base64url_to_bytes(challenge)


def passkey_creation_options(
    session: Session, sign_in: SignIn, *, public_url: str | None, at: datetime
) -> PasskeyOptions:
    """Return the options for `navigator.credentials.create`.

    visibility: the person's own session.
    """
    site, _origin = _site(public_url)
    require_second_factor(session, sign_in)
    if len(sign_in_queries.second_factors(session, sign_in.person_id)) >= MAX_FACTORS:
        raise Conflict("You have {max_factors} second factors. Remove one first.", max_factors=MAX_FACTORS)
    person = session.get_one(Person, sign_in.person_id)
    options = webauthn.generate_registration_options(
        rp_id=site,
        rp_name=ISSUER,
        user_id=f"person:{person.id}".encode(),
        user_name=person.name,
        exclude_credentials=_descriptors(_passkeys(session, person.id)),
    )
    _put_challenge(sign_in, options.challenge, at)
    found: PasskeyOptions = orjson.loads(webauthn.options_to_json(options))
    return found


def add_passkey(
    session: Session,
    sign_in: SignIn,
    name: str,
    credential: PasskeyOptions,
    *,
    public_url: str | None,
    at: datetime,
) -> list[str]:
    """Add the passkey that the browser created; return new recovery codes if it is the first factor.

    Raises InvalidInput for a passkey of another site or another challenge.
    """
    site, origin = _site(public_url)
    require_second_factor(session, sign_in)
    challenge = _take_challenge(sign_in, at)
    try:
        verified = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site,
            expected_origin=origin,
        )
    except WebAuthnException:
        raise InvalidInput(
            "This passkey belongs to another site or another request.", field="credential"
        ) from None
    credential_id = bytes_to_base64url(verified.credential_id)
    if session.scalar(select(SecondFactor.id).where(SecondFactor.credential_id == credential_id)) is not None:
        raise Conflict("This passkey is already in use.", field="credential")
    factor = SecondFactor(
        person_id=sign_in.person_id,
        kind=FactorKind.PASSKEY,
        name=name,
        secret=bytes_to_base64url(verified.credential_public_key),
        credential_id=credential_id,
        sign_count=verified.sign_count,
        added_at=at,
    )
    session.add(factor)
    return record_factor_added(session, sign_in, factor, at=at)


def passkey_sign_in_options(
    session: Session, sign_in: SignIn, *, public_url: str | None, at: datetime
) -> PasskeyOptions:
    """Return the options for `navigator.credentials.get`. Raises NotFound if the person has no passkey."""
    site, _origin = _site(public_url)
    passkeys = _passkeys(session, sign_in.person_id)
    if not passkeys:
        raise NotFound("You have no passkey here.")
    options = webauthn.generate_authentication_options(
        rp_id=site,
        allow_credentials=_descriptors(passkeys),
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    _put_challenge(sign_in, options.challenge, at)
    found: PasskeyOptions = orjson.loads(webauthn.options_to_json(options))
    return found


def verify_passkey(
    session: Session,
    sign_in: SignIn,
    credential: PasskeyOptions,
    *,
    public_url: str | None,
    address: str,
    at: datetime,
) -> bool:
    """Verify the assertion of a passkey and lift the session's limit; return False if it is wrong."""
    site, origin = _site(public_url)
    challenge = _take_challenge(sign_in, at)
    known = {each.credential_id: each for each in _passkeys(session, sign_in.person_id)}
    factor = known.get(str(credential.get("id")))
    if factor is None:
        return False
    try:
        verified = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site,
            expected_origin=origin,
            credential_public_key=base64url_to_bytes(factor.secret),
            credential_current_sign_count=factor.sign_count,
        )
    except WebAuthnException:
        return False
    factor.sign_count = verified.new_sign_count
    record_second_factor(session, sign_in, factor, address=address, at=at)
    return True
