"""Artcore in a shell: `python -m artcore paint`, `colorize`, `style`, `batch` and more; each has its own --help."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from artcore import __version__

# Of `redo`: pictures beside the input, as recipes call them.
ROLES = {
    "style": "the paintings of a style transfer",
    "mask": "masks, of regions or of paintings",
    "hints": "the hints of a colouring",
    "noise": "the noise of a colouring",
    "start": "the picture that a style transfer started from",
}
# What a batch may be called with in another way and still be the same batch.
NO_OPTIONS = {"command", "task", "run", "make", "input", "output"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m artcore", description="Neural art from the shell.")
    parser.add_argument("--version", action="version", version=f"artcore {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    paint = commands.add_parser("paint", help="paint a photo, or every photo of a folder, in a style")
    _pictures(paint, _paint_flags, _painter)

    colorize = commands.add_parser("colorize", help="give a grey picture, or every picture of a folder, its colours")
    _pictures(colorize, _colorize_flags, _colorizer)

    upscale = commands.add_parser("upscale", help="make a picture, or every picture of a folder, 2 to 4 times as large")
    _pictures(upscale, _upscale_flags, _upscaler)

    chain = commands.add_parser("chain", help="colourise, paint and upscale in one go, in any order")
    _pictures(chain, _chain_flags, _chainer)

    batch = commands.add_parser(
        "batch",
        help="a task over a folder, which can be killed and started again",
        description="Skips what is done already with the same options, paints equal files once, and never stops "
        "for a bad one. `accelerate launch --multi_gpu --num_processes 2 -m artcore batch ...`, which needs no GPU, or "
        "torchrun splits the folder over processes and machines.",
    )
    tasks = batch.add_subparsers(dest="task", required=True)
    for name, (flags, task) in BATCH.items():
        _pictures(tasks.add_parser(name, help=f"what `{name}` does, to each picture"), flags, task)

    style = commands.add_parser(
        "style",
        help="paint a photo in the manner of any paintings, by optimisation",
        usage="%(prog)s [options] PHOTO PAINTING [PAINTING ...] OUT\n"
        "       %(prog)s [options] --resume FILE OUT\n"
        "       %(prog)s [options] PHOTO PAINTING [PAINTING ...] --sweep NAME=A,B,.. [NAME=A,B,..] --sheet FILE",
    )
    style.add_argument("files", nargs="+", type=Path, help="the photo, the paintings, and the picture to write")
    _style_flags(style)
    keep = style.add_argument_group("what to keep of the run")
    keep.add_argument("--snapshots", type=Path, metavar="FOLDER", help="write the originals and every preview there")
    keep.add_argument("--sheet", type=Path, metavar="FILE", help="a contact sheet, or with --sweep the grid")
    keep.add_argument("--animation", type=Path, metavar="FILE", help="the run as an animated .webp")
    keep.add_argument("--plot", type=Path, metavar="FILE", help="the loss curves")
    keep.add_argument("--save-state", type=Path, metavar="FILE", help="what --resume goes on from, also after Ctrl-C")
    keep.add_argument("--resume", type=Path, metavar="FILE", help="go on exactly from a saved state")
    keep.add_argument("--sweep", nargs="+", metavar="NAME=A,B", help="a grid over the values of one or two options")
    _recipe_flag(keep)
    style.set_defaults(run=_style)

    redo = commands.add_parser(
        "redo",
        help="make a picture again by the recipe in its file",
        description="Gives the same bytes on the same machine, or says why it can't. The pictures are known by their"
        " hashes, so that their order makes no difference.",
    )
    redo.add_argument("file", type=Path, help="a picture that artcore has made")
    redo.add_argument("--input", type=Path, metavar="PHOTO", help="the picture that it was made of", required=True)
    for role, what in ROLES.items():
        redo.add_argument(f"--{role}", type=Path, nargs="+", action="extend", default=[], metavar="FILE", help=what)
    redo.add_argument(
        "--model", nargs="+", action="extend", default=[], metavar="FOLDER",
        help="checkpoints that the catalog does not have: folders, or Hub repositories",
    )  # fmt: skip
    redo.add_argument("--output", type=Path, metavar="OUT", help="the picture to write (default: FILE with 'redone')")
    redo.add_argument(
        "--anyway", action="store_true", help="do it with what there is, though the bytes may come out others"
    )
    redo.set_defaults(run=_redo)

    styles = commands.add_parser("styles", help="list the styles that there are")
    styles.set_defaults(run=_styles)

    serve = commands.add_parser("serve", help="open the hub in a web server")
    serve.add_argument("--host", default=None, help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, default=None, help="port to listen on (default: 7860)")
    serve.add_argument("--root-path", default="", help="below which a proxy shows the hub, such as /art")
    serve.add_argument("--auth", type=Path, metavar="FILE", help="who may come in: name:password on every line")
    serve.add_argument("--queue", type=int, default=32, help="jobs that may wait before more are refused (default: 32)")
    serve.add_argument("--upload", type=int, default=400, metavar="MB", help="largest file to take (default: 400)")
    serve.add_argument(
        "--grace", type=float, default=30, metavar="SECONDS", help="that jobs have to end in when stopped (default: 30)"
    )
    serve.add_argument("--mcp", action="store_true", help="offer the endpoints as tools to language models too")
    serve.add_argument("--tabs", default="", metavar="A,B", help="the tabs to show, such as painter,style")
    serve.set_defaults(run=_serve)

    cards = commands.add_parser(
        "cards",
        help="compute the figures on the cards of the shipped checkpoints again; fails when a card lies",
        description="DATA is a folder with photos/, painters/ and styles/ for painters, colour/ and photos/ for "
        "colourisers, sr/ for upscalers, tiny_imagenet_64px.zip for the encoder. What it can't tell is named. It "
        "ends with 1 where a card lies, and with 3 where none does and some were not recomputed. Nothing is written "
        "but what --write and --json ask for.",
    )
    cards.add_argument("data", type=Path, nargs="?", help="folder of pictures (needless with --set)")
    cards.add_argument("names", nargs="*", help="catalog names (default: all)")
    cards.add_argument("--write", action="store_true", help="write what comes out into the cards")
    cards.add_argument("--model", action="append", help="name, or folder of a checkpoint or run: print its figures")
    cards.add_argument("--style", help="with --model, of a painter: whose paintings in DATA it is judged by (vangogh)")
    cards.add_argument(
        "--size", type=int, action="append", help="with --model, of a painter: short side (default: 256)"
    )
    cards.add_argument(
        "--set", type=Path, action="append", metavar="FOLDER",
        help="of upscalers: whole pictures to judge by, such as Set5's, besides DATA/sr; with --model in its place",
    )  # fmt: skip
    cards.add_argument("--json", type=Path, help="with --model: write the figures there too, for publish --baseline")
    cards.set_defaults(run=_cards)
    return parser


def _pictures(parser: argparse.ArgumentParser, flags: Callable, task: Callable) -> None:
    """A command that makes one picture of each: input, the task's own arguments, output, how to save."""
    parser.add_argument("input", type=Path, help="a picture, or a folder of pictures")
    flags(parser)
    parser.add_argument("output", type=Path, help="the picture to write (its ending says the format), or a folder")
    save = parser.add_argument_group("saving")
    save.add_argument("--format", choices=["png", "jpg", "webp", "tiff"], help="for folders; default: as it came")
    save.add_argument("--quality", type=int, default=90, help="of JPEG and WebP, 1 to 100")
    save.add_argument("--exif", action="store_true", help="keep the photo's EXIF data")
    save.add_argument("--icc", action="store_true", help="keep the photo's colour profile")
    _recipe_flag(save)
    parser.set_defaults(run=_run, make=task)


