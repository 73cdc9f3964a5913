"""How many visitors the hub serves: `python -m tests.bench load --help`.

The real application in a process of its own, as `python -m artcore serve` starts it, and clients in another, who share
the cores with it. Each uploads a photo of 512 pixels, has it painted, coloured or made four times as large, fetches
what was made, and begins again. The queue is shorter than they are many, so that some are told to come back: that must
be a 503 with a sentence, and nothing else may go wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import parts
from tests.bench.parts import BenchError, busy, judged, part

# What the project set out to reach, in a minute: finished requests, of each task, and growth of memory.
FINISHED, OF_EACH, GROWTH = 200, 50, 0.05
SECONDS, CLIENTS, QUEUE, SIDE = 60, 16, 12, 512
WARM = 15  # seconds before the minute that counts: nets are loaded, malloc has seen every size
EVERY = 5  # of each task that are finished by then
PAUSE = 1.0  # seconds that one waits who was told to come back
STYLES = ("vangogh", "monet")
JOBS = ("paint", "colorize", "upscale")
# What a client asks for in turn: an enlarged picture has sixteen times the pixels, and is asked for less often.
TURNS = ("paint", "colorize", "upscale", "paint", "colorize", "paint", "colorize", "upscale")


class Failed(Exception):
    """What a client got in place of a picture."""


# ---------------------------------------------------------------- in the process of the clients


def visits(url: str, pictures: list[str], seconds: float, clients: int, least: int = 0) -> dict:
    """Has so many clients come for so long, and until ``least`` of each task are finished; what they got, and what of
    the server's time and memory it took."""
    return asyncio.run(_visits(url, [Path(p).read_bytes() for p in pictures], seconds, clients, least))


async def _visits(url: str, pictures: list[bytes], seconds: float, clients: int, least: int) -> dict:
    import httpx

    found: dict = {"taken_s": {job: [] for job in JOBS}, "refused": 0, "errors": []}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=300, limits=limits) as http:
        before, start = await _costs(http), time.monotonic()

        def open_() -> bool:
            done = min(map(len, found["taken_s"].values()))
            return time.monotonic() - start < seconds or (done < least and not found["errors"])

        async def client(number: int) -> None:
            turn = number
            while open_():
                job, picture = TURNS[turn % len(TURNS)], pictures[turn % len(pictures)]
                begun = time.monotonic()
                try:
                    refused = await _visit(http, job, turn, picture)
                except (Failed, httpx.HTTPError) as error:
                    found["errors"].append(f"{job}: {error!r}"[:300])
                    refused = True
                else:
                    found["refused"] += refused
                if refused:
                    await asyncio.sleep(PAUSE)
                    continue
                if open_():  # what ends later belongs to another minute
                    found["taken_s"][job].append(time.monotonic() - begun)
                turn += 1

        await asyncio.gather(*(client(number) for number in range(clients)))
        taken, after = time.monotonic() - start, await _costs(http)
    return found | {
        "seconds": taken,
        "cpu_s": after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"],
        "memory": after["process_resident_memory_bytes"],
    }


async def _visit(http: object, job: str, turn: int, picture: bytes) -> bool:
    """One job from the upload to the last byte; whether the server said, as it should, that it has too much to do."""
    answer = await http.post("/gradio_api/upload", files={"files": (f"{turn}.jpg", picture)})
    if answer.status_code != 200:
        raise Failed(f"upload: {answer.status_code} {answer.text[:200]}")
    image = {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}}
    seed = turn % 5
    given = {
        "paint": [image, STYLES[turn % len(STYLES)], "auto", 1, seed],
        "colorize": [image, "general", seed],
        "upscale": [image],
    }[job]
    answer = await http.post(f"/gradio_api/call/{job}", json={"data": given})
    if answer.status_code == 503 and len(answer.json().get("detail", "")) > 10:
        return True
    if answer.status_code != 200:
        raise Failed(f"{answer.status_code} {answer.text[:200]}")
    told = (await http.get(f"/gradio_api/call/{job}/{answer.json()['event_id']}")).text
    event, _, rest = told.rpartition("event: ")[2].partition("\n")
    if event != "complete":
        raise Failed(told[-200:])
    made = json.loads(rest.partition("data: ")[2])[0]
    answer = await http.get(made["url"])
    if answer.status_code != 200 or not answer.content.startswith(b"\x89PNG"):
        raise Failed(f"{made['url']}: {answer.status_code} {answer.content[:60]!r}")
    return False


async def _costs(http: object) -> dict[str, float]:
    """The server's processor time and memory, as Prometheus sees them."""
    lines = (await http.get("/metrics")).text.splitlines()
    return {name: float(value) for name, value in (line.split() for line in lines if line.startswith("process_"))}


# ---------------------------------------------------------------- the run


