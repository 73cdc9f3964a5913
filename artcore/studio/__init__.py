"""The hub's user interface and server: the only room that imports Gradio.

What has to be true before Gradio is imported is done here, so that it holds for every way in: app.py, the
apps of spaces/, `python -m artcore serve` and the tests.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path


def _guard_spaces() -> None:
    """Keep our folder spaces/ from being taken for Hugging Face's package `spaces`.

    Gradio imports that package by name, and on a Space calls `spaces.gradio_auto_wrap` for every event. In a
    program that is started in our repository root, `import spaces` finds our folder as a namespace package
    unless the real one is installed, and the app dies with an AttributeError, on a Space and only there.
    `None` in sys.modules makes the import fail, which Gradio is prepared for.
    """
    if "spaces" in sys.modules:
        return
    found = importlib.util.find_spec("spaces")
    if found is None:
        return
    if found.origin is None:
        sys.modules["spaces"] = None  # type: ignore[assignment]
    elif Path(found.origin).resolve().parent == Path(__file__).resolve().parents[2] / "spaces":
        raise ImportError(
            "spaces/__init__.py hides the package `spaces` that Gradio needs on a Space, where the app "
            "would end in \"module 'spaces' has no attribute 'gradio_auto_wrap'\": delete that file."
        )


_guard_spaces()
# Nothing about visitors is sent to anybody: both are read when Gradio and huggingface_hub are imported.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
# After every event Gradio has pandas sum up all of them, for a page of its own that is closed here.
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = "1000000000"
