"""Batches of results for issuers of certificates: make one, download it, and read the issuer's answer."""
