"""Routes of a person's own second factors."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import OwnSessionDep, client_address
from aed.accounts.second_factors import actions, passkeys
from aed.accounts.second_factors.requests import give_second_factor, give_second_factor_code
from aed.accounts.second_factors.schemas import (
    AppIn,
    AppOut,
    FactorOut,
    OptionsOut,
    PasskeyGivenIn,
    PasskeyIn,
    RecoveryCodesOut,
    SecondFactorIn,
    SecondFactorsOut,
)
from aed.accounts.sessions import SignIn, csrf_token, sign_in_by_key
from aed.accounts.sign_in import queries as sign_in_queries
from aed.database.dependencies import DatabaseDep, ReadSession, WriteSession
from aed.http.parameters import SettingsDep

router = APIRouter(tags=["accounts"])

FactorId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


# --- Giving a second factor -----------------------------------------------------------------------------


@router.get("/sign-in/second-factor")
def get_second_factors(session: ReadSession, key: OwnSessionDep) -> SecondFactorsOut:
    """Get your second factors, and whether this session needs one."""
    own = sign_in_by_key(session, key, at=clock.now())
    is_demanded = own.is_limited or sign_in_queries.needs_second_factor(session, own.person_id)
    return SecondFactorsOut(
        is_needed=own.second_factor_at is None and is_demanded,
        factors=[FactorOut.of(each) for each in sign_in_queries.second_factors(session, own.person_id)],
        recovery_codes_left=sign_in_queries.recovery_codes_left(session, own.person_id),
        csrf_token=csrf_token(key),
    )


@router.post("/sign-in/second-factor", status_code=204)
def sign_in_with_second_factor(
    request: Request, database: DatabaseDep, key: OwnSessionDep, given: SecondFactorIn
) -> None:
    """Give the code of an authenticator app, or a recovery code."""
    give_second_factor_code(request, database, key, given.code.get_secret_value())


@router.post("/sign-in/second-factor/passkey/options")
def get_passkey_sign_in_options(
    session: WriteSession, settings: SettingsDep, key: OwnSessionDep
) -> OptionsOut:
    """Get the options for signing with a passkey, valid once within five minutes."""
    own = sign_in_by_key(session, key, at=clock.now(), lock=True)
    made = passkeys.passkey_sign_in_options(session, own, public_url=settings.public_url, at=clock.now())
    return OptionsOut(public_key=made)


@router.post("/sign-in/second-factor/passkey", status_code=204)
def sign_in_with_passkey(
    request: Request, database: DatabaseDep, settings: SettingsDep, key: OwnSessionDep, given: PasskeyGivenIn
) -> None:
    """Give the assertion of a passkey as the second factor."""
    address = client_address(request)

    def give(session: Session, own: SignIn, at: datetime) -> bool:
        return passkeys.verify_passkey(
            session, own, given.credential, public_url=settings.public_url, address=address, at=at
        )

    give_second_factor(request, database, key, give)


# --- Adding and removing --------------------------------------------------------------------------------


@router.post("/me/second-factors/app", status_code=201)
def add_authenticator_app(session: WriteSession, key: OwnSessionDep, new: AppIn) -> AppOut:
    """Begin to add an authenticator app: show its URI as a QR code, then confirm with its first code."""
    own = sign_in_by_key(session, key, at=clock.now(), lock=True)
    made = actions.add_app(session, own, new.name, at=clock.now())
    return AppOut(id=made.factor_id, secret=made.secret, uri=made.uri)


@router.post("/me/second-factors/{factor_id}/confirm")
def confirm_authenticator_app(
    session: WriteSession, key: OwnSessionDep, factor_id: FactorId, given: SecondFactorIn
) -> RecoveryCodesOut:
    """Confirm an authenticator app by its first code. Your first factor comes with recovery codes."""
    own = sign_in_by_key(session, key, at=clock.now(), lock=True)
    codes = actions.confirm_app(session, own, factor_id, given.code.get_secret_value(), at=clock.now())
    return RecoveryCodesOut(recovery_codes=codes)


@router.post("/me/second-factors/passkey/options")
def get_passkey_creation_options(
    session: WriteSession, settings: SettingsDep, key: OwnSessionDep
) -> OptionsOut:
    """Get the options for creating a passkey, valid once within five minutes."""
    own = sign_in_by_key(session, key, at=clock.now(), lock=True)
    made = passkeys.passkey_creation_options(session, own, public_url=settings.public_url, at=clock.now())
    return OptionsOut(public_key=made)


@router.post("/me/second-factors/passkey", status_code=201)
def add_passkey(
    session: WriteSession, settings: SettingsDep, key: OwnSessionDep, new: PasskeyIn
) -> RecoveryCodesOut:
    """Add a passkey. Your first factor comes with recovery codes."""
    own = sign_in_by_key(session, key, at=clock.now(), lock=True)
    codes = passkeys.add_passkey(
        session, own, new.name, new.credential, public_url=settings.public_url, at=clock.now()
    )
    return RecoveryCodesOut(recovery_codes=codes)


@router.post("/me/recovery-codes", status_code=201)
def create_recovery_codes(session: WriteSession, key: OwnSessionDep) -> RecoveryCodesOut:
    """Create new recovery codes; the previous ones become invalid."""
    own = sign_in_by_key(session, key, at=clock.now(), lock=True)
    return RecoveryCodesOut(recovery_codes=actions.new_recovery_codes(session, own))


@router.delete("/me/second-factors/{factor_id}", status_code=204)
def remove_second_factor(session: WriteSession, key: OwnSessionDep, factor_id: FactorId) -> None:
    """Remove one of your second factors."""
    own = sign_in_by_key(session, key, at=clock.now(), lock=True)
    actions.remove_factor(session, own, factor_id, at=clock.now())