def _recipe_flag(save: argparse._ArgumentGroup) -> None:
    save.add_argument("--no-recipe", action="store_true", help="leave out what made the picture, which redo goes by")


def _paint_flags(parser: argparse.ArgumentParser) -> None:
    def pair(kind: Callable) -> Callable:
        """STYLE=VALUE as (style, kind of value)."""

        def read(text: str) -> tuple:
            style, equals, value = text.partition("=")
            if not (style and equals and value):
                raise ValueError
            return style, kind(value)

        read.__name__ = "pair of STYLE=VALUE"  # for argparse's message
        return read

    parser.add_argument("--style", default="vangogh", help="a style, as `styles` lists them (default: vangogh)")
    parser.add_argument("--method", default="auto", help="auto, cyclegan or stylenet")
    parser.add_argument("--model", help="a checkpoint folder or Hub repository instead of a style")
    parser.add_argument("--revision", help="branch, tag or commit of --model on the Hub")
    parser.add_argument("--strength", type=float, default=1.0, help="0 is the photo, 1 the painting, up to 1.5")
    parser.add_argument("--seed", type=int, default=0, help="another number, another brush")
    parser.add_argument(
        "--direction", default="to_painting", help="to_painting, or to_photo where the style has it (cyclegan)"
    )
    parser.add_argument("--light", type=float, default=0.0, help="0 to 1: how far the photo's light is kept")
    parser.add_argument("--keep-colours", type=float, default=0.0, help="0 to 1: how far its colours are kept")
    parser.add_argument("--stroke", type=float, default=1.0, help="1 to 4: how many times larger the strokes are")
    parser.add_argument("--detail", type=float, default=0.0, help="0 to 1: how much of its fine detail is put back")
    parser.add_argument(
        "--mix", type=pair(float), action="append", default=[], metavar="STYLE=SHARE",
        help="mix in so much of another painter, such as monet=0.4; --style has the rest",
    )  # fmt: skip
    parser.add_argument(
        "--region", type=pair(Path), action="append", default=[], metavar="STYLE=MASK",
        help="another painter where this grey picture is white",
    )  # fmt: skip


