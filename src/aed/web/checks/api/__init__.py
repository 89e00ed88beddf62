"""Routes of the check page.

check_form.py   /d/{code}/check, and /d/worker.js and /d/open for phones without a network
sign_in.py      /d/{code}/check/code, /sign-in and /second-factor
"""

from fastapi import APIRouter

from aed.web.checks.api import check_form, sign_in

router = APIRouter()
for part in (check_form, sign_in):
    router.include_router(part.router)
