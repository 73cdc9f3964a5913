"""`make bench`, or `python -m tests.bench [style | colorize | upscale | load] --help`: the figures of the README."""

from __future__ import annotations

import sys

from tests.bench import colour, load, painter, style, upscale

if __name__ == "__main__":
    benches = {"style": style.main, "colorize": colour.main, "upscale": upscale.main, "load": load.main}
    bench = benches.get(" ".join(sys.argv[1:2]))
    sys.exit(bench(sys.argv[2:]) if bench else painter.main())