def _painting(args: argparse.Namespace) -> tuple[Callable, dict]:
    """The task, and its keywords."""
    from artcore.load import LoadError, load, mix, parts, pick

    if args.model and args.mix:
        raise LoadError("--mix goes with --style, not with --model: leave one of them out.")
    if args.mix:
        shares = {style: sum(share for other, share in args.mix if other == style) for style, _ in args.mix}
        painter = mix(parts(args.style, shares, args.method))
    else:
        painter = load(args.model or pick(args.style, args.method), revision=args.revision)
    regions = [(load(pick(style, args.method)), mask) for style, mask in args.region]
    names = ("strength", "seed", "direction", "light", "keep_colours", "stroke", "detail")
    return painter, {name: getattr(args, name) for name in names} | {"regions": regions}


def _painter(args: argparse.Namespace) -> tuple[Callable, list]:
    painter, options = _painting(args)
    return lambda path: painter(path, **options), _models(painter, options)


def _models(task: Callable, options: dict) -> list:
    """The nets that a picture goes through."""
    others = [other for other, _ in options.get("regions", ()) if hasattr(other, "model")]
    return [task.model, *(other.model for other in others)]


def _colorize_flags(parser: argparse.ArgumentParser) -> None:
    from artcore.tasks.adjustments import Adjustments

    def region(text: str) -> tuple[Path, int]:
        seed, _, mask = text.partition("=")
        if not mask:
            raise ValueError
        return Path(mask), int(seed)

    region.__name__ = "pair of SEED=MASK"  # for argparse's message
    parser.add_argument("--model", default="general", help="general, flowers, a checkpoint folder or Hub repository")
    parser.add_argument("--revision", help="branch, tag or commit of --model on the Hub")
    parser.add_argument("--seed", type=int, default=0, help="another number, another plausible colouring")
    parser.add_argument("--hints", type=Path, metavar="FILE", help="an RGBA picture, opaque where its colour is wanted")
    parser.add_argument(
        "--noise", type=Path, metavar="FILE",
        help="a grey picture in place of the plane of the seed's noise that decides most",
    )  # fmt: skip
    parser.add_argument(
        "--region", type=region, action="append", default=[], metavar="SEED=MASK",
        help="another seed where this grey picture is white",
    )  # fmt: skip
    looks = parser.add_argument_group("adjustments")
    for f in dataclasses.fields(Adjustments):
        text = f"{f.metadata['help'].rstrip('.')} ({f.metadata['minimum']} to {f.metadata['maximum']}; {f.default:g})"
        looks.add_argument(f"--{f.name}", type=float, default=f.default, metavar="X", help=text)


