"""Publish a trained checkpoint: `python -m training.publish FOLDER org/name`, or `FOLDER --local NAME`.

Both reload it the way a visitor will, make the sample pictures, compute the score card, write the model card
and the entry of weights/catalog.json. The first pushes to the Hub (log in with `hf auth login`, or HF_TOKEN)
and pins the commit; the second installs it into weights/NAME, from where it ships. `--check FOLDER ...` audits what
ships, as CI does; `--score FOLDER ...` writes the small score into cards anew.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from huggingface_hub import constants

from artcore import cards, hub, load
from artcore.models.encoder import ArtEncoder

LICENCE = "research use"
STORED = {"F32": "float32", "F16": "float16"}  # what a safetensors file calls them


class PublishError(ValueError):
    """A checkpoint that can't be published; the message says why, and what to do."""


def publish(
    folder: Path,
    repo: str,
    *,
    name: str | None = None,
    label: str | None = None,
    licence: str | None = None,
    private: bool | None = None,
    tag: str | None = None,
    data: Path | None = None,
    remarks: dict | None = None,
) -> load.Entry:
    """Pushes a checkpoint to a Hub repository as one commit, pictures and card included, and pins that commit.

    name: its catalog name ("stylenet.vangogh"; by default the repository's). label and licence: for people,
    by default what the catalog says already. data: a folder for the full score. remarks: note, compared,
    baseline and also for the card (`artcore.cards.make`). The tensors go up in the precision that they are stored in.
    Returns the entry as it is written to weights/catalog.json.

    Raises ValueError (PublishError, CardError, HubError, LoadError) before the catalog is touched.
    """
    if repo.count("/") != 1:
        raise PublishError(f"{repo!r} is no Hub repository: write it like org/name.")
    folder, name = _checkpoint(folder), name or repo.rpartition("/")[2]
    net, kind = _kind(folder)
    if kind == "features":
        raise PublishError("An encoder only ships with artcore: install it with --local encoder.")
    _check_name(name, kind)
    known = load.catalog().get(name)
    label, licence = _words(name, label, licence, known)
    task = load.load(folder)
    with tempfile.TemporaryDirectory() as place:
        stage, dtype = Path(place), _stored(folder / hub.WEIGHTS)
        # The net is loaded again: the task's own is in the number format of this machine.
        model = net.from_pretrained(folder)
        model.save_pretrained(stage, dtype=dtype)
        digest = _sha256(stage / hub.WEIGHTS)
        if known and known.path and known.sha256 != digest:
            raise PublishError(
                f"{name} ships from weights/ and this is another checkpoint: install it with --local first, "
                "or give it another --name."
            )
        record = cards.read_record(folder)
        cards.make(
            stage,
            task,
            name=name,
            source=repo,
            label=label,
            licence=licence,
            record=record,
            data=data,
            **(remarks or {}),
        )
        commit = model.push_to_hub(
            repo,
            folder=stage,
            private=private,
            tags=[tag] if tag else [],
            dtype=dtype,
            commit_message=f"Publish {name}",
        )
    entry = load.Entry(
        name,
        kind,
        label,
        folder=known.folder if known and known.path else None,
        sha256=digest,
        repo=repo,
        revision=commit.oid,
        licence=licence,
    )
    _write_entry(entry)
    return entry


def install(
    folder: Path,
    name: str,
    *,
    label: str | None = None,
    licence: str | None = None,
    data: Path | None = None,
    remarks: dict | None = None,
) -> load.Entry:
    """Installs a checkpoint into weights/<name> with its card and pictures: what the next release ships.

    The files are the trainer's, byte for byte. An ArtEncoder is installed as "features", without pictures.
    An older checkpoint of that name is replaced only once everything else has gone well.

    Raises ValueError (PublishError, CardError, HubError, LoadError).
    """
    folder = _checkpoint(folder)
    kind = _kind(folder)[1]
    features = kind == "features"
    _check_name(name, kind)
    most = cards.LARGEST_OF.get(kind, cards.LARGEST)
    if (size := (folder / hub.WEIGHTS).stat().st_size) >= most:
        raise PublishError(
            f"The checkpoint has {size / 1e6:.1f} MB and less than {most / 1e6:.0f} MB may ship: save it with "
            "dtype='float16', or train a smaller net."
        )
    known = load.catalog().get(name)
    label, licence = _words(name, label, licence, known)
    home = load.weights() / name
    task = None if features else load.load(folder)
    load.weights().mkdir(parents=True, exist_ok=True)
    # On the same disk as its home, so that the last step is a rename.
    with tempfile.TemporaryDirectory(dir=load.weights(), prefix=".new-") as place:
        stage = Path(place) / name
        stage.mkdir()
        for file in (hub.CONFIG, hub.WEIGHTS):
            shutil.copyfile(folder / file, stage / file)
        record = cards.read_record(folder)
        if features:
            cards.make_encoder(stage, source=f"weights/{name}", licence=licence, record=record, data=data)
        else:
            cards.make(
                stage,
                task,
                name=name,
                source=name,
                label=label,
                licence=licence,
                record=record,
                data=data,
                **(remarks or {}),
            )
        if home.exists():
            home.rename(Path(place) / "old")
        stage.rename(home)
    # The place on the Hub is that of another checkpoint, unless the bytes are the same.
    digest = _sha256(home / hub.WEIGHTS)
    same = known is not None and known.sha256 == digest
    entry = load.Entry(
        name,
        kind,
        label,
        folder=name,
        sha256=digest,
        repo=known.repo if same else None,
        revision=known.revision if same else None,
        licence=licence,
    )
    _write_entry(entry)
    return entry


