"""An address as a QR code."""

from __future__ import annotations

import io

import segno


def qr_svg(address: str) -> str:
    """A black and white SVG, its quiet zone included, that fills what it is put into."""
    written = io.BytesIO()
    segno.make_qr(address, error="m").save(written, kind="svg", xmldecl=False, omitsize=True, light="#fff")
    return written.getvalue().decode()
