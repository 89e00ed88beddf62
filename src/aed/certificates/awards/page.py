"""The HTML page that shows the result of a certificate check."""

from __future__ import annotations

from datetime import date
from html import escape

from aed.http.pages import Page
from aed.training.attendance.pages import centred_page


def certificate_page(*, is_valid: bool, holder: str | None, valid_until: date | None) -> Page:
    """Return the page: valid or not, and if known the masked holder and the last valid day."""
    mark = '<p class="mark yes">有效 Valid</p>' if is_valid else '<p class="mark no">无效 Not valid</p>'
    rest = (
        "<p>此码不是本网络签发的证书，或已被改动。</p>"
        '<p class="en">This code is of no certificate of this network, or was altered.</p>'
    )
    if holder is not None and valid_until is not None:
        rest = (
            f"<dl><dt>持证人 Holder</dt><dd>{escape(holder)}</dd>"
            f"<dt>有效期至 Valid until</dt><dd>{valid_until.isoformat()}</dd></dl>"
        )
    return centred_page("证书查验 Certificate check", f"<h1>证书查验<br>Certificate check</h1>{mark}{rest}")
