"""The hub: `python app.py`, as a Space with the Gradio SDK runs it. The same as `python -m artcore serve`.

Nothing may import Gradio before artcore.studio does, which keeps the folder spaces/ out of Gradio's way.
"""

from __future__ import annotations

import sys

from artcore.studio import server

if __name__ == "__main__":
    try:
        server.run()
    except ValueError as error:  # all our errors are ValueErrors of one sentence
        sys.exit(f"artcore: {error}")
