"""What every bench does: parts in processes of their own, jobs in turn, a command's beginning and end."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]


class BenchError(ValueError):
    """What can't be measured; the message says what to do."""


# ---------------------------------------------------------------- in a part's process


def in_turn(jobs: dict[str, Callable[[], None]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each job, `repeats` times one after the other, after one round that does not count."""
    taken: dict[str, list[float]] = {part: [] for part in jobs}
    for round in range(repeats + 1):
        for part, job in jobs.items():
            start = time.perf_counter()
            job()
            if round:
                taken[part].append(time.perf_counter() - start)
    return taken


def memory(name: str, picture: str) -> dict:
    """Peak resident memory of a process that takes one picture from JPEG bytes to JPEG bytes."""
    from artcore import image, load

    task, data = load.load(name), Path(picture).read_bytes()
    before = peak_memory()
    image.encode(task(data), "JPEG")
    return {"bytes": peak_memory(), "bytes_before": before}


def peak_memory() -> int:
    try:  # not ru_maxrss: across exec it keeps what the parent had
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


# ---------------------------------------------------------------- the run


def part(bench: str, what: str, *arguments: object, environment: dict[str, str] | None = None) -> dict:
    """What a part of a bench measured in a fresh process."""
    command = [sys.executable, "-m", f"tests.bench.{bench}", "--part", what, json.dumps(arguments, default=str)]
    done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise BenchError(f"{what} could not be measured: {last}")
    return json.loads(done.stdout.splitlines()[-1])


def photo(folder: Path, width: int, height: int) -> Path:
    """An example photo scaled and cut to a size, as a JPEG file."""
    from artcore import image
    from artcore.cards import example_photos

    picture = image.open(example_photos()[-1]).convert("RGB")
    scale = max(width / picture.width, height / picture.height)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    file = folder / f"{width}x{height}.jpg"
    image.save(picture.crop((0, 0, width, height)), file)
    return file


def busy() -> bool:
    """Whether the machine has something else to do."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return os.getloadavg()[0] > 0.3 * cores


def judged(checks: list[tuple[str, bool]]) -> list[str]:
    """Whether each of what the project set out to reach was reached."""
    return [f"{'reached' if reached else 'MISSED'}: {what}" for what, reached in checks]


def table(head: list[str], rows: list[tuple[str, ...]], targets: list[str], found: dict) -> str:
    """The figures as Markdown: lines above them, rows, what was reached, and a warning where they mean nothing."""
    lines = [*head, *(f"| {' | '.join(row)} |" for row in rows), "", *(f"- {line}" for line in targets)]
    if found["busy"]:
        lines += ["", "WARNING: the machine was busy at the start. Don't cite these; measure again in peace."]
    return "\n".join(lines)


def size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and min(int(width), int(height)) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write it like 1920x1080")
    return int(width), int(height)


def main(
    parser: argparse.ArgumentParser,
    argv: list[str] | None,
    parts: dict[str, Callable[..., dict]],
    measure: Callable[[argparse.Namespace], dict],
    show: Callable[[dict], str],
) -> int:
    """Measures, prints the table, writes JSON where asked; 0 unless something could not be measured."""
    parser.add_argument("--json", type=Path, help="write everything that was measured to this file")
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)  # a process of this run
    args = parser.parse_args(argv)
    try:
        if args.part:
            what, arguments = args.part
            print(json.dumps(parts[what](*json.loads(arguments))))
            return 0
        if args.repeats < 1:
            raise BenchError(f"{args.repeats} repeats measure nothing: give at least 1.")
        print(show(found := measure(args)))
        if args.json:
            args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    except (ValueError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0
