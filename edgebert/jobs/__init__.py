"""Files in bulk: tables in, rows or vectors out, in bounded memory, resumable at any moment."""
