"""`python -m edgebert`: the command line without its script."""

import sys

from edgebert.cli import main

if __name__ == "__main__":
    sys.exit(main())
