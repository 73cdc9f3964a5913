"""Deliberate breaks of artcore: a plugin of pytest, `-p tests.breaks`, that does the one that ARTCORE_BREAK names, here
and in every process that a test starts. test_faults_broken.py sees that the tests of faults fail then."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]


def lock_outlives_its_process() -> None:
    from gradio.utils import get_upload_folder

    from artcore.studio import server
    from tests import replica

    replica.until.__defaults__ = (150,)  # seconds: what a test waits for never comes
    listen = server._listen

    def locked(*given: object) -> object:
        Path(get_upload_folder()).mkdir(parents=True, exist_ok=True)
        with (Path(get_upload_folder()) / "lock").open("x"):
            return listen(*given)

    server._listen = locked


def written_in_place() -> None:
    from artcore import image

    image.write = lambda data, path: Path(path).write_bytes(data)


def nothing_is_swept() -> None:
    from artcore.studio import border

    border.sweep = lambda keep: None


def full_disk_is_not_known() -> None:
    from artcore.studio import shared

    shared.FULL = ()


def failure_is_remembered() -> None:
    from artcore.studio import shared

    task, failed = shared.task, {}

    def remembers(name: str) -> Callable:
        if name not in failed:
            try:
                return task(name)
            except ValueError as error:
                failed[name] = error
        raise failed[name]

    shared.task = remembers


def error_of_the_hub_is_not_known() -> None:
    from artcore import hub

    hub._sentence = lambda *given: None


def hub_is_waited_for() -> None:
    from artcore import hub
    from tests.local_hub import LocalHub

    ask, fail = hub.get_hf_file_metadata, LocalHub.fail
    hub.get_hf_file_metadata = lambda url, token, timeout: ask(url, token=token, timeout=600)
    # So that the test ends before long; what does not wait has given up by then.
    LocalHub.fail = lambda self, pattern, stall=0, **named: fail(self, pattern, stall=min(stall, 8), **named)


def loading_holds_up_what_is_loaded() -> None:
    from artcore.studio import shared

    def task(name: str) -> Callable:
        with shared._loading:
            return shared._tasks.setdefault(name, shared._tasks.get(name) or shared.load_task(name))

    shared.task = task


def who_vanishes_is_painted_for() -> None:
    from artcore.studio import hub
    from tests import replica

    replica.until.__defaults__ = (30,)  # seconds, of a run that takes longer
    queue = hub.gr.queueing.Queue
    send = queue.send_message

    async def clean_events(self: object, **named: object) -> None:
        pass

    def send_message(self: object, *given: object) -> None:
        with contextlib.suppress(KeyError):  # which ends a run that has nobody to tell anything
            send(self, *given)

    queue.clean_events, queue.send_message = clean_events, send_message


def apply() -> None:
    """Does the break that ARTCORE_BREAK names."""
    globals()[os.environ["ARTCORE_BREAK"]]()


def pytest_sessionstart() -> None:  # after conftest.py has set up where artcore may write
    from tests.conftest import SESSION

    apply()
    # Imported by every Python before anything else.
    (SESSION / "sitecustomize.py").write_text("from tests import breaks\n\nbreaks.apply()\n")
    os.environ["PYTHONPATH"] = f"{REPO}{os.pathsep}{SESSION}"