def check(folders: Sequence[Path] = ()) -> Iterator[str]:
    """A sentence for each fault of checkpoint folders (`artcore.cards.audit`), by default of all that weights/ holds
    and the catalog names. A folder in weights/ has to be in the catalog, and to be what it says there."""
    catalog, home = load.catalog(), load.weights().resolve()
    entries = {entry.folder: entry for entry in catalog.values() if entry.folder}
    if not folders:
        folders = sorted({p for p in home.iterdir() if p.is_dir()} | {home / name for name in entries})
    for folder in map(Path, folders):
        inside = folder.resolve().parent == home
        entry = entries.get(folder.resolve().name) if inside else None
        if inside and entry is None:
            yield f"{folder.name}: it is in weights/ and not in the catalog: install it with --local, or take it away."
        for fault in cards.audit(folder, entry):
            yield f"{folder.name}: {fault}"


def score(folder: Path) -> None:
    """Writes the small score of a checkpoint folder, on the committed example pictures, into its card anew.

    Raises ValueError (PublishError, CardError, HubError).
    """
    folder = _checkpoint(folder)
    if not (folder / cards.CARD).is_file():
        raise PublishError(f"{folder} has no {cards.CARD}: publish it first, with --local or to the Hub.")
    cards.rescore(folder, folder.name, load.load(folder), cards.KINDS[_kind(folder)[1]])


def _checkpoint(folder: Path) -> Path:
    """The folder of the checkpoint itself: a run's folder holds it as model/."""
    folder = Path(folder).expanduser()
    for candidate in (folder, folder / "model"):
        if (candidate / hub.CONFIG).is_file() and (candidate / hub.WEIGHTS).is_file():
            return candidate
    raise PublishError(f"{folder} holds no {hub.CONFIG} and {hub.WEIGHTS}: give the folder that the trainer wrote.")


def _kind(folder: Path) -> tuple[type[hub.ArtModel], str]:
    """The class of the net, and what the catalog says of it as "task"."""
    name = hub.architecture(folder)
    if name not in load.TASKS:
        raise PublishError(f"{folder} holds weights of {name}, which is no task: only nets of a task are published.")
    net, task = load.TASKS[name]
    return net, "features" if net is ArtEncoder else cards.kind(task)


def _check_name(name: str, kind: str) -> None:
    if kind == "features":
        if not re.fullmatch(r"[a-z0-9_]+", name):
            raise PublishError(f"{name!r} is no name for an encoder: call it encoder.")
        return
    its = cards.KINDS[kind]
    if name.partition(".")[0] not in its.METHODS or not re.fullmatch(r"[a-z0-9]+\.[a-z0-9_]+", name):
        raise PublishError(f"{name!r} is no name of {its.TITLE}: give one like {its.NAME} (--name where you push).")


def _words(name: str, label: str | None, licence: str | None, known: load.Entry | None) -> tuple[str, str]:
    """Label and licence: as asked, else as the catalog has them, else made from the name."""
    plain = name.rpartition(".")[2].replace("_", " ").replace("-", " ").title()
    return label or (known.label if known else plain), licence or (known.licence if known else "") or LICENCE


def _stored(weights: Path) -> str:
    """The precision in which a file holds its tensors."""
    kinds = cards.stored(weights.read_bytes()) & STORED.keys()
    return STORED[kinds.pop()] if len(kinds) == 1 else "float32"


