"""The time bank (时间银行): minutes served, points, gifts, and what points are spent on."""
