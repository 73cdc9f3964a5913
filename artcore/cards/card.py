"""Model cards: what a checkpoint is, was trained on, scores and cannot do, with its pictures."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

from artcore import hub, image, load, runtime
from artcore.cards import colour, features, painter, scores, upscale
from artcore.cards.record import baseline_section, encoder_used, folders, hub_datasets, training_section
from artcore.cards.scores import CardError, Figures
from artcore.models.encoder import ArtEncoder

# What each kind of checkpoint has to show and to say, by `Entry.task`; every module has the same functions.
KINDS: dict[str, ModuleType] = {
    "features": features,
    "painter": painter,
    "colorizer": colour,
    "upscaler": upscale,
}
SECTIONS = ("data", "figures", "examples")  # what stands between markers, and can be computed again

# What the Hub knows by name (hf.co/docs/hub/repositories-licenses); any other is "other" with a license_name.
_LICENCES = (
    "apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause "
    "bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 "
    "cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 "
    "cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl "
    "gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc mpl-2.0 ms-pl odc-by odbl openrail++ ofl-1.1 osl-3.0 pddl "
    "unlicense zlib"
)
HUB_LICENCES = frozenset(_LICENCES.split())
CARD, SAMPLE, THUMBNAIL = hub.CARD, "sample.jpg", "thumbnail.jpg"
COMPARED = "before_after.jpg"


def kind(task: object) -> str:
    """Which of KINDS a task, or a class of tasks, is of: most are called as the catalog calls them."""
    name = (task if isinstance(task, type) else type(task)).__name__.lower()
    return {"styletransfer": "features"}.get(name, name if name in KINDS else "painter")


# ------------------------------------------------------------------------------------------------ data


def data_hash(files: Iterable[Path], root: Path) -> str:
    """SHA-256 over the files' names below `root` and their bytes, in the order of the names."""
    total = hashlib.sha256()
    for name, file in sorted((f.relative_to(root).as_posix(), f) for f in files):
        total.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _provenance(folder: Path, prefixes: Sequence[str]) -> list[str]:
    """The lines of the data's own README.md, a table of | folder | images | MB | sources | licence |. Where that does
    not tell the parts of a folder apart, its line is that of all."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
    except OSError:
        return []
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in text.splitlines() if "|" in line]
    folders = {prefix.split(" ")[0] for prefix in prefixes}
    wanted = [r for r in rows if len(r) == 5 and (r[0] in {*prefixes, *folders} or r[0].split(" ")[0] in prefixes)]
    return [f"| {r[0]} | {r[1]} | {r[3]} | {r[4]} |" for r in wanted]


def data_section(kind: ModuleType, folder: Path, name: str, more: Iterable[str] = ()) -> str:
    """What there was to train on; the data's own table has lines for it, and for what was taken besides (`more`)."""
    text, places = kind.data(folder, name)
    if rows := _provenance(folder, [*places, *more]):
        text += "\n\n| folder | images | source repositories (images) | licence position |\n|---|---|---|---|\n"
        text += "\n".join(rows)
    return text


def figures_section(
    kind: ModuleType, task: scores.Task, folder: Path, name: str, sets: Sequence[str | os.PathLike] = ()
) -> str:
    more = {"sets": sets} if sets and kind is upscale else {}
    tables = "\n\n".join(kind.figures(task, folder, name, **more))
    digest = data_hash(kind.judged(folder, name), folder)
    dtype = str(runtime.setup().dtype).removeprefix("torch.")
    return (
        f"{tables}\n\nData: SHA-256 of file names and bytes `{digest}`. Computed in {dtype} by "
        "`python -m artcore cards FOLDER`."
    )


def judge(
    source: object,
    folder: str | os.PathLike | None,
    *,
    style: str | None = None,
    sizes: Sequence[int] = (),
    sets: Sequence[str | os.PathLike] = (),
    keep: dict | None = None,
) -> Iterator[str]:
    """The tables of any checkpoint or run, one by one as they are computed, for judging it; no card is written.

    source: a task, or what `artcore.load` takes. folder: as for `update`. style: whose paintings a painter is judged
    by. sizes: of a painter, short sides in pixels. sets: of an upscaler, folders of whole pictures to reduce and to
    enlarge again, in place of folder/sr. keep: gets the figures, for `baseline_section`.

    Raises CardError where these do not fit the checkpoint, and what the scores raise.
    """
    task = scores.as_task(source)
    named = {"style": style, "size": sizes, "set": sets}
    fitting = {"painter": ("style", "size"), "upscaler": ("set",)}.get(kind(task), ())
    if wrong := [word for word, value in named.items() if value and word not in fitting]:
        raise CardError(f"--{wrong[0]} says nothing about {KINDS[kind(task)].TITLE}: leave it out.")
    if folder is None and not sets:
        raise CardError("There is no folder to judge it by: give one, or with an upscaler --set FOLDER.")
    folder = Path(folder).expanduser() if folder is not None else None
    if kind(task) == "upscaler":
        yield from upscale.full_score(task, folder, sets=sets, keep=keep)
    elif kind(task) == "colorizer":
        yield from colour.full_score(task, folder, keep=keep)
    elif style:
        yield from scores.full_score(task, folder, style, sizes=sizes or scores.SIZES[:1], keep=keep)
    else:
        raise CardError("A painter is judged by paintings: say whose with --style.")


