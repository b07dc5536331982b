"""The companion: runs what was flagged, and shows the mistake happening."""
