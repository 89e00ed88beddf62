"""Routes of my page.

own_page.py       /me
residence.py      /me/estate, /residence
certificates.py   /me/certificate, /certificates
offer.py          /me/offer
linked_accounts.py  /me/other-provinces
own_data.py       /me/data, /me/erasure
"""

from fastapi import APIRouter

from aed.web.my_page.api import certificates, linked_accounts, offer, own_data, own_page, residence

router = APIRouter()
for part in (own_page, residence, certificates, offer, linked_accounts, own_data):
    router.include_router(part.router)