def _colouring(args: argparse.Namespace) -> tuple[Callable, dict]:
    """The task, and its keywords."""
    from artcore.load import LoadError, kinds, load
    from artcore.tasks.adjustments import Adjustments
    from artcore.tasks.colorize import Colorizer

    known = kinds("colorizer")
    task = load(known[args.model].name if args.model in known else args.model, revision=args.revision)
    if not isinstance(task, Colorizer):
        raise LoadError(f"{args.model} is no model that colours: choose from {', '.join(known) or 'none: no weights'}.")
    adjustments = Adjustments(**{f.name: getattr(args, f.name) for f in dataclasses.fields(Adjustments)})
    options = {name: getattr(args, name) for name in ("seed", "hints", "noise")}
    return task, options | {"regions": args.region, "adjustments": adjustments}


def _colorizer(args: argparse.Namespace) -> tuple[Callable, list]:
    task, options = _colouring(args)
    adjustments = options.pop("adjustments")

    def colour(path: Path) -> Callable[..., bytes]:
        made = task.colour(path, **options)

        def encode(format: str, **save: object) -> bytes:
            if made.grey16 is not None and format != "TIFF":
                print(f"{path} has 16 bits and the {format} has 8: name OUT .tif to keep them.", file=sys.stderr)
            # By the colouring itself, which has 16 bits for a TIFF where the picture had them.
            return made.encode(format, adjustments=adjustments, **save)

        return encode

    return colour, [task.model]


def _upscale_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", default="fidelity", help="fidelity, texture, photo, a checkpoint folder or Hub repository"
    )
    parser.add_argument("--revision", help="branch, tag or commit of --model on the Hub")
    parser.add_argument("--texture", type=float, default=0.0, help="0 to 1: how much of it is blended into fidelity")
    parser.add_argument("--scale", type=int, default=4, help="2, 3 or 4 (default)")
    parser.add_argument("--strength", type=float, default=1.0, help="0 is bicubic interpolation, 1 the net")
    parser.add_argument(
        "--consistent", action=argparse.BooleanOptionalAction, default=None,
        help="whether reducing the result gives the picture back (default: what the model is made for)",
    )  # fmt: skip
    parser.add_argument(
        "--ensemble", action="store_true",
        help="look at the picture in eight ways, turned and mirrored: nearer to the truth, eight times as long",
    )  # fmt: skip


def _enlarging(args: argparse.Namespace) -> tuple[Callable, dict]:
    """The task, and its keywords."""
    from artcore.load import LoadError, kind, kinds, load, mix
    from artcore.tasks.upscale import Upscaler

    known = kinds("upscaler")
    source = known[args.model].name if args.model in known else args.model
    if not 0 <= args.texture <= 1:
        raise LoadError(f"--texture is {args.texture:g}; give a number from 0 to 1.")
    if args.texture and args.revision:
        raise LoadError("--texture blends what the catalog has, without --revision: leave one of them out.")
    if args.texture and args.model in known and args.model not in ("fidelity", "texture"):
        raise LoadError(f"--texture is blended into fidelity, and --model is {args.model}: leave one of them out.")
    if args.texture and args.model != "texture":
        task = mix({source: 1 - args.texture, kind("upscaler", "texture"): args.texture})
    else:
        task = load(source, revision=args.revision)
    if not isinstance(task, Upscaler):
        raise LoadError(f"{args.model} is no model that enlarges: give {', '.join(known) or 'another: none ships'}.")
    return task, {name: getattr(args, name) for name in ("scale", "strength", "consistent", "ensemble")}


def _upscaler(args: argparse.Namespace) -> tuple[Callable, list]:
    from tqdm import tqdm

    task, options = _enlarging(args)

    def enlarge(path: Path) -> object:
        with tqdm(unit="tile", desc=path.name, leave=False, disable=None) as bar:
            for snapshot in task.run(path, **options):
                bar.total = snapshot.total
                bar.update(snapshot.done - bar.n)
        print(f"{path}: reduced again, the result is {_exactly(snapshot.error, 'it')}")
        return snapshot.image

    return enlarge, [task.model]


def _exactly(error: float, what: str) -> str:
    """How near an enlargement comes to what was enlarged, once it is reduced again."""
    return f"{error:.1f} dB from {what}" if math.isfinite(error) else f"exactly {what}"


