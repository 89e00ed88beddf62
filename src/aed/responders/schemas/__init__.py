"""Request and response bodies of offers, consents and live locations."""
