"""Tables of incidents: the timed rehearsals, and the calls themselves."""

from aed.incidents.models.drills import Drill
from aed.incidents.models.incidents import (
    Alert,
    AlertPlace,
    Incident,
    IncidentEvent,
    IncidentPlan,
    IncidentReport,
)

__all__ = ["Alert", "AlertPlace", "Drill", "Incident", "IncidentEvent", "IncidentPlan", "IncidentReport"]