# ------------------------------------------------------------------------------------------------ the card


def read_examples(card: str) -> Figures:
    """The example figures on a card, as `table` wrote them. Raises CardError where there is no such section."""
    lines = section(card, "examples").splitlines()
    rows = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in lines]
    return {
        name: {column: float(value) if value else None for column, value in zip(rows[0][1:], values, strict=True)}
        for name, *values in rows[2:]
    }


def _markers(name: str) -> tuple[str, str]:
    return f"<!-- {name}: made by artcore.cards, from here -->", f"<!-- {name}: to here -->"


def section(card: str, name: str) -> str:
    """What stands between the markers of a section. Raises CardError where they are not there, each once."""
    first, last = _markers(name)
    if card.count(first) != 1 or card.count(last) != 1 or card.index(first) > card.index(last):
        raise CardError(f"The card lacks the two markers of its {name}: make it again with training.publish.")
    return card.split(first)[1].split(last)[0].strip("\n")


def replace_section(card: str, name: str, body: str) -> str:
    """The card with what stands between the markers of a section replaced."""
    section(card, name)
    first, last = _markers(name)
    return f"{card.split(first)[0]}{first}\n{body}\n{last}{card.split(last)[1]}"


def front_matter(
    licence: str,
    tags: Sequence[str],
    pipeline: str = "image-to-image",
    *,
    metrics: Sequence[str] = (),
    datasets: Sequence[str] = (),
) -> str:
    """The YAML head that the Hub reads. A licence that it does not know goes by its name; datasets are the Hub's."""
    known = licence.lower() in HUB_LICENCES
    lines = [f"license: {licence.lower() if known else 'other'}"]
    if not known:
        lines.append(f"license_name: {re.sub('[^a-z0-9.]+', '-', licence.lower()).strip('-')}")
    lines += ["library_name: artcore", f"pipeline_tag: {pipeline}", "tags:", *(f"- {tag}" for tag in tags)]
    if datasets:
        lines += ["datasets:", *(f"- {name}" for name in datasets)]
    if metrics:
        lines += ["metrics:", *(f"- {name}" for name in metrics)]
    return "\n".join(["---", *lines, "---"])


def make(
    folder: Path,
    task: scores.Task,
    *,
    name: str,
    source: str,
    label: str,
    licence: str,
    record: dict | None,
    data: str | os.PathLike | None = None,
    note: str | None = None,
    compared: object | None = None,
    baseline: Sequence[dict] = (),
    also: Sequence[str] = (),
) -> None:
    """Writes README.md, sample.jpg and thumbnail.jpg beside config.json and model.safetensors.

    task: that of the checkpoint. name: the catalog name; its last part is a painter's style. source: what a reader
    gives to `artcore.load`. data: a folder for the full score; without it the card says how to get it. note: what a
    person says about it, in Markdown. compared: a picture of before and after. baseline: other trainings to compare
    with (`baseline_section`; default: the record's "baseline"). also: further lines of the data's own table that it was
    trained on.
    """
    its = KINDS[kind(task)]
    baseline = baseline or (record or {}).get("baseline") or ()
    more = _remarks(its.history(task, name), note, compared is not None)
    if baseline:
        more += f"## Compared\n\n{baseline_section(baseline, its)}\n\n"
    if compared is not None:
        image.save(image.open(compared).convert("RGB"), folder / COMPARED, quality=88)
    image.save(its.sample_sheet(task, name), folder / SAMPLE, quality=88)
    image.save(its.thumbnail(task), folder / THUMBNAIL, quality=88)
    config = json.loads((folder / hub.CONFIG).read_text(encoding="utf-8"))
    weights = (folder / hub.WEIGHTS).read_bytes()
    if data is not None:
        data = Path(data).expanduser()
        figures = figures_section(its, task, data, name)
        counts = data_section(its, data, name, [*folders(record), *also])
    else:
        figures, counts = _NO_FIGURES, _NO_COUNTS
    words = its.words(task, label, source)
    tags = ["artcore", *words.pop("tags"), config["architecture"].lower(), name.rpartition(".")[2]]
    card = _TEMPLATE.format(
        head=front_matter(licence, tags, metrics=its.METRICS, datasets=hub_datasets(record)),
        title=its.TITLE,
        examples=its.EXAMPLES,
        more=more,
        label=label,
        article="an" if config["architecture"][0] in "AEIOU" else "a",
        architecture=config["architecture"],
        megabytes=len(weights) / 1e6,
        digest=hashlib.sha256(weights).hexdigest(),
        licence=licence,
        # A colouriser may have its encoder from the net that it was fine-tuned from.
        seen=_SEEN if its is painter or encoder_used(record) or getattr(task.model, "encoder", None) else "",
        training=training_section(record),
        relative=scores.RELATIVE,
        size=scores.EXAMPLE_SIZE,
        **words,
    )
    examples = scores.table(its.examples(task, name))
    for part, body in (("data", counts), ("figures", figures), ("examples", examples)):
        card = replace_section(card, part, body)
    write(folder / CARD, card.encode())


