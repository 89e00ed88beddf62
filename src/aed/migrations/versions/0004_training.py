"""Training: courses, sessions, enrolments, attendance, assessments; certificates that are awarded and revoked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry

from aed.database.schema import add_geometry_column, drop_spatial_table

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def upgrade() -> None:
    # With defaults of the database's own: the previous release's code writes certificates without them.
    op.add_column(
        "certificates", sa.Column("is_awarded", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("certificates", sa.Column("revoked_at", MOMENT, nullable=True))
    op.add_column("certificates", sa.Column("revoked_why", sa.Text(), nullable=True))
    op.drop_index("ix_certificates_valid", table_name="certificates")
    op.create_index(
        "ix_certificates_valid", "certificates", ["responder_id", "valid_until", "revoked_at"], unique=False
    )
    op.create_index(
        "uq_certificates_awarded",
        "certificates",
        ["number"],
        unique=True,
        postgresql_where=sa.text("is_awarded"),
        sqlite_where=sa.text("is_awarded"),
    )
    op.create_table(
        "courses",
        sa.Column("id", KEY, nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("name_en", sa.String(length=200), nullable=False),
        sa.Column("name_zh", sa.String(length=200), nullable=False),
        sa.Column("hours", sa.Double(), nullable=False),
        sa.Column(
            "certificate_kind",
            one_of("certificatekind", "first_aid", "cpr_aed", "professional"),
            nullable=True,
        ),
        sa.Column("issuer", sa.String(length=200), nullable=True),
        sa.Column("validity_months", sa.Integer(), nullable=True),
        sa.Column("refresher_months", sa.Integer(), nullable=True),
        sa.Column("state", one_of("coursestate", "offered", "withdrawn"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("hours > 0 AND hours <= 400", name=op.f("ck_courses_hours")),
        sa.CheckConstraint("validity_months BETWEEN 1 AND 120", name=op.f("ck_courses_validity_months")),
        sa.CheckConstraint("refresher_months BETWEEN 1 AND 60", name=op.f("ck_courses_refresher_months")),
        sa.CheckConstraint(
            "(certificate_kind IS NULL) = (validity_months IS NULL) AND (certificate_kind IS NULL) = (issuer IS NULL)",
            name=op.f("ck_courses_certificate_whole"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_courses")),
        sa.UniqueConstraint("code", name=op.f("uq_courses_code")),
    )
    op.create_table(
        "course_prerequisites",
        sa.Column("course_id", KEY, nullable=False),
        sa.Column("needs_id", KEY, nullable=False),
        sa.CheckConstraint("course_id <> needs_id", name=op.f("ck_course_prerequisites_not_itself")),
        sa.ForeignKeyConstraint(
            ["course_id"], ["courses.id"], name=op.f("fk_course_prerequisites_course_id_courses")
        ),
        sa.ForeignKeyConstraint(
            ["needs_id"], ["courses.id"], name=op.f("fk_course_prerequisites_needs_id_courses")
        ),
        sa.PrimaryKeyConstraint("course_id", "needs_id", name=op.f("pk_course_prerequisites")),
    )
    op.create_index(
        op.f("ix_course_prerequisites_needs_id"), "course_prerequisites", ["needs_id"], unique=False
    )
    op.create_table(
        "training_sessions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("course_id", KEY, nullable=False),
        sa.Column("trainer_id", KEY, nullable=True),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=True),
        sa.Column("audience", one_of("sessionaudience", "estate", "public"), nullable=False),
        sa.Column("place_en", sa.Text(), nullable=False),
        sa.Column("place_zh", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("enrolment_closes_at", MOMENT, nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("minimum", sa.Integer(), nullable=False),
        sa.Column("state", one_of("sessionstate", "planned", "cancelled", "held"), nullable=False),
        sa.Column("cancelled_why", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "ends_at > starts_at AND enrolment_closes_at <= starts_at",
            name=op.f("ck_training_sessions_in_order"),
        ),
        sa.CheckConstraint("minimum BETWEEN 1 AND capacity", name=op.f("ck_training_sessions_minimum")),
        sa.CheckConstraint("capacity BETWEEN 1 AND 1000", name=op.f("ck_training_sessions_capacity")),
        sa.CheckConstraint(
            "audience <> 'estate' OR estate_id IS NOT NULL",
            name=op.f("ck_training_sessions_estate_for_its_people"),
        ),
        sa.CheckConstraint(
            "(state = 'cancelled') = (cancelled_why IS NOT NULL)",
            name=op.f("ck_training_sessions_why_cancelled"),
        ),
        sa.ForeignKeyConstraint(
            ["course_id"], ["courses.id"], name=op.f("fk_training_sessions_course_id_courses")
        ),
        sa.ForeignKeyConstraint(
            ["trainer_id"], ["people.id"], name=op.f("fk_training_sessions_trainer_id_people")
        ),
        sa.ForeignKeyConstraint(
            ["region_id"], ["regions.id"], name=op.f("fk_training_sessions_region_id_regions")
        ),
        sa.ForeignKeyConstraint(
            ["estate_id"], ["estates.id"], name=op.f("fk_training_sessions_estate_id_estates")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_sessions")),
    )
    for name in ("course_id", "trainer_id", "region_id", "estate_id"):
        op.create_index(op.f(f"ix_training_sessions_{name}"), "training_sessions", [name], unique=False)
    op.create_index("ix_training_sessions_starts", "training_sessions", ["starts_at", "id"], unique=False)
    op.create_table(
        "enrolments",
        sa.Column("id", KEY, nullable=False),
        sa.Column("session_id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=True),
        sa.Column(
            "state",
            one_of(
                "enrolmentstate",
                "enrolled",
                "waiting",
                "offered",
                "withdrawn",
                "lapsed",
                "cancelled",
                "moved",
            ),
            nullable=False,
        ),
        sa.Column("enrolled_at", MOMENT, nullable=False),
        sa.Column("offer_expires_at", MOMENT, nullable=True),
        sa.Column("moved_to_id", KEY, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(state = 'offered') = (offer_expires_at IS NOT NULL)", name=op.f("ck_enrolments_offer_ends")
        ),
        sa.ForeignKeyConstraint(
            ["session_id"], ["training_sessions.id"], name=op.f("fk_enrolments_session_id_training_sessions")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_enrolments_person_id_people")),
        sa.ForeignKeyConstraint(["estate_id"], ["estates.id"], name=op.f("fk_enrolments_estate_id_estates")),
        sa.ForeignKeyConstraint(
            ["moved_to_id"], ["enrolments.id"], name=op.f("fk_enrolments_moved_to_id_enrolments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrolments")),
    )
    op.create_index(op.f("ix_enrolments_person_id"), "enrolments", ["person_id"], unique=False)
    op.create_index(op.f("ix_enrolments_estate_id"), "enrolments", ["estate_id"], unique=False)
    op.create_index("ix_enrolments_in_order", "enrolments", ["session_id", "state", "id"], unique=False)
    op.create_index("ix_enrolments_offers", "enrolments", ["state", "offer_expires_at"], unique=False)
    is_active = "state = 'enrolled' OR state = 'waiting' OR state = 'offered'"
    op.create_index(
        "uq_enrolments_standing",
        "enrolments",
        ["session_id", "person_id"],
        unique=True,
        postgresql_where=sa.text(is_active),
        sqlite_where=sa.text(is_active),
    )
    op.create_table(
        "attendances",
        sa.Column("id", KEY, nullable=False),
        sa.Column("enrolment_id", KEY, nullable=False),
        sa.Column("state", one_of("attendancestate", "attended", "no_show"), nullable=False),
        sa.Column("how", one_of("markedby", "hand", "list"), nullable=False),
        sa.Column("marked_at", MOMENT, nullable=False),
        sa.Column("marked_by", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolments.id"], name=op.f("fk_attendances_enrolment_id_enrolments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attendances")),
        sa.UniqueConstraint("enrolment_id", name=op.f("uq_attendances_enrolment_id")),
    )
    op.create_table(
        "assessments",
        sa.Column("id", KEY, nullable=False),
        sa.Column("enrolment_id", KEY, nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("assessed_at", MOMENT, nullable=False),
        sa.Column("assessed_by", sa.String(length=200), nullable=False),
        sa.Column("certificate_id", KEY, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["enrolment_id"], ["enrolments.id"], name=op.f("fk_assessments_enrolment_id_enrolments")
        ),
        sa.ForeignKeyConstraint(
            ["certificate_id"], ["certificates.id"], name=op.f("fk_assessments_certificate_id_certificates")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessments")),
        sa.UniqueConstraint("enrolment_id", name=op.f("uq_assessments_enrolment_id")),
    )
    op.create_index(op.f("ix_assessments_certificate_id"), "assessments", ["certificate_id"], unique=False)
    add_geometry_column(
        op.get_bind(), "training_sessions", sa.Column("position", Geometry("POINT", srid=4326))
    )


def downgrade() -> None:
    for name in ("assessments", "attendances", "enrolments"):
        op.drop_table(name)
    drop_spatial_table(op.get_bind(), "training_sessions", ["position"])
    op.drop_table("course_prerequisites")
    op.drop_table("courses")
    op.drop_index("uq_certificates_awarded", table_name="certificates")
    op.drop_index("ix_certificates_valid", table_name="certificates")
    op.create_index("ix_certificates_valid", "certificates", ["responder_id", "valid_until"], unique=False)
    for name in ("revoked_why", "revoked_at", "is_awarded"):
        op.drop_column("certificates", name)
