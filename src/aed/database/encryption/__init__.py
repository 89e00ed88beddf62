"""Encrypt personal data in the database, with keys that are stored elsewhere.

keyring.py   keys, encryption and decryption, and the blind index to find equal values
keys.py      loads keys from the environment or a file
columns.py   types of encrypted columns
"""