def make_encoder(
    folder: Path, *, source: str, licence: str, record: dict | None, data: str | os.PathLike | None = None
) -> None:
    """Writes README.md beside an ArtEncoder: it paints nothing, so there are no pictures. data: as for `make`."""
    task, counts, figures = load.load(folder), _NO_COUNTS, _NO_FIGURES
    if data is not None:
        data = Path(data).expanduser()
        features.check(data, source)
        figures = figures_section(features, task, data, source)
        counts = data_section(features, data, source, folders(record))
    encoder = ArtEncoder.from_pretrained(folder)
    weights = (folder / hub.WEIGHTS).read_bytes()
    card = _ENCODER_TEMPLATE.format(
        head=front_matter(
            licence,
            ["artcore", "perceptual-loss", "artencoder"],
            "image-feature-extraction",
            metrics=features.METRICS,
            datasets=hub_datasets(record),
        ),  # fmt: skip
        source=source,
        first=encoder.layers[0],
        last=encoder.layers[-1],
        parameters=sum(p.numel() for p in encoder.parameters()),
        megabytes=len(weights) / 1e6,
        digest=hashlib.sha256(weights).hexdigest(),
        licence=licence,
        training=training_section(record),
        examples=features.EXAMPLES,
        relative=scores.RELATIVE,
        size=scores.EXAMPLE_SIZE,
    )
    small = scores.table(features.examples(task, source))
    for part, body in (("data", counts), ("figures", figures), ("examples", small)):
        card = replace_section(card, part, body)
    write(folder / CARD, card.encode())


def _remarks(history: str, note: str | None, compared: bool) -> str:
    """The section of what was before this net, and of what a person has to say; may be empty."""
    parts = [part for part in (history, (note or "").strip()) if part]
    if compared:
        parts.append(f"![Before and after]({COMPARED})")
    title = "Before and after" if history or compared else "Notes"
    return "\n\n".join([f"## {title}", *parts, ""]) if parts else ""


def write(path: Path, data: bytes) -> None:
    """Replaces the file whole, so that nobody ever reads half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        raise CardError(
            f"{path.name} can't be written ({error.strerror}): free the disk, or check its rights."
        ) from error
    finally:
        part.unlink(missing_ok=True)


_NO_FIGURES = "Not computed yet: `python -m artcore cards FOLDER --write` does, on a folder of held-back pictures."
_NO_COUNTS = "The data folder was not at hand when this card was made; see Training for the counts."
_SEEN = "; the encoder that the training looks through was trained on Tiny ImageNet, for non-commercial research"
_TEMPLATE = """{head}

# {label}: {title} of artcore

{does} The net is {article} `{architecture}`
({megabytes:.1f} MB, SHA-256 of model.safetensors `{digest}`).
{controls}

![{alt}](sample.jpg)

## Use

```python
import artcore
{use}```

## Data

<!-- data: made by artcore.cards, from here -->
<!-- data: to here -->

The weights: {licence}. The pictures that a net is trained on are used for research only where their licence is
unknown or says so, and are not part of this checkpoint{seen}. The licence of a repository that carried an image is
not the licence of the image.

## Training

{training}

## Figures

<!-- figures: made by artcore.cards, from here -->
<!-- figures: to here -->

On the committed example photos (data/examples, short side {size} px; the tests recompute these within {relative:.0%}):
{examples}

<!-- examples: made by artcore.cards, from here -->
<!-- examples: to here -->

{more}## Limits

{limits}"""

_ENCODER_TEMPLATE = """{head}

# ArtEncoder: the net that artcore's losses look through

A small perceptual net in the shape of VGG, trained from scratch, so that neither a loss nor a score needs
weights from elsewhere: {parameters:,} parameters, {megabytes:.1f} MB, batch norms folded into the
convolutions. SHA-256 of model.safetensors: `{digest}`.

## Use

```python
from artcore import ArtEncoder
encoder = ArtEncoder.from_pretrained("{source}")
features = encoder(pictures, ("{first}", "{last}"))  # pictures (N, 3, H, W), RGB in [0, 1]
```

## Data

Tiny ImageNet: 64 x 64 px pictures of 200 classes, for non-commercial research, as for every net trained on
ImageNet. The weights: {licence}.

<!-- data: made by artcore.cards, from here -->
<!-- data: to here -->

## Training

{training}

## Figures

<!-- figures: made by artcore.cards, from here -->
<!-- figures: to here -->

On the committed example photos (data/examples, short side {size} px; the tests recompute these within {relative:.0%})
{examples}

<!-- examples: made by artcore.cards, from here -->
<!-- examples: to here -->

## Limits

- It was trained on tiny photos: it sees texture well, objects roughly, and faces hardly at all.
- It has four blocks where VGG-19 has five: there is no layer like conv5_1.
- Distances measured through it flatter nets that were trained through it; artcore.metrics has figures that
  look at pixels alone.
"""
