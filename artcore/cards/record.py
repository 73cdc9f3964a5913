"""What a trainer wrote down of a run, as a card tells it; and trainings beside each other."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from artcore.cards import painter
from artcore.cards.scores import CardError

RECORD = "training.json"
# Settings of a trainer that name places on the machine it ran on.
PATHS = {"photos", "paintings", "pictures", "data", "out", "samples", "init", "features", "tracker"}
PATHS |= {"init_to_painting", "init_to_photo", "more"}


def training_section(record: dict | None) -> str:
    """What the trainer wrote into training.json, as a table, and its settings but for paths."""
    if not record:
        return f"The trainer left no {RECORD} beside this checkpoint: its steps and hardware are not recorded."
    config = record.get("config", {})
    precision = config.get("mixed_precision")
    rows = {
        "steps": record.get("step", config.get("steps")),
        "batch": config.get("batch_size"),
        "processes": record.get("processes"),
        "crop": f"{config['size']} px" if "size" in config else None,
        "photos": record.get("photos"),
        "paintings": record.get("paintings"),
        "pictures": record.get("trained_on", record.get("pictures")),
        "pictures besides": _besides(record),
        "held back": record.get("held_back"),
        "top-1 accuracy on those": f"{record['accuracy']:.1%}" if "accuracy" in record else None,
        "fine-tuned from": _last_name(config.get("init") or ""),
        "generator": config.get("generator"),
        "second condition": _condition(record),
        "to a painting, fine-tuned from": _last_name(config.get("init_to_painting") or ""),
        "to a photo, fine-tuned from": _last_name(config.get("init_to_photo") or ""),
        "average of the weights (EMA)": config.get("ema") or None,
        "noise gain of the saved net": config.get("noise_gain"),
        "number format": "fp32" if precision == "no" else precision,
        "hardware": record.get("hardware"),
        "time": _minutes(record["minutes"]) if "minutes" in record else None,
        "torch": record.get("torch"),
        "note": record.get("note"),
    }
    lines = ["| | |", "|---|---|", *(f"| {k} | {v} |" for k, v in rows.items() if v is not None)]
    settings = _settings(record)
    if "trainer" in record:
        lines = [f"With `python -m training.{record['trainer'].rpartition('.')[2]}`.", "", *lines]
    return "\n".join([*lines, "", "```json", json.dumps(settings, indent=2), "```"] if settings else lines)


def _besides(record: dict) -> str | None:
    """How many pictures a training took besides, and from where, as the trainer found them."""
    places = ", ".join(f"{count} of `{place}`" for place, count in record.get("more_from", {}).items())
    return str(record["more"]) + (f": {places}" if places else "") if record.get("more") else None


def _condition(record: dict) -> str | None:
    """What a colouriser sees besides luma; other trainers look through a net of that name in their losses only."""
    source = record.get("config", {}).get("features")
    known = source and str(record.get("trainer")).endswith("train_colorunet")
    return f"features of {_last_name(source)}, part of this net" if known else None


def _settings(record: dict) -> dict:
    """The settings of a training but for those that name places on the machine it ran on."""
    config = record.get("config", {})
    return {k: v for k, v in config.items() if k not in PATHS and not re.search('"[/~]', json.dumps(v))}


def folders(record: dict | None) -> list[str]:
    """The names of the data folders that a training took all of, none where it chose among their files; and as
    "photos (land_*)" the parts of folders that links led to."""
    config = (record or {}).get("config", {})
    named = [place for key in ("pictures", "more") for place in config.get(key) or () if isinstance(place, str)]
    parts = [re.sub(r"/(.*)", r" (\1)", place) for place in (record or {}).get("more_from", ())]
    return [*([] if config.get("match") else [Path(place).name for place in named]), *parts]


def hub_datasets(record: dict | None) -> list[str]:
    """The Hub's own names of the data sets that a training took ("hub:org/name" in its settings)."""
    config = (record or {}).get("config", {})
    named = [v for value in config.values() for v in (value if isinstance(value, list) else [value])]
    found = [v.removeprefix("hub:") for v in named if isinstance(v, str) and v.startswith("hub:")]
    return list(dict.fromkeys(found))


