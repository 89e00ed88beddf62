"""Decide whom to ask to do what: go straight to the patient, fetch a device, or guide."""
