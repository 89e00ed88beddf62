"""Thank people who were alerted, ask how they are, and settle the devices they fetched."""
