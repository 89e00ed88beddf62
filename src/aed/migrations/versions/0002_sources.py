"""Sources: what each says of a device, where an attribute comes from, and what a person must decide."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    # With a default of the database's own: the previous release's code writes devices without it.
    op.add_column("devices", sa.Column("origins", sa.JSON(), server_default="{}", nullable=False))
    op.create_table(
        "sources",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=True),
        sa.Column("country", sa.String(length=2), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("rank BETWEEN 0 AND 100", name=op.f("ck_sources_rank")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sources")),
    )
    op.create_table(
        "source_records",
        sa.Column("id", KEY, nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("source_id", sa.String(length=128), nullable=False),
        sa.Column("device_id", KEY, nullable=True),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("first_seen_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("missing_since", MOMENT, nullable=True),
        sa.Column("gone_since", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_source_records_device_id_devices")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_records")),
        sa.UniqueConstraint("source", "source_id", name=op.f("uq_source_records_source_source_id")),
    )
    op.create_index("ix_source_records_device_id", "source_records", ["device_id"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("id", KEY, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "duplicate",
                "conflict",
                "shrink",
                name="reviewkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("source_id", sa.String(length=128), nullable=False),
        sa.Column("device_id", KEY, nullable=True),
        sa.Column("attribute", sa.String(length=32), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column(
            "decision",
            sa.Enum(
                "same",
                "different",
                "take",
                "keep",
                "accept",
                "refuse",
                name="decision",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("decided_by", sa.String(length=200), nullable=True),
        sa.CheckConstraint("(decision IS NULL) = (decided_at IS NULL)", name=op.f("ck_reviews_decided")),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_reviews_device_id_devices")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint(
            "kind",
            "source",
            "source_id",
            "device_id",
            "attribute",
            name=op.f("uq_reviews_kind_source_source_id_device_id_attribute"),
        ),
    )
    op.create_index("ix_reviews_device_id", "reviews", ["device_id"], unique=False)
    op.create_index(
        "ix_reviews_open",
        "reviews",
        ["id"],
        unique=False,
        postgresql_where=sa.text("decision IS NULL"),
        sqlite_where=sa.text("decision IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("reviews")
    op.drop_table("source_records")
    op.drop_table("sources")
    op.drop_column("devices", "origins")
