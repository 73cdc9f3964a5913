"""The picture of the upscalers: details of example photos by bicubic interpolation and by every net that ships.

    python -m docs.upscale_sheet docs/upscale.jpg

It is the sheet of their cards (sample.jpg there), made by the weights as they are now.
"""

from __future__ import annotations

import sys
from pathlib import Path

from artcore import image
from artcore.cards import upscale
from artcore.load import load

if __name__ == "__main__":
    image.save(upscale.sample_sheet(load(upscale.NAME), upscale.NAME), Path(sys.argv[1]), quality=88)
