"""Issuers; how far certificates are believed; what issuers say; pairs of people; identity providers."""

from __future__ import annotations

import hashlib
import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
TRUST = ("self_declared", "documented", "verified")
KINDS = ("first_aid", "cpr_aed", "professional")


def _one_of(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def _is_one_of(table: str, name: str, *values: str) -> str:
    listed = ", ".join(f"'{value}'" for value in values)
    return f"CONSTRAINT ck_{table}_{name} CHECK ({name} IN ({listed}))"


def upgrade() -> None:
    op.create_table(
        "issuers",
        sa.Column("id", KEY, nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("name_en", sa.String(length=200), nullable=False),
        sa.Column("name_zh", sa.String(length=200), nullable=False),
        sa.Column(
            "kind",
            _one_of("issuerkind", "red_cross", "ambulance_service", "training_office", "other"),
            nullable=False,
        ),
        sa.Column("region_id", KEY, nullable=True),
        sa.Column("trust_in_lists", _one_of("trust_in_lists", *TRUST), nullable=False),
        sa.Column("verified_by", _one_of("verifiedby", "nothing", "roster", "query"), nullable=False),
        sa.Column("query_url", sa.String(length=500), nullable=True),
        sa.Column(
            "state",
            _one_of("issuerstate", "active", "withdrawn"),
            server_default=sa.text("'active'"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(verified_by = 'query') = (query_url IS NOT NULL)", name=op.f("ck_issuers_url_to_query")
        ),
        sa.ForeignKeyConstraint(["region_id"], ["regions.id"], name=op.f("fk_issuers_region_id_regions")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issuers")),
        sa.UniqueConstraint("code", name=op.f("uq_issuers_code")),
    )
    op.create_index(op.f("ix_issuers_region_id"), "issuers", ["region_id"], unique=False)
    op.create_table(
        "issuer_names",
        sa.Column("plain", sa.String(length=250), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("issuer_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["issuer_id"], ["issuers.id"], name=op.f("fk_issuer_names_issuer_id_issuers")
        ),
        sa.PrimaryKeyConstraint("plain", name=op.f("pk_issuer_names")),
    )
    op.create_index("ix_issuer_names_issuer_id", "issuer_names", ["issuer_id"], unique=False)
    op.create_table(
        "issuer_courses",
        sa.Column("issuer_id", KEY, nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("name_en", sa.String(length=200), nullable=False),
        sa.Column("name_zh", sa.String(length=200), nullable=False),
        sa.Column("kind", _one_of("certificatekind", *KINDS), nullable=False),
        sa.Column("validity_months", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "validity_months BETWEEN 1 AND 120", name=op.f("ck_issuer_courses_validity_months")
        ),
        sa.ForeignKeyConstraint(
            ["issuer_id"], ["issuers.id"], name=op.f("fk_issuer_courses_issuer_id_issuers")
        ),
        sa.PrimaryKeyConstraint("issuer_id", "code", name=op.f("pk_issuer_courses")),
    )
    # In SQL, since SQLite takes a CHECK or a foreign key only together with its new column. With defaults of
    # the database's own: the previous release's code writes these rows without them.
    op.execute(
        f"ALTER TABLE regions ADD COLUMN trust_needed VARCHAR(32) {_is_one_of('regions', 'trust_needed', *TRUST)}"
    )
    op.execute(
        "ALTER TABLE regions ADD COLUMN trust_in_force VARCHAR(32) DEFAULT 'verified' NOT NULL "
        + _is_one_of("regions", "trust_in_force", *TRUST)
    )
    op.execute(
        "ALTER TABLE certificates ADD COLUMN trust VARCHAR(32) DEFAULT 'documented' NOT NULL "
        + _is_one_of("certificates", "trust", *TRUST)
    )
    op.add_column("certificates", sa.Column("holder_id", sa.Text(), nullable=True))
    for table, column, other in (
        ("certificates", "issuer_id", "issuers"),
        ("courses", "issuer_id", "issuers"),
        ("responders", "joined_into_id", "responders"),
        ("people", "joined_into_id", "people"),
    ):
        kind = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
        op.execute(
            f"ALTER TABLE {table} ADD COLUMN {column} {kind} "
            f"CONSTRAINT fk_{table}_{column}_{other} REFERENCES {other} (id)"
        )
    for table, column in (
        ("courses", "issuer_id"),
        ("responders", "joined_into_id"),
        ("people", "joined_into_id"),
    ):
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)
    op.drop_index("ix_certificates_valid", table_name="certificates")
    op.create_index(
        "ix_certificates_valid",
        "certificates",
        ["responder_id", "valid_until", "revoked_at", "trust"],
        unique=False,
    )
    op.create_index("ix_certificates_issued", "certificates", ["issuer_id", "number"], unique=False)
    op.create_table(
        "issuer_entries",
        sa.Column("id", KEY, nullable=False),
        sa.Column("issuer_id", KEY, nullable=False),
        sa.Column("number", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("holder_id", sa.Text(), nullable=True),
        sa.Column("holder_id_hash", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("course", sa.String(length=64), nullable=False),
        sa.Column("kind", _one_of("certificatekind", *KINDS), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=False),
        sa.Column("is_revoked", sa.Boolean(), nullable=False),
        sa.Column("first_read_at", MOMENT, nullable=False),
        sa.Column("read_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["issuer_id"], ["issuers.id"], name=op.f("fk_issuer_entries_issuer_id_issuers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issuer_entries")),
    )
    op.create_index("uq_issuer_entries_number", "issuer_entries", ["issuer_id", "number"], unique=True)
    op.create_index("ix_issuer_entries_read", "issuer_entries", ["read_at", "issuer_id"], unique=False)
    op.create_table(
        "certificate_checks",
        sa.Column("certificate_id", KEY, autoincrement=False, nullable=False),
        sa.Column("issuer_id", KEY, nullable=False),
        sa.Column(
            "state",
            _one_of("checkstate", "waiting", "confirmed", "corrected", "disputed", "unknown", "revoked"),
            nullable=False,
        ),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_try_at", MOMENT, nullable=True),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.CheckConstraint("tries >= 0", name=op.f("ck_certificate_checks_tries")),
        sa.ForeignKeyConstraint(
            ["certificate_id"],
            ["certificates.id"],
            name=op.f("fk_certificate_checks_certificate_id_certificates"),
        ),
        sa.ForeignKeyConstraint(
            ["issuer_id"], ["issuers.id"], name=op.f("fk_certificate_checks_issuer_id_issuers")
        ),
        sa.PrimaryKeyConstraint("certificate_id", name=op.f("pk_certificate_checks")),
    )
    op.create_index(
        "ix_certificate_checks_next", "certificate_checks", ["state", "next_try_at"], unique=False
    )
    op.create_index(
        "ix_certificate_checks_issuer_id", "certificate_checks", ["issuer_id", "state"], unique=False
    )
    op.create_table(
        "issuer_lines",
        sa.Column("issuer_id", KEY, autoincrement=False, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("closed_until", MOMENT, nullable=True),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["issuer_id"], ["issuers.id"], name=op.f("fk_issuer_lines_issuer_id_issuers")
        ),
        sa.PrimaryKeyConstraint("issuer_id", name=op.f("pk_issuer_lines")),
    )
    op.create_table(
        "person_pairs",
        sa.Column("id", KEY, nullable=False),
        sa.Column("first_id", KEY, nullable=False),
        sa.Column("second_id", KEY, nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("found_at", MOMENT, nullable=False),
        sa.Column("decision", _one_of("pairdecision", "same", "different"), nullable=True),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("decided_by", sa.String(length=200), nullable=True),
        sa.Column("kept_id", KEY, nullable=True),
        sa.CheckConstraint("first_id < second_id", name=op.f("ck_person_pairs_in_order")),
        sa.CheckConstraint(
            "(decision IS NULL) = (decided_at IS NULL) AND (decision IS NULL) = (decided_by IS NULL)",
            name=op.f("ck_person_pairs_decided_whole"),
        ),
        sa.ForeignKeyConstraint(["first_id"], ["people.id"], name=op.f("fk_person_pairs_first_id_people")),
        sa.ForeignKeyConstraint(["second_id"], ["people.id"], name=op.f("fk_person_pairs_second_id_people")),
        sa.ForeignKeyConstraint(["kept_id"], ["people.id"], name=op.f("fk_person_pairs_kept_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_pairs")),
    )
    op.create_index("uq_person_pairs_two", "person_pairs", ["first_id", "second_id"], unique=True)
    op.create_index("ix_person_pairs_second_id", "person_pairs", ["second_id"], unique=False)
    op.create_index("ix_person_pairs_open", "person_pairs", ["decision", "id"], unique=False)
    op.add_column("accounts", sa.Column("email", sa.Text(), nullable=True))
    op.create_index("uq_accounts_email", "accounts", [sa.text("substr(email, 1, 33)")], unique=True)
    op.create_table(
        "identities",
        sa.Column("id", KEY, nullable=False),
        sa.Column("provider", sa.String(length=500), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column("linked_at", MOMENT, nullable=False),
        sa.Column("linked_by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_identities_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identities")),
    )
    op.create_index("uq_identities_subject", "identities", ["provider", "subject"], unique=True)
    op.create_index(op.f("ix_identities_person_id"), "identities", ["person_id"], unique=False)
    op.create_table(
        "provider_requests",
        sa.Column("state_hash", sa.String(length=64), nullable=False),
        sa.Column("browser_hash", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("verifier", sa.String(length=128), nullable=False),
        sa.Column("return_to", sa.String(length=500), nullable=True),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_provider_requests")),
    )
    op.create_index(
        op.f("ix_provider_requests_expires_at"), "provider_requests", ["expires_at"], unique=False
    )
    _keep_calling()
    _own_issuers()


def _keep_calling() -> None:
    """Who was called before is called afterwards: what was awarded here is verified, what lists brought is
    documented, and where there are such ones the topmost regions say that this is enough. An administrator
    says otherwise once the rosters of the issuers are in.

    visibility: for the migration.
    """
    op.execute("UPDATE certificates SET trust = 'verified' WHERE is_awarded")
    listed = "EXISTS (SELECT 1 FROM certificates WHERE trust = 'documented')"
    op.execute(f"UPDATE regions SET trust_needed = 'documented' WHERE parent_id IS NULL AND {listed}")  # noqa: S608 - no value of anybody's
    op.execute(f"UPDATE regions SET trust_in_force = 'documented' WHERE {listed}")  # noqa: S608 - as above


def _own_issuers() -> None:
    """What this network's courses award belongs to an issuer, by the names that the courses give."""
    bind = op.get_bind()
    made: dict[str, int] = {}
    for name in (
        bind.execute(sa.text("SELECT DISTINCT issuer FROM courses WHERE issuer IS NOT NULL ORDER BY issuer"))
        .scalars()
        .all()
    ):
        plain = "".join(unicodedata.normalize("NFKC", name).casefold().split())
        if plain not in made:
            code = f"own-{hashlib.sha256(plain.encode()).hexdigest()[:12]}"
            bind.execute(
                sa.text(
                    "INSERT INTO issuers (code, name_en, name_zh, kind, trust_in_lists, verified_by, state, version) "
                    "VALUES (:code, :name, :name, 'training_office', 'documented', 'nothing', 'active', 1)"
                ),
                {"code": code, "name": name},
            )
            made[plain] = bind.execute(
                sa.text("SELECT id FROM issuers WHERE code = :code"), {"code": code}
            ).scalar_one()
            for called in {plain: name, code: code}.items():
                bind.execute(
                    sa.text("INSERT INTO issuer_names (plain, name, issuer_id) VALUES (:plain, :name, :id)"),
                    {"plain": called[0], "name": called[1], "id": made[plain]},
                )
        given = {"id": made[plain], "name": name}
        bind.execute(sa.text("UPDATE courses SET issuer_id = :id WHERE issuer = :name"), given)
        bind.execute(
            sa.text("UPDATE certificates SET issuer_id = :id WHERE issuer = :name AND is_awarded"), given
        )


def downgrade() -> None:
    op.drop_table("provider_requests")
    op.drop_table("identities")
    op.drop_index("uq_accounts_email", table_name="accounts")
    op.drop_column("accounts", "email")
    for name in ("person_pairs", "issuer_lines", "certificate_checks", "issuer_entries"):
        op.drop_table(name)
    op.drop_index("ix_certificates_issued", table_name="certificates")
    op.drop_index("ix_certificates_valid", table_name="certificates")
    op.create_index(
        "ix_certificates_valid", "certificates", ["responder_id", "valid_until", "revoked_at"], unique=False
    )
    for table, column in (
        ("courses", "issuer_id"),
        ("responders", "joined_into_id"),
        ("people", "joined_into_id"),
    ):
        op.drop_index(op.f(f"ix_{table}_{column}"), table_name=table)
    for table, column in (
        ("certificates", "issuer_id"),
        ("certificates", "holder_id"),
        ("certificates", "trust"),
        ("courses", "issuer_id"),
        ("responders", "joined_into_id"),
        ("people", "joined_into_id"),
        ("regions", "trust_in_force"),
        ("regions", "trust_needed"),
    ):
        op.drop_column(table, column)
    for name in ("issuer_courses", "issuer_names", "issuers"):
        op.drop_table(name)
