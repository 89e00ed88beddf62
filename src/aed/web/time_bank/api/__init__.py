"""Routes of the volunteer's time bank.

own_page.py     /me/time-bank
proofs.py       /me/time-bank/proofs
confirming.py   /service
"""

from fastapi import APIRouter

from aed.web.time_bank.api import confirming, own_page, proofs

router = APIRouter()
for part in (own_page, proofs, confirming):
    router.include_router(part.router)
