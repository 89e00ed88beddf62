"""Appeals about service, proofs of service, and batches for volunteer platforms."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)


def _one_of(table: str, name: str, column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{each}'" for each in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=op.f(f"ck_{table}_{name}"))


def _refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"))


def upgrade() -> None:
    op.create_table(
        "appeal_panel_members",
        sa.Column("estate_id", KEY, nullable=False),
        sa.Column("party", sa.String(32), nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        _one_of(
            "appeal_panel_members",
            "partyrole",
            "party",
            ("party_committee", "owners_committee", "service_centre"),
        ),
        _refers("appeal_panel_members", "person_id", "people"),
        _refers("appeal_panel_members", "estate_id", "estates"),
        sa.PrimaryKeyConstraint("estate_id", "party", name=op.f("pk_appeal_panel_members")),
    )
    op.create_index("ix_appeal_panel_members_person_id", "appeal_panel_members", ["person_id"])
    op.create_table(
        "service_appeals",
        sa.Column("id", KEY, nullable=False),
        sa.Column("record_id", KEY, nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.UniqueConstraint("record_id", name=op.f("uq_service_appeals_record_id")),
        _one_of("service_appeals", "appealstate", "state", ("open", "granted", "dismissed")),
        sa.CheckConstraint(
            "(state = 'open') = (decided_at IS NULL)", name=op.f("ck_service_appeals_decided")
        ),
        _refers("service_appeals", "record_id", "service_records"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_appeals")),
    )
    op.create_table(
        "appeal_votes",
        sa.Column("appeal_id", KEY, nullable=False),
        sa.Column("party", sa.String(32), nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("is_granted", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("voted_at", MOMENT, nullable=False),
        _one_of(
            "appeal_votes", "partyrole", "party", ("party_committee", "owners_committee", "service_centre")
        ),
        _refers("appeal_votes", "person_id", "people"),
        _refers("appeal_votes", "appeal_id", "service_appeals"),
        sa.PrimaryKeyConstraint("appeal_id", "party", name=op.f("pk_appeal_votes")),
    )
    op.create_index("ix_appeal_votes_person_id", "appeal_votes", ["person_id"])
    op.create_table(
        "service_issuers",
        sa.Column("estate_id", KEY, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("registration", sa.String(64), nullable=True),
        sa.Column("responsible", sa.String(200), nullable=False),
        sa.Column("contact", sa.String(200), nullable=False),
        sa.Column("set_at", MOMENT, nullable=False),
        sa.Column("set_by", sa.String(200), nullable=False),
        _one_of(
            "service_issuers",
            "issuerkind",
            "kind",
            ("residents_committee", "registered_team", "property_company"),
        ),
        sa.CheckConstraint(
            "kind <> 'property_company'", name=op.f("ck_service_issuers_not_a_property_company")
        ),
        _refers("service_issuers", "estate_id", "estates"),
        sa.PrimaryKeyConstraint("estate_id", name=op.f("pk_service_issuers")),
    )
    op.create_table(
        "service_certificates",
        sa.Column("id", KEY, nullable=False),
        sa.Column("number", sa.String(40), nullable=False),
        sa.Column("key", sa.String(36), nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("until_on", sa.Date(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("name", sa.String(200), nullable=True),
        sa.Column("id_type", sa.String(32), nullable=True),
        sa.Column("id_number", sa.Text(), nullable=True),
        sa.Column("volunteer_number", sa.String(64), nullable=True),
        sa.Column("issuer_kind", sa.String(32), nullable=False),
        sa.Column("issuer", sa.String(200), nullable=False),
        sa.Column("registration", sa.String(64), nullable=True),
        sa.Column("responsible", sa.String(200), nullable=False),
        sa.Column("handler", sa.String(200), nullable=False),
        sa.Column("contact", sa.String(200), nullable=False),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("issued_at", MOMENT, nullable=False),
        sa.Column("issued_by", sa.String(200), nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("revoked_by", sa.String(200), nullable=True),
        sa.Column("revocation_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("until_on >= from_on", name=op.f("ck_service_certificates_period")),
        sa.UniqueConstraint("key", name=op.f("uq_service_certificates_key")),
        sa.UniqueConstraint("number", name=op.f("uq_service_certificates_number")),
        _one_of(
            "service_certificates",
            "idtype",
            "id_type",
            ("id_card", "passport", "hk_macao_permit", "taiwan_permit", "residence_permit"),
        ),
        sa.CheckConstraint(
            "(revoked_at IS NULL) = (revoked_by IS NULL)",
            name=op.f("ck_service_certificates_revoked_by_somebody"),
        ),
        _one_of(
            "service_certificates",
            "issuerkind",
            "issuer_kind",
            ("residents_committee", "registered_team", "property_company"),
        ),
        _refers("service_certificates", "region_id", "regions"),
        _refers("service_certificates", "estate_id", "estates"),
        _refers("service_certificates", "person_id", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_certificates")),
    )
    op.create_index("ix_service_certificates_estate_id", "service_certificates", ["estate_id"])
    op.create_index("ix_service_certificates_person_id", "service_certificates", ["person_id"])
    op.create_index("ix_service_certificates_region_id", "service_certificates", ["region_id"])
    op.create_table(
        "platform_batches",
        sa.Column("id", KEY, nullable=False),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("reference", sa.String(64), nullable=False),
        sa.Column("estate_id", KEY, nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("until_on", sa.Date(), nullable=False),
        sa.Column("endpoint", sa.String(64), nullable=True),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("made_by", sa.String(200), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("answered_at", MOMENT, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        _one_of("platform_batches", "volunteerplatform", "platform", ("zhiyuanhui", "china_volunteer")),
        _one_of("platform_batches", "batchstate", "state", ("prepared", "answered")),
        sa.UniqueConstraint("platform", "reference", name=op.f("uq_platform_batches_platform_reference")),
        _refers("platform_batches", "region_id", "regions"),
        _refers("platform_batches", "estate_id", "estates"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_platform_batches")),
    )
    op.create_index("ix_platform_batches_estate_id", "platform_batches", ["estate_id"])
    op.create_index("ix_platform_batches_region_id", "platform_batches", ["region_id"])
    op.create_table(
        "platform_rows",
        sa.Column("batch_id", KEY, nullable=False),
        sa.Column("record_id", KEY, nullable=False),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        _one_of("platform_rows", "volunteerplatform", "platform", ("zhiyuanhui", "china_volunteer")),
        _one_of("platform_rows", "rowstate", "state", ("waiting", "accepted", "rejected")),
        _refers("platform_rows", "record_id", "service_records"),
        _refers("platform_rows", "batch_id", "platform_batches"),
        sa.PrimaryKeyConstraint("batch_id", "record_id", name=op.f("pk_platform_rows")),
    )
    op.create_index("ix_platform_rows_record_id", "platform_rows", ["record_id"])
    op.create_index(
        "uq_platform_rows_once",
        "platform_rows",
        ["platform", "record_id"],
        unique=True,
        sqlite_where=sa.text("state <> 'rejected'"),
        postgresql_where=sa.text("state <> 'rejected'"),
    )


def downgrade() -> None:
    for table in (
        "platform_rows",
        "platform_batches",
        "service_certificates",
        "service_issuers",
        "appeal_votes",
        "service_appeals",
        "appeal_panel_members",
    ):
        op.drop_table(table)
