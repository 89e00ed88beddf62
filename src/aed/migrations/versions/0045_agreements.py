"""Agreements about who sees which device; what stands in the register becomes agreements by the register."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)
STEPS = ("estate", "neighbours", "dispatch", "public")
POSITIONS = ("exact", "approximate", "dispatch_only")
OF_DEVICES = (
    "audience_outside_hours",
    "sharing_hours",
    "emergency_override",
    "published_position",
    "agreement_id",
    "audience_changes_at",
)
BY_REGISTER = "0" * 64
"""The hash of no text."""


def _one_of(table: str, name: str, column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{each}'" for each in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=op.f(f"ck_{table}_{name}"))


def _refers(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=op.f(f"fk_{table}_{column}_{to}"))


def upgrade() -> None:
    op.add_column("devices", sa.Column("audience_outside_hours", sa.String(32), nullable=True))
    op.add_column("devices", sa.Column("sharing_hours", sa.Text(), nullable=True))
    op.add_column(
        "devices", sa.Column("emergency_override", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column(
        "devices", sa.Column("published_position", sa.String(32), server_default="exact", nullable=False)
    )
    op.add_column("devices", sa.Column("agreement_id", KEY, nullable=True))
    op.add_column("devices", sa.Column("audience_changes_at", MOMENT, nullable=True))
    op.create_index("ix_devices_audience_changes_at", "devices", ["audience_changes_at"])
    op.create_table(
        "agreements",
        sa.Column("id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(32), nullable=True),
        sa.Column("legal_basis", sa.String(32), nullable=True),
        sa.Column("legal_reference", sa.Text(), nullable=True),
        sa.Column("notice_from", sa.Date(), nullable=True),
        sa.Column("notice_until", sa.Date(), nullable=True),
        sa.Column("method", sa.String(32), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("supersedes_id", KEY, nullable=True),
        sa.Column("preview_id", KEY, nullable=True),
        sa.Column("preview_hash", sa.String(64), nullable=True),
        sa.Column("terms", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("text_hash", sa.String(64), nullable=False),
        sa.Column("rules_version", sa.String(32), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=True),
        sa.Column("confirmed_by", sa.String(200), nullable=True),
        sa.Column("withdrawn_at", MOMENT, nullable=True),
        sa.Column("withdrawn_by", sa.String(200), nullable=True),
        sa.Column("withdrawal_reason", sa.Text(), nullable=True),
        sa.Column("suspended_at", MOMENT, nullable=True),
        sa.Column("suspended_by", sa.String(200), nullable=True),
        sa.Column("suspension_reason", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        _one_of("agreements", "agreementkind", "kind", ("agreement", "trial", "register")),
        _one_of("agreements", "agreementstate", "state", ("draft", "proposed", "confirmed", "withdrawn")),
        _one_of(
            "agreements",
            "deviceowner",
            "owner",
            ("owners_in_common", "property_company", "donor", "government", "lease"),
        ),
        _one_of("agreements", "legalbasis", "legal_basis", ("resolution", "minutes", "public_notice")),
        _one_of(
            "agreements", "decisionmethod", "method", ("three_sign", "committee_votes", "owners_assembly")
        ),
        sa.CheckConstraint("ends_on IS NULL OR ends_on >= starts_on", name=op.f("ck_agreements_period")),
        sa.CheckConstraint("kind <> 'trial' OR ends_on IS NOT NULL", name=op.f("ck_agreements_trial_ends")),
        sa.CheckConstraint(
            "(confirmed_at IS NULL) = (confirmed_by IS NULL)", name=op.f("ck_agreements_confirmed_by")
        ),
        _refers("agreements", "estate_id", "estates"),
        _refers("agreements", "region_id", "regions"),
        _refers("agreements", "supersedes_id", "agreements"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreements")),
    )
    op.create_index(op.f("ix_agreements_estate_id"), "agreements", ["estate_id"])
    op.create_index(op.f("ix_agreements_region_id"), "agreements", ["region_id"])
    op.create_index(op.f("ix_agreements_state"), "agreements", ["state"])
    op.create_index(
        "uq_agreements_register",
        "agreements",
        ["estate_id"],
        unique=True,
        sqlite_where=sa.text("kind = 'register'"),
        postgresql_where=sa.text("kind = 'register'"),
    )
    op.create_table(
        "agreement_parties",
        sa.Column("id", KEY, nullable=False),
        sa.Column("agreement_id", KEY, nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("legal_name", sa.String(200), nullable=False),
        sa.Column("credit_code", sa.String(18), nullable=True),
        sa.Column("representative_id", KEY, nullable=True),
        _one_of(
            "agreement_parties",
            "partyrole",
            "role",
            ("party_committee", "owners_committee", "service_centre"),
        ),
        _refers("agreement_parties", "agreement_id", "agreements"),
        _refers("agreement_parties", "representative_id", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement_parties")),
        sa.UniqueConstraint("agreement_id", "role", name=op.f("uq_agreement_parties_agreement_id_role")),
    )
    op.create_index(
        op.f("ix_agreement_parties_representative_id"), "agreement_parties", ["representative_id"]
    )
    op.create_table(
        "device_shares",
        sa.Column("id", KEY, nullable=False),
        sa.Column("agreement_id", KEY, nullable=False),
        sa.Column("device_id", KEY, nullable=False),
        sa.Column("step", sa.String(32), nullable=False),
        sa.Column("hours", sa.Text(), nullable=True),
        sa.Column("step_outside_hours", sa.String(32), nullable=False),
        sa.Column("gates", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("allows_override", sa.Boolean(), nullable=False),
        sa.Column("code_to", sa.String(32), nullable=False),
        sa.Column("may_leave_estate", sa.Boolean(), nullable=False),
        sa.Column("published_position", sa.String(32), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=True),
        sa.Column("until_on", sa.Date(), nullable=True),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=True),
        sa.Column("superseded_at", MOMENT, nullable=True),
        sa.Column("lowered_to", sa.String(32), nullable=True),
        _one_of("device_shares", "step", "step", STEPS),
        _one_of("device_shares", "step_outside_hours", "step_outside_hours", STEPS),
        _one_of("device_shares", "lowered_to", "lowered_to", STEPS),
        _one_of("device_shares", "coderecipient", "code_to", ("nobody", "dispatcher", "responder")),
        _one_of("device_shares", "publishedposition", "published_position", POSITIONS),
        sa.CheckConstraint("ends_at IS NULL OR ends_at > starts_at", name=op.f("ck_device_shares_period")),
        _refers("device_shares", "agreement_id", "agreements"),
        _refers("device_shares", "device_id", "devices"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_shares")),
    )
    op.create_index("ix_device_shares_agreement_id", "device_shares", ["agreement_id"])
    op.create_index("ix_device_shares_device_id", "device_shares", ["device_id"])
    op.create_table(
        "party_decisions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("agreement_id", KEY, nullable=False),
        sa.Column("party_id", KEY, nullable=False),
        sa.Column("text_hash", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("votes", sa.JSON(), nullable=True),
        sa.Column("minutes_hash", sa.String(64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("mandate", sa.Text(), nullable=True),
        sa.Column("rules_version", sa.String(32), nullable=False),
        sa.Column("decided_at", MOMENT, nullable=False),
        sa.Column("decided_by", sa.String(200), nullable=False),
        _one_of("party_decisions", "decisionkind", "kind", ("consent", "refusal")),
        _refers("party_decisions", "agreement_id", "agreements"),
        _refers("party_decisions", "party_id", "agreement_parties"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_party_decisions")),
    )
    op.create_index(op.f("ix_party_decisions_agreement_id"), "party_decisions", ["agreement_id"])
    op.create_index(op.f("ix_party_decisions_party_id"), "party_decisions", ["party_id"])
    op.create_table(
        "party_links",
        sa.Column("id", KEY, nullable=False),
        sa.Column("party_id", KEY, nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("mandate", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        _refers("party_links", "party_id", "agreement_parties"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_party_links")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_party_links_key_hash")),
    )
    op.create_index(op.f("ix_party_links_party_id"), "party_links", ["party_id"])
    _record_what_stands()


def _record_what_stands() -> None:
    """Record each shared device of an estate in an agreement by the register.

    visibility: a schema's own step, which nobody is shown.
    """
    op.execute(
        f"""
        INSERT INTO agreements (estate_id, region_id, kind, state, starts_on, text_hash, rules_version,
            created_at, created_by, confirmed_at, confirmed_by, version)
        SELECT estates.id, estates.region_id, 'register', 'confirmed', CURRENT_DATE, '{BY_REGISTER}', '2026-1',
            CURRENT_TIMESTAMP, 'migration', CURRENT_TIMESTAMP, 'migration', 1
        FROM estates
        WHERE EXISTS (SELECT 1 FROM devices WHERE devices.estate_id = estates.id
            AND devices.audience <> 'estate' AND devices.state <> 'withdrawn')
        """  # noqa: S608 - constants
    )
    op.execute(
        """
        INSERT INTO device_shares (agreement_id, device_id, step, step_outside_hours, allows_override, code_to,
            may_leave_estate, published_position, starts_at)
        SELECT agreements.id, devices.id, devices.audience, devices.audience, false, 'nobody', true, 'exact',
            CURRENT_TIMESTAMP
        FROM devices JOIN agreements ON agreements.estate_id = devices.estate_id
        WHERE agreements.kind = 'register' AND devices.audience <> 'estate' AND devices.state <> 'withdrawn'
        """
    )


def downgrade() -> None:
    op.drop_table("party_links")
    op.drop_table("party_decisions")
    op.drop_table("device_shares")
    op.drop_table("agreement_parties")
    op.drop_table("agreements")
    op.drop_index("ix_devices_audience_changes_at", table_name="devices")
    for name in reversed(OF_DEVICES):
        op.drop_column("devices", name)
