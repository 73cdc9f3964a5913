"""How fast style transfer is, against the classic closure: `python -m tests.bench style --help`.

In one process and in turn, so that a neighbour's burst hits both: a whole run with the default options at
533 x 400, from picture files to the bytes of a PNG, and evaluations of the classic closure, forward and back
through VGG-19 to conv5_1 in fp32 with five Gram matrices and one content layer. A few evaluations are timed
between the parts of each round and multiplied up to 500, which would take ten minutes. Its weights are random:
that changes no time. The picture that was timed is judged, too. Another process measures the memory of a 2048 x 1536
picture.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import parts
from tests.bench.parts import REPO, busy, judged, part, peak_memory

# What the project set out to reach.
SECONDS, PREVIEW, FASTER, MEMORY, KEPT = 40, 2, 12, 3e9, 0.3
EVALUATIONS = 500
NEARER = {"brushwork": "of the photo", "colour": "of the photo "}  # of the same distance
PHOTO, PAINTING = "photo_rocky_lighthouse.jpg", "style_starry_night.jpg"


def pictures(folder: str, width: int, height: int) -> tuple[Path, Path]:
    """Files of a photo, scaled and cut to a size, and of a painting."""
    from PIL import ImageOps

    from artcore import image

    examples, photo = REPO / "data" / "examples", Path(folder, "photo.jpg")
    image.save(ImageOps.fit(image.open(examples / PHOTO).convert("RGB"), (width, height)), photo)
    return photo, examples / PAINTING


def speed(width: int, height: int, repeats: int) -> dict:
    """Seconds of a default run, of its first preview, and of the classic closure, in turn; and what the run made."""
    with tempfile.TemporaryDirectory() as folder:
        return _speed(*pictures(folder, width, height), repeats)


def _speed(photo: Path, painting: Path, repeats: int) -> dict:
    import torch

    from artcore import image, runtime
    from artcore.models.vgg import VGG19
    from artcore.tasks.style import StyleOptions, StyleTransfer
    from docs.style_sheet import measure

    run, task = runtime.setup(), StyleTransfer()
    opened = image.open(photo)
    options = StyleOptions(size=max(opened.size))
    vgg = VGG19(None)
    layers = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1", "conv4_2")
    x = image.to_tensor(opened).contiguous().requires_grad_()

    def classic() -> float:
        start = time.perf_counter()
        features = vgg(x, layers)
        loss = features["conv4_2"].square().sum()
        for name in layers[:5]:
            flat = features[name].flatten(2)[0]
            loss = loss + (flat @ flat.T).square().sum()
        torch.autograd.grad(loss, x)
        return time.perf_counter() - start

    classic()
    predicted = task.seconds(*opened.size, options)  # before a run has corrected it
    found: dict = {"run_s": [], "preview_s": [], "closure_s": []}
    for _ in range(repeats):
        found["closure_s"] += [classic() for _ in range(2)]
        start, preview = time.perf_counter(), None
        for snapshot in task.run(photo, painting, options=options):
            if preview is None and snapshot.image is not None:
                preview = time.perf_counter() - start
        image.encode(snapshot.image, "PNG")
        found["run_s"].append(time.perf_counter() - start)
        found["preview_s"].append(preview)
        found["closure_s"] += [classic() for _ in range(2)]
    closure = statistics.median(found["closure_s"])
    return {
        "run_s": statistics.median(found["run_s"]),
        "preview_s": max(found["preview_s"]),
        "predicted_s": predicted,
        "closure_s": closure,
        "times_faster": EVALUATIONS * closure / statistics.median(found["run_s"]),
        "all_s": found,
        "quality": measure(snapshot.image, opened, image.open(painting)),
        "dtype": str(run.dtype).removeprefix("torch."),
        "threads": run.threads,
    }


def memory(width: int, height: int, steps: int) -> dict:
    """Peak resident memory of a process that makes one large picture, all scales, in a few steps each."""
    from artcore.tasks.style import StyleOptions, StyleTransfer

    with tempfile.TemporaryDirectory() as folder:
        photo, painting = pictures(folder, width, height)
        before = peak_memory()
        start = time.perf_counter()
        made = StyleTransfer()(photo, painting, options=StyleOptions(size=max(width, height), steps=steps))
    assert made.size == (width, height)
    return {"bytes": peak_memory(), "bytes_before": before, "seconds": time.perf_counter() - start, "steps": steps}


def table(found: dict) -> str:
    """The figures, and whether they are what the project set out to reach."""
    s, m = found["speed"], found["memory"]
    q = s["quality"]
    rows = [
        (f"default run, {found['size']}", f"{s['run_s']:.1f} s (predicted {s['predicted_s']:.1f} s)"),
        ("first preview", f"{s['preview_s']:.2f} s"),
        ("classic closure, one evaluation", f"{s['closure_s']:.2f} s"),
        (f"times faster than {EVALUATIONS} of them", f"{s['times_faster']:.1f}"),
        (f"peak memory, {found['large']}", f"{m['bytes'] / 1e9:.2f} GB ({m['steps']} steps in {m['seconds']:.0f} s)"),
        ("its picture: brushwork, distance to the painting", f"{q['brushwork']:.4f} (photo {q['of the photo']:.4f})"),
        ("its picture: colour, distance to the painting", f"{q['colour']:.4f} (photo {q['of the photo ']:.4f})"),
        ("its picture: content kept", f"{q['content kept']:.3f}"),
    ]
    checks = [
        (f"at most {SECONDS} s", s["run_s"] <= SECONDS),
        (f"first preview within {PREVIEW} s", s["preview_s"] <= PREVIEW),
        (f"at least {FASTER} times faster", s["times_faster"] >= FASTER),
        (f"memory under {MEMORY / 1e9:.0f} GB", m["bytes"] < MEMORY),
        ("nearer to the painting than the photo", all(q[k] < q[of] for k, of in NEARER.items())),
        (f"content kept at least {KEPT}", q["content kept"] >= KEPT),
    ]
    head = [f"| {s['dtype']}, {s['threads']} threads | |", "|---|---|"]
    return parts.table(head, rows, judged(checks), found)


def main(argv: list[str] | None = None) -> int:
    """Measures, prints the table, writes JSON where asked; 0 unless something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench style")
    parser.add_argument("--repeats", type=int, default=3, help="default runs, closures between them (3)")
    parser.add_argument("--steps", type=int, default=60, help="of the large picture (60)")
    return parts.main(parser, argv, {"speed": speed, "memory": memory}, measure, table)


def measure(args: argparse.Namespace) -> dict:
    found: dict = {"busy": busy(), "size": "533 x 400", "large": "2048 x 1536"}
    found["speed"] = part("style", "speed", 533, 400, args.repeats)
    found["memory"] = part("style", "memory", 2048, 1536, args.steps)
    return found


if __name__ == "__main__":
    sys.exit(main())