# Tasks that a chain is made of, by name: a function that adds a task's own flags to a parser, and one that makes of the
# parsed arguments the task and its keywords.
STEPS = {
    "colorize": (_colorize_flags, _colouring),
    "paint": (_paint_flags, _painting),
    "upscale": (_upscale_flags, _enlarging),
}


def _step(text: str) -> tuple[str, dict]:
    """What --step says, such as "paint --style monet", as the task's name and its parsed arguments."""
    name, *words = shlex.split(text) or [""]
    if name not in STEPS:
        raise argparse.ArgumentTypeError(f"there is no task {name!r}: choose from {', '.join(STEPS)}")
    parser = argparse.ArgumentParser(prog=f"--step {name}")
    STEPS[name][0](parser)
    return name, vars(parser.parse_args(words))


def _chain_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--step", action="append", type=_step, metavar='"TASK [OPTIONS]"', dest="steps",
        help='one after the other, each with the options of its command, such as --step "colorize --seed 7" '
        "--step paint (default: colorize, paint and upscale)",
    )  # fmt: skip


def _chainer(args: argparse.Namespace) -> tuple[Callable, list]:
    from tqdm import tqdm

    from artcore.tasks.chain import Chain

    steps = args.steps or [_step(name) for name in STEPS]
    made = [STEPS[name][1](argparse.Namespace(**given)) for name, given in steps]
    chain = Chain(made)

    def link(path: Path) -> object:
        bar_format, error = "{desc} {percentage:3.0f} % {bar}", None
        with tqdm(total=1.0, desc=path.name, bar_format=bar_format, leave=False, disable=None) as bar:
            for snapshot in chain.run(path):
                bar.update(snapshot.done - bar.n)
                error = error if snapshot.error is None else snapshot.error
        if error is not None:
            print(f"{path}: reduced again, the enlargement is {_exactly(error, 'what was enlarged')}")
        return snapshot.image

    return link, [model for task, options in made for model in _models(task, options)]


def _style_flags(parser: argparse.ArgumentParser) -> None:
    """A flag for every option of a style transfer, as its metadata says; what is not given is the preset's."""
    from artcore.tasks.style_options import PRESETS, StyleOptions

    parser.add_argument(
        "--preset", default="default", choices=list(PRESETS),
        help="what the options below begin with; for the layers of block 5 that gatys and document-002 ask for, the"
        " shipped encoder, of four blocks, has r4_2, and --features vgg19 the papers' own",
    )  # fmt: skip
    parser.add_argument(
        "--features", default="encoder", metavar="NET", help="encoder, vgg19 (fetched once), or a file of its weights"
    )
    parser.add_argument(
        "--mask", action="append", type=Path, metavar="FILE",
        help="white where a painting counts, one for each; where all are black the photo stays; resized where it has"
        " the photo's aspect, refused where not",
    )  # fmt: skip
    groups = {}
    for f in dataclasses.fields(StyleOptions):
        told, kind = f.metadata, type(f.default)
        if told["group"] not in groups:
            groups[told["group"]] = parser.add_argument_group(f"options: {told['group']}")
        names = [f"--{f.name.replace('_', '-')}", *(["--every"] if f.name == "preview_every" else [])]
        rule: dict = {"type": kind, "metavar": {int: "N", float: "X", str: "TEXT"}.get(kind)}
        if f.name == "init":
            rule = {"type": _start, "metavar": "photo|noise|FILE"}
        elif "choices" in told:
            rule = {"choices": told["choices"]}
        default = f"default: {f.default}" if f.default != "" else "default: none"
        text = f"{told['help'].rstrip('.')} ({default})".replace("%", "%%")
        groups[told["group"]].add_argument(*names, dest=f"option_{f.name}", help=text, **rule)


def _start(text: str) -> str | Path:
    """What --init names: a file is a Path, so that a batch knows it by its content."""
    return text if text in ("photo", "noise") else Path(text)


def _style_task(args: argparse.Namespace) -> tuple:
    """The task, its options, and a picture to start from or None."""
    from artcore.load import load
    from artcore.tasks.style import StyleOptions, StyleTransfer

    changes = {
        name.removeprefix("option_"): value
        for name, value in vars(args).items()
        if name.startswith("option_") and value is not None
    }
    start = changes.pop("init") if isinstance(changes.get("init"), Path) else None
    options = StyleOptions.preset(args.preset, **changes)
    return load("encoder") if args.features == "encoder" else StyleTransfer(args.features), options, start


