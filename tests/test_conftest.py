"""What holds for all tests: where nothing may be skipped, a test that is fails the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
TESTS = """
import pytest

def test_done():
    pass

@pytest.mark.skip(reason="needs a GPU")
def test_gpu():
    pass

def test_tool():
    pytest.skip("no chromium")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chosen", "no_skips", "passes"), [("tool or done", "", True), ("tool", "1", False), ("gpu or done", "1", True)]
)
def test_a_skip_fails_the_run_where_none_may_be(tmp_path: Path, chosen: str, no_skips: str, passes: bool) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-k", chosen]
    done = subprocess.run(
        [*command, "--rootdir", REPO, "-c", REPO / "pyproject.toml", tmp_path / "test_some.py"],
        cwd=REPO,
        env=os.environ | {"ARTCORE_NO_SKIPS": no_skips, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode == 0) is passes, done.stdout + done.stderr
    assert ("test_tool was skipped: Skipped: no chromium" in done.stdout) is not passes
