"""Import every table, so that foreign keys between tables of different packages resolve."""

from __future__ import annotations

# Importing a module of models registers its tables; the names are not used.
# ruff: noqa: F401
import aed.accounts.audit_log
import aed.accounts.demo_people
import aed.accounts.first_run.models
import aed.accounts.people.models
import aed.accounts.regions.models
import aed.accounts.role_grants
import aed.accounts.security_log
import aed.accounts.sessions
import aed.accounts.sign_in.models
import aed.accounts.tokens
import aed.calendars.models
import aed.certificates.models
import aed.database.standbys
import aed.debrief.outcomes.models
import aed.imports.devices.models
import aed.imports.feeds.models
import aed.imports.models
import aed.incidents.models
import aed.issuers.models
import aed.linked_accounts.models
import aed.notifications.models
import aed.notifications.short_links
import aed.planning.coverage.models
import aed.registry.changes
import aed.registry.devices.models
import aed.registry.estates.models
import aed.registry.holidays.models
import aed.responders.models
import aed.sharing.models
import aed.timebank.goods.models
import aed.timebank.models
import aed.timebank.services.models
import aed.training.models
import aed.transfers.models
import aed.upkeep.models
import aed.upkeep.reminders.models
import aed.upkeep.rounds.models
import aed.upkeep.signals.models
import aed.upkeep.spares.models
import aed.volunteering.models
import aed.worker.models