def _styler_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paintings", nargs="+", type=Path, help="the paintings, for every picture the same")
    _style_flags(parser)


def _styler(args: argparse.Namespace) -> tuple[Callable, list]:
    task, options, start = _style_task(args)
    return lambda path: task(path, args.paintings, options=options, masks=args.mask, init=start), [task.model]


def _style(args: argparse.Namespace) -> int:
    """One photo, watched: what is kept of the run, Ctrl-C, and going on from a saved state."""
    from tqdm import tqdm

    from artcore import image
    from artcore.tasks.sheets import Album, originals
    from artcore.tasks.style import StyleError, StyleOptions

    if args.sweep:
        return _sweep(args)
    if len(args.files) != 1 if args.resume else len(args.files) < 3:
        wanted = "only the picture to write" if args.resume else "a photo, a painting, and the picture to write"
        raise StyleError(f"There are {len(args.files)} files: give {wanted}.")
    *files, out = args.files
    for path, suffixes in ((out, image.FORMATS), (args.sheet, image.FORMATS), (args.plot, image.FORMATS),
                           (args.animation, [".webp"]), (args.save_state, [])):  # fmt: skip
        _check_target(path, suffixes)
    if args.snapshots and args.snapshots.exists() and not args.snapshots.is_dir():
        raise StyleError(f"{args.snapshots} is no folder: give another for --snapshots.")
    task, options, start = _style_task(args)
    if args.resume:
        if args.mask or start or options != StyleOptions():
            raise StyleError("A run that goes on keeps its options and masks: leave them out.")
        run = task.resume(args.resume)
    else:
        run = task.run(files[0], files[1:], options=options, masks=args.mask, init=start)
    album = None
    with _interruptible() as interrupted, tqdm(unit="step", disable=None) as bar:
        for snapshot in run:
            if album is None:
                photo, paintings = snapshot.originals
                album = Album(originals(photo, paintings))
                if args.snapshots:
                    args.snapshots.mkdir(parents=True, exist_ok=True)
                    image.save(photo, args.snapshots / "0_photo.png")
                    for n, painting in enumerate(paintings, 1):
                        image.save(painting, args.snapshots / f"0_painting_{n}.png")
            album.add(snapshot)
            if snapshot.image is not None and args.snapshots:
                image.save(snapshot.image, args.snapshots / f"step_{snapshot.step:05}.png")
            bar.total = snapshot.steps
            bar.set_postfix_str(f"{snapshot.seconds_left:.0f} s left", refresh=False)
            bar.update(snapshot.step - bar.n)
            if snapshot.final or interrupted.is_set():
                break  # before the run goes on: picture and state are those of this step
    picture = snapshot.picture()
    image.save(picture, out, recipe=not args.no_recipe)
    if args.save_state:
        _replace(args.save_state, snapshot.resume_file())
    if not album.frames:
        album.add(dataclasses.replace(snapshot, image=picture))
    for path, make in ((args.sheet, album.sheet), (args.plot, album.plot)):
        if path:
            image.save(make(), path)
    if args.animation:
        _replace(args.animation, album.animation())
    size = f"{picture.width} x {picture.height}"
    print(f"{out}: {size}, {snapshot.step} of {snapshot.steps} steps, {snapshot.seconds:.1f} s")
    if snapshot.final:
        return 0
    if args.save_state:
        features = [] if args.features == "encoder" else ["--features", args.features]
        words = shlex.join([*features, "--resume", str(args.save_state), str(out)])
        print(f"Stopped; go on with: python -m artcore style {words}", file=sys.stderr)
    else:
        print("Stopped; with --save-state FILE it could go on.", file=sys.stderr)
    return 130


