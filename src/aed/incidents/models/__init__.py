"""Tables of incidents: the timed rehearsals, the calls themselves, and the dispatch centres."""

from aed.incidents.models.centres import Centre, IncidentMessage
from aed.incidents.models.drills import Drill
from aed.incidents.models.incidents import (
    Alert,
    AlertAnswer,
    AlertPlace,
    Incident,
    IncidentEvent,
    IncidentExclusion,
    IncidentPlan,
    IncidentReport,
)
from aed.incidents.models.show_up import ShowUpCount

__all__ = [
    "Alert",
    "AlertAnswer",
    "AlertPlace",
    "Centre",
    "Drill",
    "Incident",
    "IncidentEvent",
    "IncidentExclusion",
    "IncidentMessage",
    "IncidentPlan",
    "IncidentReport",
    "ShowUpCount",
]
