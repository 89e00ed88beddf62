"""Certificates: awards, verification with issuers, and detection of duplicate people."""
