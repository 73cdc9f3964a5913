"""How fast upscaling is, against the published layers: `python -m tests.bench upscale --help`.

In one process and in turn, so that a neighbour's burst hits all of them: the net alone, as the runtime prepares it; a
picture to a picture, with back-projection; and the layers of Sajjadi et al. (2017) in fp32, as a user of torch would
run them. Weights of these are random: that changes no time. Another process measures the memory of 96 megapixels.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

from tests.bench import parts
from tests.bench.parts import REPO, BenchError, busy, in_turn, judged, part, peak_memory, size

# What the project set out to reach: seconds of the net alone in bf16, and times faster than the published layers.
NET, FASTER = 0.15, 20
SIZE, LARGE = (480, 270), (3000, 2000)
PHOTO = "photo_rocky_lighthouse.jpg"


def checkpoint(name: str | None) -> str:
    """The one to measure: as asked, else enhancenet.fidelity, else the first upscaler that ships."""
    from artcore import load

    ships = [entry.name for entry in load.kinds("upscaler").values() if entry.path]
    if not name and not ships:
        raise BenchError("No upscaler ships yet: give a checkpoint folder with --name.")
    return name or ("enhancenet.fidelity" if "enhancenet.fidelity" in ships else ships[0])


def speed(name: str, width: int, height: int, repeats: int) -> dict:
    """Seconds of the net, of picture to picture, and of the published layers in fp32."""
    import torch

    from artcore import image, load, runtime
    from artcore.models.enhancenet import PRESETS, EnhanceNet

    run, task = runtime.setup(), load.load(name)
    torch.manual_seed(0)
    peer = EnhanceNet(**PRESETS["paper"]).eval()
    photo = image.open(REPO / "data" / "examples" / PHOTO).convert("RGB").resize((width, height))
    x = image.to_tensor(photo).contiguous()
    ready = x.to(run.device)

    @torch.inference_mode()
    def net() -> None:
        task.model(ready)

    @torch.inference_mode()
    def published() -> None:
        peer(x)

    taken = in_turn({"net": net, "picture": lambda: task(photo), "peer": published}, repeats)
    ratios = [p / n for p, n in zip(taken["peer"], taken["net"], strict=True)]
    return {
        **{f"{part}_s": statistics.median(times) for part, times in taken.items()},
        "predicted_s": task.seconds(width, height),
        "times_faster": statistics.median(ratios),
        "times_faster_lowest": min(ratios),
        "all_s": taken,
        "dtype": str(run.dtype).removeprefix("torch."),
        "threads": run.threads,
    }


def memory(name: str, width: int, height: int) -> dict:
    """Peak resident memory of a process that makes one large picture four times as large."""
    from artcore import image, load

    task = load.load(name)
    photo = image.open(REPO / "data" / "examples" / PHOTO).convert("RGB").resize((width, height))
    before, start = peak_memory(), time.perf_counter()
    assert task(photo).size == (4 * width, 4 * height)
    return {"bytes": peak_memory(), "bytes_before": before, "seconds": time.perf_counter() - start}


def table(found: dict) -> str:
    """The figures, and whether they are what the project set out to reach."""
    s, m = found["speed"], found["memory"]
    (width, height), (w, h) = found["size"], found["large"]
    rows = [
        (f"net only, {width} x {height} to {4 * width} x {4 * height}", f"{s['net_s']:.3f} s"),
        ("picture to picture", f"{s['picture_s']:.2f} s (predicted {s['predicted_s']:.2f} s)"),
        ("the published layers, fp32", f"{s['peer_s']:.2f} s"),
        ("times faster than they, net only", f"{s['times_faster']:.1f}; {s['times_faster_lowest']:.1f} at worst"),
        (f"peak memory, {w} x {h} to {4 * w} x {4 * h}", f"{m['bytes'] / 1e9:.2f} GB ({m['seconds']:.0f} s)"),
    ]
    head = [f"| {found['checkpoint']}, {s['dtype']}, {s['threads']} threads | |", "|---|---|"]
    return parts.table(head, rows, targets(found), found)


def targets(found: dict) -> list[str]:
    """What the project set out to reach, and whether it was."""
    s = found["speed"]
    if tuple(found["size"]) != SIZE:
        return ["The targets are for {} x {}: nothing is said about other sizes.".format(*SIZE)]
    if s["dtype"] != "bfloat16":
        return ["not asked: the targets are for processors with bf16 of their own"]
    checks = [
        (f"net only within {NET} s", s["net_s"] <= NET),
        (f"at least {FASTER} times faster than the published layers", s["times_faster"] >= FASTER),
    ]
    return judged(checks)


def main(argv: list[str] | None = None) -> int:
    """Measures, prints the table, writes JSON where asked; 0 unless something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench upscale")
    parser.add_argument("--name", help="catalog name, folder or Hub repository (default: enhancenet.fidelity)")
    parser.add_argument("--size", type=size, default=SIZE, help="of the timed picture (480x270)")
    parser.add_argument("--large", type=size, default=LARGE, help="of the memory test (3000x2000)")
    parser.add_argument("--repeats", type=int, default=7, help="of each timing (7)")
    return parts.main(parser, argv, {"speed": speed, "memory": memory}, measure, table)


def measure(args: argparse.Namespace) -> dict:
    name = checkpoint(args.name)
    found: dict = {"busy": busy(), "checkpoint": name, "size": args.size, "large": args.large}
    found["speed"] = part("upscale", "speed", name, *args.size, args.repeats)
    found["memory"] = part("upscale", "memory", name, *args.large)
    return found


if __name__ == "__main__":
    sys.exit(main())
