"""Personal tables of the time bank."""

from __future__ import annotations

from typing import Final

from aed.personal_data.rules.erasure import Erasure, PersonalTable

TIME_BANK_TABLES: Final = (
    PersonalTable("ledger_accounts", "person_id", Erasure.KEPT, "balances of the time bank, under a number"),
    PersonalTable(
        "ledger_entries",
        "to_account_id",
        Erasure.KEPT,
        "movements of the time bank, which are never changed",
        through="ledger_accounts",
        also_by=("from_account_id",),
        hidden=("hash", "key_id"),
    ),
    PersonalTable(
        "relatives",
        "person_id",
        Erasure.DELETED,
        "gifts of points between relatives",
        also_by=("relative_id",),
    ),
    PersonalTable(
        "embedded_views",
        "person_id",
        Erasure.DELETED,
        "the time bank in an app, for some minutes",
        hidden=("key_hash",),
    ),
    PersonalTable("family_members", "person_id", Erasure.DELETED, "use of a family account"),
    PersonalTable(
        "named_heirs", "person_id", Erasure.DELETED, "who is to have the points", also_by=("heir_id",)
    ),
    PersonalTable("inheritances", "person_id", Erasure.KEPT, "what became of points", also_by=("heir_id",)),
    PersonalTable("mandates", "principal_id", Erasure.KEPT, "who acted for whom", also_by=("agent_id",)),
    PersonalTable(
        "priority_members", "person_id", Erasure.DELETED, "goods that are kept for the person at first"
    ),
    PersonalTable(
        "goods_orders",
        "person_id",
        Erasure.BLANKED,
        "what points were spent on",
        blank={"address": None, "delivered_by": None},
        hidden=("code", "key"),
    ),
    PersonalTable(
        "service_offers",
        "person_id",
        Erasure.BLANKED,
        "services for others",
        blank={"title": "-", "times": None, "place": None},
    ),
    PersonalTable(
        "service_exchanges",
        "person_id",
        Erasure.BLANKED,
        "what points were spent on",
        blank={"address": None},
        hidden=("key",),
    ),
    PersonalTable(
        "expiry_notices",
        "account_id",
        Erasure.DELETED,
        "notifying the person only once that points expire",
        through="ledger_accounts",
    ),
)
