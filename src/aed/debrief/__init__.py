"""After an incident: thank people, settle devices, record the patient's outcome, report and count.

follow_up/   thank people who were alerted, ask how they are, and settle the devices they fetched
outcomes/    what became of a patient, by the Utstein template
reports/     the after-action report of an incident
statistics/  yearly statistics of incidents

Incidents do not know of this package; it reads them.
"""
