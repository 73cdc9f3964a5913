"""Set before anything is imported: no test reads or writes the user's caches, tokens or the network."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

SESSION = Path(tempfile.mkdtemp(prefix="artcore-tests-"))


@atexit.register
def remove(owner: int = os.getpid()) -> None:  # not in a process that a test forks
    if os.getpid() == owner:
        shutil.rmtree(SESSION, ignore_errors=True)


os.environ.update(
    HF_HUB_DISABLE_XET="1",  # Xet is chosen by the client and talks to a server of its own
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_HOME=str(SESSION / "hf"),
    GRADIO_ANALYTICS_ENABLED="False",
    GRADIO_TEMP_DIR=str(SESSION / "gradio"),
    ARTCORE_CACHE=str(SESSION / "artcore"),
    NO_PROXY="127.0.0.1,localhost",
    no_proxy="127.0.0.1,localhost",
)
for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "SPACE_ID", "SYSTEM"):
    os.environ.pop(name, None)
# The same format on every machine, or what a test sees would depend on its CPU and on what else it does.
# `ARTCORE_DTYPE=bf16 make test` runs everything in the other one.
os.environ.setdefault("ARTCORE_DTYPE", "fp32")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

from tests.local_hub import local_hub  # noqa: E402, F401  a fixture

REPO = Path(__file__).resolve().parents[1]
SKIPPED: list[str] = []  # a sentence for each test that should not have been
CACHES = ("__pycache__", ".pytest_cache", ".ruff_cache")


def _tree() -> set[str] | None:
    """Every changed, new or ignored file of the repository, or None where it is no git checkout."""
    status = ["git", "status", "--porcelain", "--ignored"]
    try:
        done = subprocess.run(status, cwd=REPO, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return {line for line in done.stdout.splitlines() if not any(cache in line for cache in CACHES)}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What goes wrong in a browser once, on a machine that does much else, has a second chance; the report names it."""
    if not config.pluginmanager.hasplugin("rerunfailures"):
        return
    for item in items:
        if item.path.name.startswith("test_browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Where nothing may be left out, as in CI, a test that was skipped counts as failed; most machines have no GPU."""
    if os.environ.get("ARTCORE_NO_SKIPS") and report.skipped and "needs a GPU" not in report.longrepr[2]:
        SKIPPED.append(f"ARTCORE_NO_SKIPS is set, and {report.nodeid} was skipped: {report.longrepr[2]}")


def pytest_sessionstart(session: pytest.Session) -> None:
    torch.set_num_threads(2)
    session.config.tree_before = _tree()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if SKIPPED and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    before, after = session.config.tree_before, _tree()
    # In a tree that someone works in, a new file may be theirs; a clean one (CI's) tells.
    if before is None or after is None or any(not line.startswith("!!") for line in before):
        return
    session.config.left_behind = sorted(after - before)
    if session.config.left_behind and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter) -> None:
    for line in SKIPPED:
        terminalreporter.write_line(line, red=True)
    for line in getattr(terminalreporter.config, "left_behind", []):
        terminalreporter.write_line(f"A test left this in the repository, use tmp_path: {line}", red=True)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)
    np.random.seed(0)
