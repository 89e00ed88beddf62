"""Routes of the check page.

check_history.py /d/{code}/checks: the last checks, and a second person's approval
check_form.py   /d/{code}/check, and /d/worker.js and /d/open for phones without a network
sign_in.py      /d/{code}/check/code, /sign-in and /second-factor
"""

from fastapi import APIRouter

from aed.web.checks.api import check_form, check_history, sign_in

router = APIRouter()
for part in (check_form, check_history, sign_in):
    router.include_router(part.router)
