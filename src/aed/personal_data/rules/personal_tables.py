"""All tables that hold personal data. A test fails if a table refers to people and is missing here."""

from __future__ import annotations

from typing import Final

from aed.personal_data.rules.accounts import ACCOUNT_TABLES
from aed.personal_data.rules.incidents import INCIDENT_TABLES
from aed.personal_data.rules.notifications import NOTIFICATION_TABLES
from aed.personal_data.rules.registry import REGISTRY_TABLES
from aed.personal_data.rules.timebank import TIME_BANK_TABLES
from aed.personal_data.rules.training import TRAINING_TABLES
from aed.personal_data.rules.upkeep import UPKEEP_TABLES
from aed.personal_data.rules.volunteering import VOLUNTEERING_TABLES

PERSONAL_TABLES: Final = (
    *ACCOUNT_TABLES,
    *TRAINING_TABLES,
    *REGISTRY_TABLES,
    *NOTIFICATION_TABLES,
    *UPKEEP_TABLES,
    *INCIDENT_TABLES,
    *TIME_BANK_TABLES,
    *VOLUNTEERING_TABLES,
)
