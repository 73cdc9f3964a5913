"""Every test of a fault can fail: each is run against artcore with a deliberate break (tests/breaks.py), and has to see
it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
# A test of test_faults.py, the break, and what the failure says: another one would be no evidence.
BROKEN = [
    (
        "test_after_a_kill_in_mid_run_the_next_process_serves_the_next_visitor",
        "lock_outlives_its_process",
        "the hub is ready again",
    ),
    ("test_a_kill_while_a_file_is_written_leaves_a_half_that_is_swept", "written_in_place", "done.returncode == -"),
    ("test_halves_that_nobody_writes_any_more_are_swept", "nothing_is_swept", "assert files(tmp_path) == "),
    (
        "test_a_disk_without_room_is_a_sentence_and_the_next_visitor_is_served",
        "full_disk_is_not_known",
        '"disk of this server is full" in sentence',
    ),
    (
        "test_weights_that_are_deleted_are_named_and_the_others_go_on",
        "failure_is_remembered",
        "# and so does this one",
    ),
    (
        "test_a_hub_that_is_out_of_order_or_silent_costs_only_what_is_there",
        "error_of_the_hub_is_not_known",
        "Something went wrong here",
    ),
    ("test_a_hub_that_is_out_of_order_or_silent_costs_only_what_is_there", "hub_is_waited_for", "{'stall': 300}"),
    (
        "test_while_the_hub_is_silent_what_is_loaded_answers",
        "loading_holds_up_what_is_loaded",
        "assert found == [ready]",
    ),
    (
        "test_a_visitor_who_vanishes_leaves_the_place_to_the_next[api]",
        "who_vanishes_is_painted_for",
        "the run has ended",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "broken", "told"), BROKEN, ids=[broken for _, broken, _ in BROKEN])
def test_a_test_of_a_fault_fails_where_artcore_is_broken(fault: str, broken: str, told: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-m", "", "-p", "tests.breaks", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, f"tests/test_faults.py::{fault}"],
        cwd=REPO,
        env=os.environ | {"ARTCORE_BREAK": broken, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout[-3000:] + done.stderr[-3000:]
    reason = "\n".join(line for line in done.stdout.splitlines() if re.match("[>E]", line))
    assert "1 failed" in done.stdout and told in reason, reason or done.stdout


def test_every_test_of_a_fault_has_its_break() -> None:
    faults = re.findall(r"^def (test_\w+)", (REPO / "tests/test_faults.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(faults) == {fault.partition("[")[0] for fault, _, _ in BROKEN}
