"""Routes of the volunteer's time bank.

own_page.py     /me/time-bank
giving.py       /me/time-bank/give
people.py       /me/time-bank/people, /time-bank/invitations
services.py     /me/time-bank/services
proofs.py       /me/time-bank/proofs
confirming.py   /service
"""

from fastapi import APIRouter

from aed.web.time_bank.api import confirming, giving, own_page, people, proofs, services

router = APIRouter()
for part in (own_page, giving, people, services, proofs, confirming):
    router.include_router(part.router)
