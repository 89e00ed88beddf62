"""Import lists of devices: match entries with registered devices, merge what sources claim, ask a person."""
