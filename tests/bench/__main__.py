"""`make bench`, or `python -m tests.bench --help`: the figures of the README."""

from __future__ import annotations

import sys

from tests.bench import painter

if __name__ == "__main__":
    sys.exit(painter.main())
