"""Feeds: lists of devices that are fetched on a schedule."""