def _sweep(args: argparse.Namespace) -> int:
    """A grid over the values of one or two options, painted into one sheet."""
    from tqdm import tqdm

    from artcore import image
    from artcore.tasks.sheets import originals, sweep
    from artcore.tasks.style import StyleError, StyleOptions

    if not args.sheet or len(args.files) < 2 or args.resume:
        raise StyleError("A sweep needs a photo, one painting or more, and --sheet FILE to be drawn into.")
    if args.plot or args.animation or args.snapshots or args.save_state:
        raise StyleError("A sweep keeps --sheet alone: leave out --plot, --animation, --snapshots and --save-state.")
    weighed = args.option_style_weights or any(t.replace("-", "_").startswith("style_weights=") for t in args.sweep)
    if len(args.files) > 2 and not (weighed or args.mask):  # OUT, by habit: where it is there it is a picture
        raise StyleError(
            f"{args.files[-1]} would be one more painting, since a sweep writes --sheet alone: leave it out, or add"
            " --style-weights where it is one."
        )
    if len(args.sweep) > 2:
        raise StyleError(f"--sweep has {len(args.sweep)} options: a sheet has two sides, so give one or two.")
    _check_target(args.sheet, image.FORMATS)
    kinds = {f.name: type(f.default) for f in dataclasses.fields(StyleOptions)}
    task, options, start = _style_task(args)
    axes = []
    for text in args.sweep:
        name, _, values = text.partition("=")
        name = name.strip().replace("-", "_")
        parts = [part.strip() for part in values.split("|" if "|" in values else ",") if part.strip()]
        kind = kinds.get(name, str)
        try:
            axes.append((name, [kind(part) for part in parts]))
        except ValueError as error:
            raise StyleError(f"{text!r} has a value that is no {kind.__name__}: write {name}=1,2.") from error
        for value in axes[-1][1]:  # a value that can't be is said now, and not after half of the sheet
            StyleOptions.of({**options.asdict(), name: value})

    def run(changes: dict) -> Iterator:
        changed = dataclasses.replace(options, **changes)
        return task.run(args.files[0], args.files[1:], options=changed, masks=args.mask, init=start)

    with _interruptible() as interrupted, tqdm(unit="picture", disable=None) as bar:
        for progress in sweep(run, *axes, beside=originals(args.files[0], args.files[1:])):
            bar.total = progress.total
            bar.update(progress.done - bar.n)
            if progress.sheet is not None:
                image.save(progress.sheet, args.sheet)
            if interrupted.is_set():
                break
    print(f"{args.sheet}: {progress.done} of {progress.total} pictures")
    return 0 if progress.done == progress.total else 130


def _check_target(path: Path | None, suffixes: Iterable[str]) -> None:
    """Says before the work, and not after it, that a file can't be written."""
    from artcore.tasks.style import StyleError

    if path is None:
        return
    if path.is_dir():
        raise StyleError(f"{path} is a folder: give a file to write.")
    if not path.parent.is_dir():
        raise StyleError(f"There is no folder {path.parent} for {path.name}: make it first.")
    if suffixes and path.suffix.lower() not in suffixes:
        raise StyleError(f"{path} can't be written in that format: end it in {', '.join(suffixes)}.")


