"""How each peer's files are made; each module runs where its tool is installed."""
