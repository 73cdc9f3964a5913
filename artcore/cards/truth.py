"""Whether cards tell the truth: every figure that can be computed again, is, and a card that says otherwise lies."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from artcore import hub, load
from artcore.cards import scores, upscale
from artcore.cards.card import (
    CARD,
    KINDS,
    SECTIONS,
    data_hash,
    data_section,
    figures_section,
    replace_section,
    section,
    write,
)
from artcore.cards.scores import CardError

# Grants another processor's kernels and number format, and the rounding of what is written.
RELATIVE, ABSOLUTE = scores.RELATIVE, 1e-4
SCORE = 0.05  # of a score, which is a difference of such figures in shares of another
POINTS = 2  # of a share in per cent
SIMILAR = 0.8  # of the letters of two paragraphs, that they say the same
NUMBER = re.compile(r"(?<![\w.])(?<!\w-)-?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?%?(?![\w])")
_DIGEST = re.compile(r"Data: SHA-256 of file names and bytes `([0-9a-f]{64})`\. Computed in \w+ by `[^`]*`\.")


# ------------------------------------------------------------------------------------------------ again


def recompute(
    card: str, folder: Path, name: str, task: scores.Task, kind: ModuleType, sets: Sequence[str | os.PathLike] = ()
) -> Iterator[tuple[str, str]]:
    """(section, what it should say now) of a card, one by one; tables of sets that are not given are kept."""
    known = re.findall(r"^\| (\S.*?) \|", section(card, "data"), re.MULTILINE)[1:]
    yield "examples", scores.table(kind.examples(task, name))
    yield "data", data_section(kind, folder, name, known)
    kept = upscale.others(section(card, "figures"), sets).values() if kind is upscale else ()
    yield "figures", "\n\n".join([*kept, figures_section(kind, task, folder, name, sets)])


def shipped(names: Sequence[str] | None = None) -> dict[str, load.Entry]:
    """The checkpoints of weights/ that have a card of figures, by name: those asked for, else all.

    Raises CardError for a name that does not ship or has no card, or not one that was made here.
    """
    found = {name: entry for name, entry in load.catalog().items() if entry.task in KINDS and entry.path}
    for name in found if names is None else names:
        if name not in found:
            raise CardError(f"No net {name!r} ships in weights/: choose from {', '.join(found) or 'none yet'}.")
        card = found[name].path / CARD
        if not card.is_file():
            raise CardError(f"{name} has no card: install it again with `python -m training.publish --local {name}`.")
        for part in SECTIONS:
            section(card.read_text(encoding="utf-8"), part)
    return found if names is None else {name: found[name] for name in names}


def update(
    folder: str | os.PathLike,
    names: Sequence[str] | None = None,
    *,
    sets: Sequence[str | os.PathLike] = (),
    progress: Callable[[list[str]], Iterable[str]] = iter,
) -> list[str]:
    """Computes the figures of shipped checkpoints anew and writes them into their cards, between the markers.

    `folder` holds photos/, painters/ and styles/ (painters), colour/ (colourisers), sr/ (upscalers) and
    tiny_imagenet_64px.zip (the encoder). `names` are catalog names, by default all in weights/ that have a card of
    figures. `sets`: folders of whole pictures for further tables of upscalers. `progress` may wrap the list of names,
    as tqdm does. What else stands on a card is left alone. Returns the names. Raises CardError for a name that does
    not ship or has no card, and where the folder lacks what it takes to judge it, before anything is computed.
    """
    folder, entries = Path(folder).expanduser(), shipped(names)
    for name, entry in entries.items():
        KINDS[entry.task].check(folder, name)
    for name in progress(list(entries)):
        path, kind = entries[name].path / CARD, KINDS[entries[name].task]
        text = before = path.read_text(encoding="utf-8")
        for part, body in recompute(before, folder, name, load.load(name), kind, sets):
            text = replace_section(text, part, body)
        write(path, text.encode())
    return list(entries)


def rescore(folder: Path, name: str, task: scores.Task, kind: ModuleType) -> None:
    """Computes the small score of a card anew, on the example pictures, and what its head says of metrics."""
    path = folder / CARD
    text = replace_section(path.read_text(encoding="utf-8"), "examples", scores.table(kind.examples(task, name)))
    told = rf"\g<1>{scores.EXAMPLE_SIZE} px; the tests recompute these within {scores.RELATIVE:.0%}"
    text = re.sub(r"(data/examples, short side )\d+ px; the tests recompute these\s+within\s+\d+%", told, text)
    write(path, _with_metrics(text, kind.METRICS).encode())


def _with_metrics(card: str, metrics: Sequence[str]) -> str:
    """The card with these metrics in its front matter, and no others."""
    first, head, rest = card.split("---", 2)
    head = re.sub(r"^metrics:\n(?:- .*\n)*", "", head, flags=re.MULTILINE)
    return "---".join([first, head + "\n".join(["metrics:", *(f"- {name}" for name in metrics), ""]), rest])


# ------------------------------------------------------------------------------------------------ the truth


class Finding(NamedTuple):
    """One sentence about a card: a figure of it that does not come out (a lie), one that the folder should have
    told and did not (skipped), or one that no folder tells."""

    name: str
    text: str
    lie: bool = False
    skipped: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


def check(
    folder: str | os.PathLike,
    names: Sequence[str] | None = None,
    *,
    sets: Sequence[str | os.PathLike] = (),
    progress: Callable[[list[str]], Iterable[str]] = iter,
) -> Iterator[Finding]:
    """Computes every figure on the cards of shipped checkpoints again; nothing is written.

    Arguments as for `update`. Yields a Finding for each figure that does not come out; one, skipped, for figures of
    other pictures than these; and one for what no folder can tell: of trainings that are not here, of the trainer's
    own record, in words.
    Raises CardError for a name that does not ship or has no card with the markers.
    """
    folder, entries = Path(folder).expanduser(), shipped(names)
    if not folder.is_dir():
        raise CardError(f"There is no folder {str(folder)!r}: give one as `python -m artcore cards --help` says.")
    for name in progress(list(entries)):
        entry = entries[name]
        card = (entry.path / CARD).read_text(encoding="utf-8")
        task, kind = load.load(name), KINDS[entry.task]
        for text in _file(card, entry.path, task):
            yield Finding(name, text, lie=True)
        if reason := _elsewhere(card, folder, name, kind):
            yield Finding(name, f"data and figures were not recomputed: {reason}", skipped=True)
            again = iter([("examples", scores.table(kind.examples(task, name)))])
        else:
            for other in upscale.others(section(card, "figures"), sets) if kind is upscale else ():
                text = f"the figures of {other} were not recomputed: give its folder with --set."
                yield Finding(name, text, skipped=True)
            again = recompute(card, folder, name, task, kind, sets)
        for part, body in again:
            for text in differences(section(card, part), body):
                yield Finding(name, f"{part}, {text}", lie=True)
        for text in unverified(card):
            yield Finding(name, text)


def _file(card: str, folder: Path, task: object) -> Iterator[str]:
    """What a card says of its file, and is not so."""
    weights = (folder / hub.WEIGHTS).read_bytes()
    if (digest := hashlib.sha256(weights).hexdigest()) not in card:
        yield f"the card does not name the SHA-256 of its file, {digest}."
    head = re.split(r"^## ", card, maxsplit=1, flags=re.MULTILINE)[0]
    known = {"MB": f"{len(weights) / 1e6:.1f}", "parameters": f"{sum(p.numel() for p in task.model.parameters()):,}"}
    for unit, size in known.items():
        for said in re.findall(rf"([\d.,]+) {unit}\b", head):
            if said != size:
                yield f"the card says {said} {unit}, the file has {size}."


def _elsewhere(card: str, folder: Path, name: str, kind: ModuleType) -> str:
    """Why the figures of a card can't be computed from a folder; empty where they can."""
    known = _DIGEST.search(section(card, "figures"))
    if not known:
        return "the card has none yet; `python -m artcore cards FOLDER --write` writes them."
    try:
        kind.check(folder, name)
    except CardError as error:
        return str(error)
    if data_hash(kind.judged(folder, name), folder) != known[1]:
        return (
            f"they are of other pictures than those in {folder.name} (SHA-256 {known[1][:8]}... on the card); give the "
            "folder that they were computed with, or have them written anew with --write."
        )
    return ""


