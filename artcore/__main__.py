"""Artcore in a shell: `python -m artcore paint | styles | serve | cards`; each has its own --help."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from artcore import __version__


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m artcore", description="Neural art from the shell.")
    parser.add_argument("--version", action="version", version=f"artcore {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)

    paint = commands.add_parser("paint", help="paint a photo, or every photo of a folder, in a style")
    paint.add_argument("input", type=Path, help="a picture, or a folder of pictures")
    paint.add_argument("output", type=Path, help="the picture to write (its ending says the format), or a folder")
    paint.add_argument("--style", default="vangogh", help="a style, as `styles` lists them (default: vangogh)")
    paint.add_argument("--method", default="auto", help="auto or stylenet")
    paint.add_argument("--model", help="a checkpoint folder or Hub repository instead of a style")
    paint.add_argument("--revision", help="branch, tag or commit of --model on the Hub")
    paint.add_argument("--strength", type=float, default=1.0, help="0 is the photo, 1 the painting, up to 1.5")
    paint.add_argument("--seed", type=int, default=0, help="another number, another brush")
    paint.add_argument("--format", choices=["png", "jpg", "webp", "tiff"], help="for folders; default: as it came")
    paint.add_argument("--quality", type=int, default=90, help="of JPEG and WebP, 1 to 100")
    paint.add_argument("--exif", action="store_true", help="keep the photo's EXIF data")
    paint.add_argument("--icc", action="store_true", help="keep the photo's colour profile")
    paint.set_defaults(run=_paint)

    styles = commands.add_parser("styles", help="list the styles that there are")
    styles.set_defaults(run=_styles)

    serve = commands.add_parser("serve", help="open the hub in a web server")
    serve.add_argument("--host", default=None, help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, default=None, help="port to listen on (default: 7860)")
    serve.set_defaults(run=_serve)

    cards = commands.add_parser("cards", help="measure the shipped checkpoints and write their cards")
    cards.add_argument("data", type=Path, help="folder with photos/, painters/ and styles/")
    cards.add_argument("names", nargs="*", help="catalog names (default: all)")
    cards.set_defaults(run=_cards)
    return parser


def _paint(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from artcore import batch
    from artcore.load import load, pick

    name = args.model or pick(args.style, args.method)
    pairs = batch.pair(args.input, args.output, f".{args.format}" if args.format else None)
    painter = load(name, revision=args.revision)

    def task(path: Path):
        return painter(path, strength=args.strength, seed=args.seed)

    failed = 0
    with tqdm(total=len(pairs), unit="picture", disable=len(pairs) == 1) as bar:
        for result in batch.run(task, pairs, quality=args.quality, exif=args.exif, icc=args.icc):
            bar.update()
            if result.error:
                failed += 1
                bar.write(f"{result.source}: {result.error}", file=sys.stderr)
            elif len(pairs) == 1:
                print(f"{result.target}: {result.seconds:.2f} s")
    if len(pairs) > 1:
        print(f"{len(pairs) - failed} of {len(pairs)} pictures painted into {args.output}")
    return 1 if failed else 0


def _styles(args: argparse.Namespace) -> int:
    from artcore.load import styles

    for style, entry in styles().items():
        print(f"{style:16} {entry.label:32} {entry.name}")
    return 0


def _serve(args: argparse.Namespace) -> int:
    from artcore.studio import server

    server.run(host=args.host, port=args.port)
    return 0


def _cards(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from artcore import cards

    cards.update(args.data, args.names or None, progress=tqdm)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run a command; 0 when all went well, 1 when a picture failed, 2 when the command made no sense."""
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