def measure(args: argparse.Namespace) -> dict:
    from tests.replica import free_port, process, status, until

    found: dict = {"busy": busy(), "clients": args.clients, "queue": args.queue, "asked_s": args.seconds}
    with tempfile.TemporaryDirectory() as place:
        pictures = _photos(Path(place))
        port = free_port()
        with process(port, {"GRADIO_TEMP_DIR": f"{place}/gradio"}, "--queue", str(args.queue)) as hub:
            url = f"http://127.0.0.1:{port}"
            until(lambda: hub.poll() is not None or status(url) == 200, "the hub is ready")
            if hub.poll() is not None:
                raise BenchError("The hub did not start: see what it said above.")
            warm = part("load", "visits", url, pictures, args.warm, args.clients, EVERY)
            found["load"] = part("load", "visits", url, pictures, args.seconds, args.clients)
    if warm["errors"]:
        found["load"]["errors"] = warm["errors"] + found["load"]["errors"]
    found["memory_warm"] = warm["memory"]
    return found


def _photos(folder: Path) -> list[str]:
    """Squares of the size that is asked about, cut from what ships."""
    from artcore import image
    from artcore.cards import example_photos

    paths = []
    for n, photo in enumerate(example_photos()[:5]):
        picture = image.open(photo).convert("RGB")
        side = min(picture.size)
        image.save(picture.resize((SIDE, SIDE), box=(0, 0, side, side)), folder / f"{n}.jpg")
        paths.append(str(folder / f"{n}.jpg"))
    if not paths:
        raise BenchError("No example photos are there: restore data/examples/ from a release.")
    return paths


def table(found: dict) -> str:
    """The figures, and whether they are what the project set out to reach."""
    load = found["load"]
    done = {job: len(taken) for job, taken in load["taken_s"].items()}
    total = sum(done.values())
    rows = []
    for job, taken in load["taken_s"].items():
        p50, p95 = (f"{percentile(taken, share):.2f} s" if taken else "-" for share in (0.5, 0.95))
        rows.append((job, str(done[job]), p50, p95))
    everything = [t for taken in load["taken_s"].values() for t in taken]
    p50, p95 = (f"{percentile(everything, share):.2f} s" if everything else "-" for share in (0.5, 0.95))
    rows.append(("all", str(total), p50, p95))
    head = [
        f"| {found['clients']} clients, {found['asked_s']:g} s, {SIDE} px | finished | p50 | p95 |",
        "|---|---|---|---|",
    ]
    more = [
        f"{60 * total / found['asked_s']:.0f} finished a minute; {load['refused']} were told to come back (503)",
        f"{1000 * load['cpu_s'] / max(1, total):.0f} ms of the server's processor time for each",
        f"memory {found['memory_warm'] / 1e6:.0f} MB once warm, {load['memory'] / 1e6:.0f} MB at the end: "
        f"{100 * growth(found):+.1f} %",
        *(f"error: {error}" for error in load["errors"][:5]),
    ]
    return parts.table(head, rows, more + judged(checks(found)), found)


def percentile(values: list[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[round(100 * share) - 1] if values[1:] else values[0]


def growth(found: dict) -> float:
    """Of the memory from after the warm-up to the end, as a share."""
    return found["load"]["memory"] / found["memory_warm"] - 1


def checks(found: dict) -> list[tuple[str, bool]]:
    """What the project set out to reach, and whether it was; a run that is no minute is judged by its share of one."""
    load = found["load"]
    done, minutes = [len(taken) for taken in load["taken_s"].values()], found["asked_s"] / 60
    return [
        ("no error but honest 503s", not load["errors"]),
        (f"memory grows less than {100 * GROWTH:g} %", growth(found) < GROWTH),
        (f"{FINISHED} finished a minute", sum(done) >= FINISHED * minutes),
        (f"{OF_EACH} of each task a minute", min(done) >= OF_EACH * minutes),
    ]


def main(argv: list[str] | None = None) -> int:
    """Measures, prints the table, writes JSON where asked; 0 when all that was set out for was reached, 1 when
    something was missed, 2 when it could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench load")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"that count ({SECONDS})")
    parser.add_argument("--warm", type=float, default=WARM, help=f"seconds before them ({WARM})")
    parser.add_argument("--clients", type=int, default=CLIENTS, help=f"at once ({CLIENTS})")
    parser.add_argument("--queue", type=int, default=QUEUE, help=f"of the server: jobs that may wait ({QUEUE})")
    parser.set_defaults(repeats=1)
    seen: list[dict] = []

    def measured(args: argparse.Namespace) -> dict:
        if not (args.seconds > 0 and args.warm > 0 and args.clients > 0):
            raise BenchError("Nothing comes of no seconds or no clients: give at least 1.")
        seen.append(measure(args))
        return seen[0]

    status = parts.main(parser, argv, {"visits": visits}, measured, table)
    return status or int(any(not reached for found in seen for _, reached in checks(found)))


if __name__ == "__main__":
    sys.exit(main())
