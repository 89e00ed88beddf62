"""Run an incident: open it, plan whom to call, alert them, follow them, close it; and drills.

calls/    open an incident, update, steer, correct and close it
plan/     decide whom to ask to do what: go straight to the patient, fetch a device, or guide
alerts/   call people, take their answers and locations, and stop them
record/   the signed record of an incident, sent to dispatch centres entry by entry
centres/  connect dispatch centres, and take their signed messages
cap/      read and write incidents as messages of the Common Alerting Protocol (CAP 1.2)
live/     follow incidents as server-sent events
drills/   time device fetches, and estimate an estate's pace from them
"""
