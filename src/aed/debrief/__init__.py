"""After an incident: thank people, settle devices, record the patient's outcome, report and count.

Incidents do not know of this package; it reads them.
"""