def unverified(card: str) -> Iterator[str]:
    """A sentence for each part of a card with numbers that no folder of pictures can confirm."""
    for part in re.split(r"^## ", card, flags=re.MULTILINE)[1:]:
        title, _, text = part.partition("\n")
        for name in SECTIONS:
            text = re.sub(rf"<!-- {name}: .*?<!-- {name}: to here -->", "", text, flags=re.DOTALL)
        text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        found = list(dict.fromkeys(NUMBER.findall(text)))
        if found and title in WHY:
            yield f"{title} was not recomputed, {WHY[title]}: {', '.join(found)}."
        elif found and title not in FIXED:
            yield f"{title} was not recomputed: {', '.join(found)}."


# Parts of a card with numbers that are nobody's measurement of this net.
FIXED = ("Use", "Figures", "Data")
WHY = {
    "Training": "it is what the trainer wrote down",
    "Compared": "it is of trainings that are not here (`python -m artcore cards --model` measures them)",
    "Notes": "it is a person's words",
    "Before and after": "it is a person's words",
    "Limits": "it is what is said of all such nets",
}


# ------------------------------------------------------------------------------------------------ differences


def differences(card: str, again: str) -> list[str]:
    """A sentence for each figure that two texts of a section do not agree on, beyond what another machine explains.

    Tables are compared by the names of their rows and columns, other text by its words and the numbers among them.
    """
    (said, words), (found, now) = _parts(card), _parts(again)
    wrong = [
        f"the table {head[0]} | {head[1]} ... is on the card and does not come out." for head in said.keys() - found
    ]
    wrong += [f"the table {head[0]} | {head[1]} ... comes out and is not on the card." for head in found.keys() - said]
    for head in said.keys() & found:
        wrong += _rows(head, said[head], found[head])
    wrong += _words(words, now)
    return sorted(wrong)