def _replace(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all."""
    beside = path.with_name(f".{path.name}.part")
    beside.write_bytes(data)
    beside.replace(path)


@contextlib.contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Ctrl-C asks to stop after this step, so that what there is can be kept; a second one stops at once."""
    asked = threading.Event()

    def ask(*_: object) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


# Tasks of `batch`, by name: a function that adds the task's own flags to a parser, and one that makes of the
# parsed arguments (path -> picture, the models that it runs). Every flag counts when a batch is taken up again.
BATCH = {
    "paint": (_paint_flags, _painter),
    "colorize": (_colorize_flags, _colorizer),
    "upscale": (_upscale_flags, _upscaler),
    "chain": (_chain_flags, _chainer),
    "style": (_styler_flags, _styler),
}


def _run(args: argparse.Namespace) -> int:
    """One picture, or a folder of them as a batch."""
    from artcore import batch

    start = time.perf_counter()
    crew = batch.Crew()
    pairs = batch.pair(args.input, args.output, f".{args.format}" if args.format else None)
    task, models = args.make(args)
    save = {name: getattr(args, name) for name in ("quality", "exif", "icc")} | {"recipe": not args.no_recipe}
    if args.input.is_file():
        (result,) = batch.run(task, pairs, **save)
        print(result, file=sys.stderr if result.error else sys.stdout)
        return 1 if result.error else 0

    options = {name: value for name, value in vars(args).items() if name not in NO_OPTIONS}
    journal = batch.Journal(args.output, batch.fingerprint(*models, **options), crew.rank)
    pairs, results = crew.share(pairs), []
    try:
        for result in batch.run(task, pairs, journal=journal, **save):
            results.append(result)
            who = f"process {crew.rank} " if crew.count > 1 else ""
            line = f"[{who}{len(results)}/{len(pairs)}] {result}"
            print(line, file=sys.stderr if result.error else sys.stdout, flush=True)
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from here.", file=sys.stderr)
        return 130
    shares = crew.gather(results)
    if crew.rank == 0:
        print(batch.report(shares, time.perf_counter() - start))
    return 1 if any(result.error for share in shares for result in share) else 0


def _redo(args: argparse.Namespace) -> int:
    from artcore import image, redo

    source = args.file.read_bytes() if args.file.is_file() else None
    if source is None:
        raise redo.RedoError(f"There is no file {args.file}: check the path.")
    out = args.output or args.file.with_stem(f"{args.file.stem} redone")
    _check_target(out, image.FORMATS)
    given = {"input": [args.input], **{role: getattr(args, role) for role in ROLES}}
    data = redo.redo(source, given, models=args.model, format=image.format_of(out), anyway=args.anyway)
    image.write(data, out)
    if data == source:
        print(f"{out}: the same bytes as {args.file}")
        return 0
    print(f"{out}: {redo.difference(source, data)} {args.file}")
    return 0 if args.anyway or image.format_of(out) != image.format_of(args.file) else 1


def _styles(args: argparse.Namespace) -> int:
    from artcore.load import styles

    for style, entry in styles().items():
        print(f"{style:16} {entry.label:32} {entry.name}")
    return 0


def _serve(args: argparse.Namespace) -> int:
    from artcore.studio import server

    settings = server.Settings(
        root_path=args.root_path,
        auth=server.people(args.auth) if args.auth else (),
        queue=args.queue,
        upload=args.upload,
        grace=args.grace,
        mcp=args.mcp,
        tabs=tuple(tab.strip() for tab in args.tabs.split(",") if tab.strip()),
    )
    server.run(args.host, args.port, settings)
    return 0


def _cards(args: argparse.Namespace) -> int:
    from functools import partial

    from tqdm import tqdm

    from artcore import cards

    if args.model:
        runs = []
        options = {"style": args.style, "sizes": args.size or (), "sets": args.set or ()}
        for model in args.model:
            runs.append(cards.run(model))
            for table in cards.judge(model, args.data, **options, keep=runs[-1]["figures"]):
                print(f"{model}: {table}\n" if len(args.model) > 1 else f"{table}\n", flush=True)
        if args.json:
            cards.write(args.json, json.dumps(runs, indent=2).encode())
        return 0
    if args.style or args.size or args.json:
        raise cards.CardError("--style, --size and --json judge a checkpoint: say which with --model.")
    if args.data is None:
        raise cards.CardError("There is no folder to judge by: give one, as --help says.")
    options = {"sets": args.set or (), "progress": partial(tqdm, disable=None)}
    if args.write:
        cards.update(args.data, args.names or None, **options)
        return 0
    lies, skipped = 0, {}
    for finding in cards.check(args.data, args.names or None, **options):
        lies += finding.lie
        skipped |= {finding.name: None} if finding.skipped else {}
        tqdm.write(str(finding), file=sys.stderr if finding.lie or finding.skipped else sys.stdout)
    print(
        f"{lies} figure{'s' * (lies != 1)} of the cards do not come out."
        if lies
        else "Every figure that was computed again came out."
    )
    if skipped:  # a card whose hash was changed must not pass for one that was checked
        were = "card was" if len(skipped) == 1 else "cards were"
        print(f"{len(skipped)} {were} not recomputed: {', '.join(skipped)}.", file=sys.stderr)
    return 1 if lies else 3 if skipped else 0


def main(argv: list[str] | None = None) -> int:
    """Run a command; 0 when all went well, 1 when a picture failed or a card lied, 2 when the command made no sense, 3
    when no card lied and some could not be checked."""
    args = _parser().parse_args(argv)
    try:
        return args.run(args)
    except ValueError as error:  # all our errors are ValueErrors of one sentence
        print(f"artcore: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
