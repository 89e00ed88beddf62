"""A bounded attack on a served process of one's own, with the lookup's times beside it."""
