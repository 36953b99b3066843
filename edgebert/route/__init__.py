"""Routing by geometry: each text takes the cheapest path that answers as the full model would."""
