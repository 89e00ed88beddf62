"""The register: regions, people, tokens, estates, gates, devices, consumables, holidays, responders."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry

from aed.database.schema import add_geometry_column, create_nearest_index, drop_spatial_table

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column("id", KEY, nullable=False),
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
    )
    op.create_index("ix_changes_subject", "changes", ["subject", "subject_id"], unique=False)
    op.create_table(
        "holiday_calendars",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_holiday_calendars")),
    )
    op.create_table(
        "people",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("phone", sa.String(length=32), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
    )
    op.create_index(op.f("ix_people_phone"), "people", ["phone"], unique=False)
    op.create_table(
        "holiday_days",
        sa.Column("calendar_name", sa.String(length=32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "holiday", "workday", name="daykind", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["calendar_name"],
            ["holiday_calendars.name"],
            name=op.f("fk_holiday_days_calendar_name_holiday_calendars"),
        ),
        sa.PrimaryKeyConstraint("calendar_name", "day", name=op.f("pk_holiday_days")),
    )
    op.create_table(
        "holiday_years",
        sa.Column("calendar_name", sa.String(length=32), nullable=False),
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["calendar_name"],
            ["holiday_calendars.name"],
            name=op.f("fk_holiday_years_calendar_name_holiday_calendars"),
        ),
        sa.PrimaryKeyConstraint("calendar_name", "year", name=op.f("pk_holiday_years")),
    )
    op.create_table(
        "regions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("name_en", sa.String(length=200), nullable=False),
        sa.Column("name_zh", sa.String(length=200), nullable=False),
        sa.Column("parent_id", KEY, nullable=True),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("emergency_number", sa.String(length=16), nullable=False),
        sa.Column("holiday_calendar", sa.String(length=32), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["holiday_calendar"],
            ["holiday_calendars.name"],
            name=op.f("fk_regions_holiday_calendar_holiday_calendars"),
        ),
        sa.ForeignKeyConstraint(["parent_id"], ["regions.id"], name=op.f("fk_regions_parent_id_regions")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_regions")),
        sa.UniqueConstraint("code", name=op.f("uq_regions_code")),
    )
    op.create_index(op.f("ix_regions_parent_id"), "regions", ["parent_id"], unique=False)
    op.create_table(
        "estates",
        sa.Column("id", KEY, nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("source_id", sa.String(length=128), nullable=False),
        sa.Column("name_en", sa.String(length=200), nullable=False),
        sa.Column("name_zh", sa.String(length=200), nullable=False),
        sa.Column("neighbourhood", sa.String(length=64), nullable=True),
        sa.Column("time_zone", sa.String(length=64), nullable=True),
        sa.Column("guard_phone", sa.String(length=32), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "standing",
                "withdrawn",
                name="estatestate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["region_id"], ["regions.id"], name=op.f("fk_estates_region_id_regions")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_estates")),
        sa.UniqueConstraint("source", "source_id", name=op.f("uq_estates_source_source_id")),
    )
    op.create_index(op.f("ix_estates_neighbourhood"), "estates", ["neighbourhood"], unique=False)
    op.create_index(op.f("ix_estates_region_id"), "estates", ["region_id"], unique=False)
    op.create_table(
        "devices",
        sa.Column("id", KEY, nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=True),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("source_id", sa.String(length=128), nullable=False),
        sa.Column(
            "origin_datum",
            sa.Enum(
                "wgs84", "gcj02", "bd09", name="datum", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("origin_lat", sa.Double(), nullable=False),
        sa.Column("origin_lon", sa.Double(), nullable=False),
        sa.Column("place_en", sa.Text(), nullable=True),
        sa.Column("place_zh", sa.Text(), nullable=True),
        sa.Column("floor", sa.Integer(), nullable=False),
        sa.Column("opening_hours", sa.Text(), nullable=True),
        sa.Column("hours_as_written", sa.Text(), nullable=True),
        sa.Column(
            "entry",
            sa.Enum(
                "free",
                "assisted",
                "unknown",
                name="entry",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("how_to_get_in_en", sa.Text(), nullable=True),
        sa.Column("how_to_get_in_zh", sa.Text(), nullable=True),
        sa.Column(
            "cabinet",
            sa.Enum(
                "none",
                "unlocked",
                "alarmed",
                "locked",
                "unknown",
                name="cabinet",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("maker", sa.String(length=100), nullable=True),
        sa.Column("model", sa.String(length=100), nullable=True),
        sa.Column("serial", sa.String(length=100), nullable=True),
        sa.Column("keeper_id", KEY, nullable=True),
        sa.Column(
            "audience",
            sa.Enum(
                "estate",
                "neighbours",
                "dispatch",
                "public",
                name="audience",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum(
                "in_service",
                "out_of_service",
                "withdrawn",
                name="devicestate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("out_of_service_reason", sa.Text(), nullable=True),
        sa.Column("last_checked_on", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(state = 'out_of_service') = (out_of_service_reason IS NOT NULL)",
            name=op.f("ck_devices_reason_when_out_of_service"),
        ),
        sa.CheckConstraint("floor BETWEEN -20 AND 200", name=op.f("ck_devices_floor_of_a_building")),
        sa.ForeignKeyConstraint(["estate_id"], ["estates.id"], name=op.f("fk_devices_estate_id_estates")),
        sa.ForeignKeyConstraint(["keeper_id"], ["people.id"], name=op.f("fk_devices_keeper_id_people")),
        sa.ForeignKeyConstraint(["region_id"], ["regions.id"], name=op.f("fk_devices_region_id_regions")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("source", "source_id", name=op.f("uq_devices_source_source_id")),
    )
    op.create_index("ix_devices_estate_id", "devices", ["estate_id"], unique=False)
    op.create_index(op.f("ix_devices_keeper_id"), "devices", ["keeper_id"], unique=False)
    op.create_index("ix_devices_region_id", "devices", ["region_id"], unique=False)
    op.create_table(
        "gates",
        sa.Column("id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("source_id", sa.String(length=128), nullable=False),
        sa.Column("name_en", sa.String(length=200), nullable=False),
        sa.Column("name_zh", sa.String(length=200), nullable=False),
        sa.Column(
            "passage",
            sa.Enum(
                "open",
                "guarded",
                "residents",
                name="passage",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("opening_hours", sa.Text(), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "standing",
                "withdrawn",
                name="gatestate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["estate_id"], ["estates.id"], name=op.f("fk_gates_estate_id_estates")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gates")),
        sa.UniqueConstraint("source", "source_id", name=op.f("uq_gates_source_source_id")),
    )
    op.create_index(op.f("ix_gates_estate_id"), "gates", ["estate_id"], unique=False)
    op.create_table(
        "responders",
        sa.Column("id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=True),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("source_id", sa.String(length=128), nullable=False),
        sa.Column("availability", sa.Text(), nullable=True),
        sa.Column("paused_until", MOMENT, nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "active",
                "withdrawn",
                name="responderstate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["estate_id"], ["estates.id"], name=op.f("fk_responders_estate_id_estates")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_responders_person_id_people")),
        sa.ForeignKeyConstraint(["region_id"], ["regions.id"], name=op.f("fk_responders_region_id_regions")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_responders")),
        sa.UniqueConstraint("source", "source_id", name=op.f("uq_responders_source_source_id")),
    )
    op.create_index(op.f("ix_responders_estate_id"), "responders", ["estate_id"], unique=False)
    op.create_index(op.f("ix_responders_person_id"), "responders", ["person_id"], unique=False)
    op.create_index(op.f("ix_responders_region_id"), "responders", ["region_id"], unique=False)
    op.create_table(
        "tokens",
        sa.Column("id", KEY, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "member",
                "dispatcher",
                "administrator",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("estate_id", KEY, nullable=True),
        sa.Column("region_id", KEY, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "(role = 'dispatcher') = (region_id IS NOT NULL)", name=op.f("ck_tokens_dispatcher_of_a_region")
        ),
        sa.CheckConstraint(
            "(role = 'member') = (estate_id IS NOT NULL)", name=op.f("ck_tokens_member_of_an_estate")
        ),
        sa.ForeignKeyConstraint(["estate_id"], ["estates.id"], name=op.f("fk_tokens_estate_id_estates")),
        sa.ForeignKeyConstraint(["region_id"], ["regions.id"], name=op.f("fk_tokens_region_id_regions")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_tokens_key_hash")),
    )
    op.create_index("uq_tokens_name", "tokens", ["name"], unique=True)
    op.create_table(
        "certificates",
        sa.Column("id", KEY, nullable=False),
        sa.Column("responder_id", KEY, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "first_aid",
                "cpr_aed",
                "professional",
                name="certificatekind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("issuer", sa.String(length=200), nullable=False),
        sa.Column("number", sa.String(length=100), nullable=True),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["responder_id"], ["responders.id"], name=op.f("fk_certificates_responder_id_responders")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificates")),
    )
    op.create_index("ix_certificates_valid", "certificates", ["responder_id", "valid_until"], unique=False)
    op.create_table(
        "consumables",
        sa.Column("id", KEY, nullable=False),
        sa.Column("device_id", KEY, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "pads",
                "child_pads",
                "battery",
                name="consumablekind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("lot", sa.String(length=100), nullable=True),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "fitted",
                "withdrawn",
                name="consumablestate",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_consumables_device_id_devices")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consumables")),
    )
    op.create_index(
        "ix_consumables_fitted", "consumables", ["device_id", "state", "expires_on"], unique=False
    )
    op.create_table(
        "responder_places",
        sa.Column("id", KEY, nullable=False),
        sa.Column("responder_id", KEY, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "home",
                "work",
                "other",
                name="placekind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("floor", sa.Integer(), nullable=False),
        sa.Column("hours", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["responder_id"], ["responders.id"], name=op.f("fk_responder_places_responder_id_responders")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_responder_places")),
    )
    op.create_index(
        op.f("ix_responder_places_responder_id"), "responder_places", ["responder_id"], unique=False
    )
    bind = op.get_bind()
    add_geometry_column(bind, "estates", sa.Column("boundary", Geometry("MULTIPOLYGON", srid=4326)))
    add_geometry_column(bind, "devices", sa.Column("position", Geometry("POINT", srid=4326)))
    add_geometry_column(bind, "gates", sa.Column("position", Geometry("POINT", srid=4326)))
    add_geometry_column(bind, "responder_places", sa.Column("position", Geometry("POINT", srid=4326)))
    create_nearest_index(
        bind,
        "devices",
        "position",
        name="ix_devices_public_nearest",
        where="audience = 'public' AND state = 'in_service'",
    )
    create_nearest_index(bind, "devices", "position", name="ix_devices_nearest", where="state = 'in_service'")
    create_nearest_index(bind, "responder_places", "position", name="ix_responder_places_nearest")


def downgrade() -> None:
    bind = op.get_bind()
    drop_spatial_table(bind, "responder_places", ["position"])
    op.drop_table("consumables")
    op.drop_table("certificates")
    op.drop_table("tokens")
    op.drop_table("responders")
    drop_spatial_table(bind, "gates", ["position"])
    drop_spatial_table(bind, "devices", ["position"])
    drop_spatial_table(bind, "estates", ["boundary"])
    op.drop_table("regions")
    op.drop_table("holiday_years")
    op.drop_table("holiday_days")
    op.drop_table("people")
    op.drop_table("holiday_calendars")
    op.drop_table("changes")