Tables = dict[tuple[str, ...], dict[str, tuple[str, ...]]]


def _parts(text: str) -> tuple[Tables, list[str]]:
    """(tables by their heads, rows by their names; paragraphs besides)."""
    tables, words = {}, []
    for block in re.split(r"\n\s*\n", _DIGEST.sub("", text).strip()):
        lines = [line.strip() for line in block.splitlines() if line.strip()]
        if len(lines) > 1 and all(line.startswith("|") for line in lines):
            head, _, *rows = (tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line[1:-1])) for line in lines)
            tables[head] = {_label(row): row for row in rows}
        elif lines:
            words.append(" ".join(lines))
    return tables, words


def _label(row: tuple[str, ...]) -> str:
    """The name of a row: its cells before the first number."""
    names = []
    for cell in row:
        if NUMBER.fullmatch(cell):
            break
        if cell:
            names.append(cell)
    return ", ".join(names[:2])


def _rows(head: tuple[str, ...], said: Mapping[str, tuple], found: Mapping[str, tuple]) -> Iterator[str]:
    for label in said.keys() - found.keys():
        yield f"the row {label} is on the card and does not come out."
    for label in found.keys() - said.keys():
        yield f"the row {label} comes out and is not on the card."
    for label in said.keys() & found.keys():
        cells = dict(zip(head, found[label], strict=False))
        for column, a, b in zip(head, said[label], found[label], strict=False):
            if a != b and not _close(a, b, column, cells):
                yield f"{label} ({column}): the card says {a or 'nothing'}, {b or 'nothing'} comes out."


def _words(said: list[str], found: list[str]) -> Iterator[str]:
    """Paragraphs are paired by words, which may have been put better since; their numbers are compared in turn."""
    left = {NUMBER.sub("#", text): text for text in found}
    for text in said:
        near = get_close_matches(NUMBER.sub("#", text), left, 1, SIMILAR)
        numbers = [list(NUMBER.finditer(t)) for t in (text, left[near[0]])] if near else [[], [None]]
        if len(numbers[0]) != len(numbers[1]):
            yield f"the card says {text!r}, which does not come out."
            continue
        del left[near[0]]
        for a, b in zip(*numbers, strict=True):
            if a[0] != b[0] and not _close(a[0], b[0]):
                around = text[max(0, a.start() - 40) : a.end() + 30].strip()
                yield f"the card says {a[0]} in {around!r}, {b[0]} comes out."
    for text in left.values():
        yield f"{text!r} comes out, and the card does not say it."


def _close(a: str, b: str, column: str = "", row: Mapping[str, str] | None = None) -> bool:
    """Whether what a card says may be what comes out: numbers within the tolerances, names of nearest painters where
    the distances to both are. Counts are exact, but for what a classifier says of one picture of a row."""
    row = row or {}
    if not (NUMBER.fullmatch(a) and NUMBER.fullmatch(b)):
        near = [row.get(name.strip("*"), "") for name in (a, b)]
        return all(map(NUMBER.fullmatch, near)) and _close(*near)
    x, y = (float(v.rstrip("%").replace(",", "")) for v in (a, b))
    pictures = NUMBER.fullmatch(row.get("pictures", ""))
    if a.endswith("%") != b.endswith("%"):
        return False
    if a.endswith("%"):
        return abs(x - y) <= (100 / max(1.0, float(pictures[0])) + 1 if pictures else POINTS)
    if not {".", "e"} & {*a, *b}:
        return abs(x - y) <= (column.startswith("taken for ") and pictures is not None)
    rounding = 0.5 * 10.0 ** -min(len(v.partition(".")[2]) for v in (a, b)) if "e" not in a + b else 0.0
    slack = SCORE if column == "score" else max(ABSOLUTE, 0.0)
    return abs(x - y) <= min(rounding, abs(y) / 100 + ABSOLUTE) + slack + RELATIVE * abs(y)
