"""What this machine is and whether a bundle fits it."""
