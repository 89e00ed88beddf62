"""Roles granted to people, and the roles that a person holds now."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column
from sqlalchemy.sql.elements import SQLCoreOperations

from aed.accounts.permissions import Role, RoleAssignment
from aed.accounts.regions.queries import regions_below
from aed.database.types import BigIntId, Table, enum_column


class RoleGrant(Table):
    """A role that a person holds or held. Rows stay; a revoked grant records when and by whom."""

    __tablename__ = "role_grants"
    __table_args__ = (
        CheckConstraint("region_id IS NULL OR estate_id IS NULL", name="one_place"),
        CheckConstraint(
            "role = 'administrator' OR region_id IS NOT NULL OR estate_id IS NOT NULL", name="some_place"
        ),
        CheckConstraint("role <> 'dispatcher' OR region_id IS NOT NULL", name="dispatcher_of_a_region"),
        CheckConstraint("(revoked_at IS NULL) = (revoked_by IS NULL)", name="revoked_by_somebody"),
        # At most one active grant of a role for each place; 0 stands for no estate or no region.
        Index(
            "uq_role_grants_active",
            "person_id",
            "role",
            text("coalesce(region_id, 0)"),
            text("coalesce(estate_id, 0)"),
            unique=True,
            postgresql_where=text("revoked_at IS NULL"),
            sqlite_where=text("revoked_at IS NULL"),
        ),
        Index("ix_role_grants_estate_id", "estate_id"),
        Index("ix_role_grants_region_id", "region_id"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    role: Mapped[Role] = mapped_column(enum_column(Role))
    region_id: Mapped[int | None] = mapped_column(ForeignKey("regions.id"))
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"))
    granted_at: Mapped[datetime]
    granted_by: Mapped[str] = mapped_column(String(200))
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None] = mapped_column(String(200))


def role_assignments_of(session: Session, person_id: int) -> tuple[RoleAssignment, ...]:
    """Return the roles that the person holds now, in the order in which they were granted.

    visibility: viewers are built from it.
    """
    grants = session.execute(
        select(RoleGrant.role, RoleGrant.estate_id, RoleGrant.region_id)
        .where(RoleGrant.person_id == person_id, RoleGrant.revoked_at.is_(None))
        .order_by(RoleGrant.id)
    ).all()
    below = {
        grant.region_id: regions_below(session, grant.region_id)
        for grant in grants
        if grant.region_id is not None
    }
    return tuple(
        RoleAssignment(
            role=grant.role,
            estate_id=grant.estate_id,
            region_ids=below[grant.region_id] if grant.region_id is not None else (),
        )
        for grant in grants
    )


def holds_role(
    person_id: SQLCoreOperations[int] | int,
    role: SQLCoreOperations[Role] | Role,
    estate_id: SQLCoreOperations[int | None] | int,
) -> ColumnElement[bool]:
    """Return the condition that a person holds a role on an estate now, each given by value or by column.

    visibility: a predicate, returns no rows.
    """
    held = aliased(RoleGrant)
    return (
        select(held.id)
        .where(
            held.person_id == person_id,
            held.role == role,
            held.estate_id == estate_id,
            held.revoked_at.is_(None),
        )
        .exists()
    )


def managers_of(session: Session, estate_id: int) -> list[int]:
    """Return the people who manage this estate.

    visibility: they get a message; their names are not shown.
    """
    return list(
        session.scalars(
            select(RoleGrant.person_id)
            .where(
                RoleGrant.estate_id == estate_id,
                RoleGrant.role == Role.ESTATE_MANAGER,
                RoleGrant.revoked_at.is_(None),
            )
            .order_by(RoleGrant.id)
        )
    )
