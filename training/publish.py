"""Publish a trained checkpoint: `python -m training.publish FOLDER org/name`, or `FOLDER --local NAME`.

Both reload it the way a visitor will, paint the sample pictures, compute the score card, write the model card
and the entry of weights/catalog.json. The first pushes to the Hub (log in with `hf auth login`, or HF_TOKEN)
and pins the commit; the second installs it into weights/NAME, from where it ships.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import struct
import sys
import tempfile
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from huggingface_hub import constants

from artcore import cards, hub, load
from artcore.models.encoder import ArtEncoder

LARGEST = 10_000_000  # bytes of a checkpoint that ships
LICENCE = "research use"
STORED = {"F32": "float32", "F16": "float16"}


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
) -> load.Entry:
    """Pushes a painter to a Hub repository as one commit, pictures and card included, and pins that commit.

    name: its catalog name ("stylenet.vangogh"; by default the repository's). label and licence: for people,
    by default what the catalog says already. data: a folder for the full score. The tensors go up in the
    precision that they are stored in. Returns the entry as it is written to weights/catalog.json.

    Raises ValueError (PublishError, CardError, HubError, LoadError) before the catalog is touched.
    """
    if repo.count("/") != 1:
        raise PublishError(f"{repo!r} is no Hub repository: write it like org/name.")
    folder, name = _checkpoint(folder), name or repo.rpartition("/")[2]
    _check_name(name)
    known = load.catalog().get(name)
    label, licence = _words(name, label, licence, known)
    task, (kind, _) = load.load(folder), load.TASKS[hub.architecture(folder)]
    with tempfile.TemporaryDirectory() as place:
        stage, dtype = Path(place), _stored(folder / hub.WEIGHTS)
        # The net is loaded again: the task's own is in the number format of this machine.
        model = kind.from_pretrained(folder)
        model.save_pretrained(stage, dtype=dtype)
        digest = _sha256(stage / hub.WEIGHTS)
        if known and known.path and known.sha256 != digest:
            raise PublishError(
                f"{name} ships from weights/ and this is another checkpoint: install it with --local first, "
                "or give it another --name."
            )
        record = cards.read_record(folder)
        cards.make(
            stage, task, name=name, source=repo, label=label, licence=licence, record=record, data=data
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
        "painter",
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
) -> load.Entry:
    """Installs a checkpoint into weights/<name> with its card and pictures: what the next release ships.

    The files are the trainer's, byte for byte. An ArtEncoder is installed as "features", without pictures.
    An older checkpoint of that name is replaced only once everything else has gone well.

    Raises ValueError (PublishError, CardError, HubError, LoadError).
    """
    folder = _checkpoint(folder)
    features = hub.architecture(folder) == ArtEncoder.__name__
    if not features:
        _check_name(name)
    elif not re.fullmatch(r"[a-z0-9_]+", name):
        raise PublishError(f"{name!r} is no name for an encoder: call it encoder.")
    if (size := (folder / hub.WEIGHTS).stat().st_size) > LARGEST:
        raise PublishError(
            f"The checkpoint has {size / 1e6:.1f} MB and {LARGEST / 1e6:.0f} MB may ship: save it with "
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
            cards.make_encoder(stage, source=f"weights/{name}", licence=licence, record=record)
        else:
            cards.make(
                stage, task, name=name, source=name, label=label, licence=licence, record=record, data=data
            )
        if home.exists():
            home.rename(Path(place) / "old")
        stage.rename(home)
    # The place on the Hub is that of another checkpoint, unless the bytes are the same.
    digest = _sha256(home / hub.WEIGHTS)
    same = known is not None and known.sha256 == digest
    entry = load.Entry(
        name,
        "features" if features else "painter",
        label,
        folder=name,
        sha256=digest,
        repo=known.repo if same else None,
        revision=known.revision if same else None,
        licence=licence,
    )
    _write_entry(entry)
    return entry


def _checkpoint(folder: Path) -> Path:
    """The folder of the checkpoint itself: a run's folder holds it as model/."""
    folder = Path(folder).expanduser()
    for candidate in (folder, folder / "model"):
        if (candidate / hub.CONFIG).is_file() and (candidate / hub.WEIGHTS).is_file():
            return candidate
    raise PublishError(
        f"{folder} holds no {hub.CONFIG} and {hub.WEIGHTS}: give the folder that the trainer wrote."
    )


def _check_name(name: str) -> None:
    if name.partition(".")[0] not in load.METHODS or not re.fullmatch(r"[a-z0-9]+\.[a-z0-9_]+", name):
        raise PublishError(
            f"{name!r} is no name of a painter: give one like stylenet.vangogh (--name where you push)."
        )


def _words(name: str, label: str | None, licence: str | None, known: load.Entry | None) -> tuple[str, str]:
    """Label and licence: as asked, else as the catalog has them, else made from the name."""
    plain = name.rpartition(".")[2].replace("_", " ").replace("-", " ").title()
    return label or (known.label if known else plain), licence or (known.licence if known else "") or LICENCE


def _stored(weights: Path) -> str:
    """The precision in which a file holds its tensors, out of the header of the safetensors format."""
    with weights.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    kinds = {t["dtype"] for key, t in header.items() if key != "__metadata__"} & STORED.keys()
    return STORED[kinds.pop()] if len(kinds) == 1 else "float32"


def _sha256(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


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


def main(argv: list[str] | None = None) -> int:
    """Publishes or installs one checkpoint; 0 when it went well, 2 with one sentence when not."""
    parser = argparse.ArgumentParser(
        prog="python -m training.publish", description="Publish a trained checkpoint."
    )
    parser.add_argument(
        "folder", type=Path, help="what the trainer wrote: a run's folder, or the model/ in it"
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("repo", nargs="?", help="Hub repository, org/name; made if absent")
    where.add_argument("--local", metavar="NAME", help="install into weights/NAME instead (stylenet.vangogh)")
    parser.add_argument("--name", help="catalog name of what is pushed (default: the repository's)")
    parser.add_argument(
        "--label", help="the name that people read (default: the catalog's, or made from the name)"
    )
    parser.add_argument("--licence", help=f"of the weights (default: the catalog's, or {LICENCE!r})")
    parser.add_argument(
        "--data", type=Path, help="folder with photos/, painters/ and styles/, for the full score"
    )
    parser.add_argument(
        "--private", action="store_true", default=None, help="nobody else sees the repository"
    )
    parser.add_argument("--tag", help="set on the new commit, for instance v1")
    parser.add_argument("--endpoint", help="another Hub than huggingface.co")
    args = parser.parse_args(argv)
    words = {"label": args.label, "licence": args.licence, "data": args.data}
    try:
        if args.local:
            entry = install(args.folder, args.local, **words)
            print(f"weights/{entry.folder} is installed, and in weights/catalog.json as {entry.name}.")
        else:
            if args.endpoint:
                use_endpoint(args.endpoint)
            entry = publish(
                args.folder, args.repo, name=args.name, private=args.private, tag=args.tag, **words
            )
            print(f"{entry.repo} is published; the catalog pins {entry.name} to {entry.revision}.")
    except ValueError as error:  # all our errors are ValueErrors of one sentence
        print(f"publish: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
