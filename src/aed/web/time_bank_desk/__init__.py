"""The desk of the time bank: what waits, records, appeals, goods, the region's report and rules."""
