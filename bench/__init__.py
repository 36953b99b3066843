"""Measurements, and peers to compare with. Not shipped."""
