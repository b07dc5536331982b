"""Which locations are shared, which accesses to them race, and which lock guards them."""
