"""The training desk: sessions as a calendar and list, a session's form, and its roster."""
