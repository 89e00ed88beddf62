"""Devices that passers-by report, reviewed like entries of lists; the photo that shows where a device hangs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)
KINDS = ("duplicate", "conflict", "shrink")


def _kinds_may_be(*kinds: str) -> None:
    listed = ", ".join(f"'{each}'" for each in kinds)
    with op.batch_alter_table("reviews", reflect_kwargs={"resolve_fks": False}) as batch:
        batch.drop_constraint(op.f("ck_reviews_reviewkind"), type_="check")
        batch.create_check_constraint(op.f("ck_reviews_reviewkind"), f"kind IN ({listed})")


def upgrade() -> None:
    _kinds_may_be(*KINDS, "sighting")
    op.create_table(
        "sightings",
        sa.Column("id", KEY, nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("from_key", sa.String(64), nullable=True),
        sa.Column("lat", sa.Float(), nullable=True),
        sa.Column("lon", sa.Float(), nullable=True),
        sa.Column("place_en", sa.Text(), nullable=True),
        sa.Column("place_zh", sa.Text(), nullable=True),
        sa.Column("taken_at", sa.String(32), nullable=True),
        sa.Column("jpeg", sa.LargeBinary(), nullable=True),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.CheckConstraint("(lat IS NULL) = (lon IS NULL)", name=op.f("ck_sightings_position")),
        sa.CheckConstraint(
            "sent_at IS NULL OR lat IS NOT NULL", name=op.f("ck_sightings_sent_with_position")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sightings")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_sightings_key_hash")),
    )
    op.create_index("ix_sightings_from", "sightings", ["from_key", "at"])
    op.create_index("ix_sightings_at", "sightings", ["at"])
    op.create_table(
        "place_photos",
        sa.Column("device_id", KEY, autoincrement=False, nullable=False),
        sa.Column("photo_id", KEY, nullable=False),
        sa.Column("chosen_at", MOMENT, nullable=False),
        sa.Column("chosen_by", sa.String(200), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_place_photos_device_id_devices")
        ),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name=op.f("fk_place_photos_photo_id_photos")),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_place_photos")),
    )


def downgrade() -> None:
    """Drop the tables. visibility: a schema's own step, which nobody is shown."""
    op.drop_table("place_photos")
    op.drop_table("sightings")
    op.execute("DELETE FROM reviews WHERE kind = 'sighting'")
    _kinds_may_be(*KINDS)
