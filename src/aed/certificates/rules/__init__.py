"""Decisions about certificates and people.

checking.py   how a verification stands, and when an issuer is asked again
comparing.py  what an issuer says against what is recorded
identity.py   identity numbers: masked, checked, compared
likeness.py   whether two people may be one
"""
