"""Thank those who were called, ask how they are, and settle the devices they fetched."""
