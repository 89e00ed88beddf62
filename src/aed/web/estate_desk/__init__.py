"""The estate's desk: its devices and what is due, a device's form, and its people."""
