"""Pages of the time bank: a volunteer's service, points and orders, and the service to confirm."""
