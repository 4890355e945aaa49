"""Campaigns of `make stress`; each module has NAME and run(), and may have WEIGHT, its share of the time."""