def encoder_used(record: dict | None) -> bool:
    """Whether a net of no painter learned through ArtEncoder or VGG-19: by a loss, or by what they see in a picture."""
    config = (record or {}).get("config", {})
    return bool(config.get("features")) and any(config.get(f"{w}_weight", 1) for w in ("perceptual", "texture"))


def run(folder: str | os.PathLike) -> dict:
    """What a comparison says of a training: its folder's name and what training.json knows; no figures yet."""
    folder = Path(folder).expanduser()
    record = read_record(folder / "model" if (folder / "model").is_dir() else folder) or {}
    known = {key: record[key] for key in ("minutes", "step", "hardware", "trainer") if key in record}
    known["settings"] = _settings(record)
    return {"name": _last_name(str(folder)), "minutes": 0.0, **known, "figures": {}}


def baseline_section(runs: Sequence[dict], kind: ModuleType = painter) -> str:
    """Other trainings of the same net beside each other: what `python -m artcore cards --model --json` wrote.

    Each run is an object with "name", "minutes", "settings" (optional, of which those are shown that differ) and
    "figures" (direction or group -> short side or way -> figure -> score). Raises CardError for anything else.
    """
    try:
        heads = [
            ", ".join([run["name"], *([f"{run['step']} steps"] if "step" in run else []), _minutes(run["minutes"])])
            for run in runs
        ]
        keys = [(d, size, figure) for d, v in runs[0]["figures"].items() for size, row in v.items() for figure in row]
        rows = {key: [run["figures"][key[0]][key[1]][key[2]] for run in runs] for key in keys}
        settings = [run.get("settings", {}) for run in runs]
        names = {name: [s.get(name) for s in settings] for name in dict.fromkeys(n for s in settings for n in s)}
        lines = [
            f"| setting | | {name} | {' | '.join(json.dumps(v) for v in row)} |"
            for name, row in names.items()
            if all(settings) and any(v != row[0] for v in row)
        ]
        lines += [
            f"| {re.sub('^to_', 'to a ', d)} | {size} | {figure} | "
            + " | ".join("none" if v is None else f"{v:.3f}" for v in row)
            + " |"
            for (d, size, figure), row in rows.items()
        ]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CardError(
            f"The baseline has no {error}: write it with `python -m artcore cards FOLDER --model RUN --json FILE` "
            "(and --style NAME for painters), the same for each run."
        ) from error
    hardware = "; ".join(dict.fromkeys(str(run.get("hardware") or "unknown hardware") for run in runs))
    trainers = dict.fromkeys(str(run["trainer"]).rpartition(".")[2] for run in runs if run.get("trainer"))
    by = " by " * bool(trainers) + " and ".join(f"`python -m training.{name}`" for name in trainers)
    alike = " Settings that are not listed, the seed among them, are alike, but for those that name files."
    return "\n".join(
        [
            f"Trainings{by} on the same data and hardware ({hardware}).{alike * all(settings)} {kind.MEANING}",
            "",
            f"| {' | '.join((*kind.HEADS, *heads))} |",
            f"|---|---|---|{'---|' * len(heads)}",
            *lines,
        ]
    )


def _minutes(taken: float) -> str:
    return f"{taken:.0f} minute" + "s" * (f"{taken:.0f}" != "1")


def _last_name(path: str) -> str | None:
    """What a checkpoint is called, without where it lay: runs/base/model is "base"."""
    parts = [part for part in path.replace("\\", "/").split("/") if part]
    return next((part for part in reversed(parts) if part != "model"), None)


def read_record(folder: Path) -> dict | None:
    """training.json of a checkpoint: in its folder, or beside it, in the folder of the run."""
    for file in (folder / RECORD, folder.parent / RECORD):
        if file.is_file():
            try:
                record = json.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise CardError(f"{RECORD} can't be read ({error}): correct it, or take it away.") from error
            if not isinstance(record, dict):
                raise CardError(f"{RECORD} is no JSON object: correct it, or take it away.")
            return record
    return None
