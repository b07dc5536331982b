"""The LibCST visitors: they share one walk of the tree, one file per topic."""