def _sha256(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


def _runs(file: Path | None) -> list[dict]:
    """The trainings of a file that `python -m artcore cards --model --json` wrote."""
    if file is None:
        return []
    try:
        runs = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PublishError(
            f"{file.name} can't be read ({error}): write it with `python -m artcore cards FOLDER --model RUN --json`."
        ) from error
    return runs if isinstance(runs, list) else [runs]


def _write_entry(entry: load.Entry) -> None:
    """Puts the entry into weights/catalog.json, in its old place or at the end."""
    lines = {e.name: asdict(e) for e in load.catalog().values()} | {entry.name: asdict(entry)}
    for line in lines.values():
        del line["name"]
    load.weights().mkdir(parents=True, exist_ok=True)
    text = json.dumps(lines, indent=2, ensure_ascii=False) + "\n"
    cards.write(load.weights() / "catalog.json", text.encode())


def use_endpoint(url: str) -> None:
    """Sends this process's Hub client to another Hub.

    The client has read HF_ENDPOINT when it was imported, so its constants are set. A Hub of one's own seldom
    speaks Xet, whose server the client would look for elsewhere.
    """
    url = url.rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise PublishError(f"{url!r} is no address of a Hub: give one like https://hub.example.org.")
    os.environ["HF_ENDPOINT"] = constants.ENDPOINT = url
    constants.HUGGINGFACE_CO_URL_TEMPLATE = url + "/{repo_id}/resolve/{revision}/{filename}"
    constants.HF_HUB_DISABLE_XET = True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.publish", description="Publish a trained checkpoint.")
    parser.add_argument(
        "folder", type=Path, nargs="?", help="what the trainer wrote: a run's folder, or the model/ in it"
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("repo", nargs="?", help="Hub repository, org/name; made if absent")
    where.add_argument("--local", metavar="NAME", help="install into weights/NAME instead (stylenet.vangogh)")
    where.add_argument(
        "--check",
        type=Path,
        nargs="*",
        metavar="FOLDER",
        help="audit folders (default: all of weights/); 1 for a fault",
    )
    where.add_argument("--score", type=Path, nargs="+", metavar="FOLDER", help="write the small score into cards anew")
    parser.add_argument("--name", help="catalog name of what is pushed (default: the repository's)")
    parser.add_argument("--label", help="the name that people read (default: the catalog's, or made from the name)")
    parser.add_argument("--licence", help=f"of the weights (default: the catalog's, or {LICENCE!r})")
    parser.add_argument("--data", type=Path, help="folder of pictures, for the full score: see `artcore cards --help`")
    parser.add_argument(
        "--also", action="append", metavar="ROW",
        help="a line of the README.md in --data for the card, by its first cell: what it was trained on besides",
    )  # fmt: skip
    parser.add_argument("--note", help="what there is to say about it, in Markdown, for its card")
    parser.add_argument("--compared", type=Path, help="a picture of before and after, for its card")
    parser.add_argument(
        "--baseline", type=Path, help="trainings to compare with: what `artcore cards --model --json` wrote"
    )
    parser.add_argument("--private", action="store_true", default=None, help="nobody else sees the repository")
    parser.add_argument("--tag", help="set on the new commit, for instance v1")
    parser.add_argument("--endpoint", help="another Hub than huggingface.co")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Publishes or installs a checkpoint, or audits many; 0 when it went well, 1 for faults, 2 with one sentence."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.check is None and args.score is None and args.folder is None:
        parser.error("say which folder to publish")
    words = {"label": args.label, "licence": args.licence, "data": args.data}
    try:
        remarks = {"note": args.note, "compared": args.compared, "baseline": _runs(args.baseline)}
        remarks["also"] = args.also
        words["remarks"] = {k: v for k, v in remarks.items() if v}
        if args.check is not None:
            faults = list(check(args.check))
            for fault in faults:
                print(fault, file=sys.stderr)
            print(f"{len(faults)} faults." if faults else "Fit to ship.")
            return 1 if faults else 0
        if args.score:
            for folder in args.score:
                score(folder)
                print(f"{folder} has its small score.", flush=True)
        elif args.local:
            entry = install(args.folder, args.local, **words)
            print(f"weights/{entry.folder} is installed, and in weights/catalog.json as {entry.name}.")
        else:
            if args.endpoint:
                use_endpoint(args.endpoint)
            entry = publish(args.folder, args.repo, name=args.name, private=args.private, tag=args.tag, **words)
            print(f"{entry.repo} is published; the catalog pins {entry.name} to {entry.revision}.")
    except ValueError as error:  # all our errors are ValueErrors of one sentence
        print(f"publish: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
