"""Devices that passers-by have seen and report, before a person decides whether to register them."""
