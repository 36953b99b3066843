"""Things to run that show what edgebert does; `make demo` runs one of them."""
