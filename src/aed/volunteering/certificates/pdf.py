"""Proofs of service as PDF. The layout is in `proof.typ`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any, Final

from aed.files.typesetting import pdf_of, qr_svg
from aed.responders.rules import CertificateKind
from aed.volunteering.models import ServiceCertificate
from aed.volunteering.rules import IdType, ServiceSource, hours_and_minutes

CONTENT: Final[Mapping[ServiceSource, str]] = {
    ServiceSource.CHECK: "AED巡检",
    ServiceSource.DRILL: "急救演练",
    ServiceSource.SESSION_TAUGHT: "急救培训授课",
    ServiceSource.SESSION_HELPED: "急救培训协助",
    ServiceSource.CALL: "应急救护",
    ServiceSource.GUIDE: "应急引导",
    ServiceSource.PATROL: "巡逻",
    ServiceSource.OTHER: "其他志愿服务",
}
TRAINING: Final[Mapping[CertificateKind, str]] = {
    CertificateKind.FIRST_AID: "救护员证",
    CertificateKind.CPR_AED: "心肺复苏与自动体外除颤器证书",
    CertificateKind.PROFESSIONAL: "专业急救人员证书",
}
ID_TYPES: Final[Mapping[IdType, str]] = {
    IdType.ID_CARD: "居民身份证",
    IdType.PASSPORT: "护照",
    IdType.HK_MACAO_PERMIT: "港澳居民来往内地通行证",
    IdType.TAIWAN_PERMIT: "台湾居民来往大陆通行证",
    IdType.RESIDENCE_PERMIT: "外国人永久居留身份证",
}


def proof_pdf(about: ServiceCertificate, *, address: str) -> bytes:
    """Return the proof as PDF, with `address` as the QR code for checking it.

    The same input gives the same bytes. Raises PaperNotMade if typesetting fails.
    """
    given = {
        "number": about.number,
        "name": about.name or "",
        "id_type": ID_TYPES[about.id_type] if about.id_type is not None else "",
        "id_number": about.id_number or "",
        "volunteer_number": about.volunteer_number or "",
        "period": f"{_in_chinese(about.from_on)}至{_in_chinese(about.until_on)}",
        "hours": hours_and_minutes(about.minutes),
        "content": [
            [CONTENT[ServiceSource(each["source"])], str(each["times"]), hours_and_minutes(each["minutes"])]
            for each in about.content
        ],
        "issuer": about.issuer,
        "registration": about.registration or "",
        "responsible": about.responsible,
        "handler": about.handler,
        "contact": about.contact,
        "training": "；".join(_training(each) for each in about.training or ()),
        "awards": about.awards or "",
        "evaluation": (
            f"{about.ratings}次服务评价，平均{about.mean_rating:.1f}分（满分5分）"
            if about.mean_rating is not None
            else ""
        ),
        "notes": about.notes or "",
        "issued_on": _in_chinese(about.issued_on),
        "qr": qr_svg(address),
    }
    return pdf_of(__package__, "proof.typ", given, made_at=datetime.combine(about.issued_on, time(), UTC))


def _training(certificate: Mapping[str, Any]) -> str:
    """Return a certificate as 名称（颁发单位，编号，有效期）."""
    details = [certificate["issuer"]]
    if certificate["number"]:
        details.append(f"编号{certificate['number']}")
    details.append(f"有效期至{_in_chinese(date.fromisoformat(certificate['valid_until']))}")
    return f"{TRAINING[CertificateKind(certificate['kind'])]}（{'，'.join(details)}）"


def _in_chinese(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"
