"""What README.md says can be typed: every command is one that our parsers take, and files that it names are there."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from artcore import __main__ as shell
from training import loop, publish

REPO = Path(__file__).resolve().parents[1]
README = (REPO / "README.md").read_text(encoding="utf-8")
ROOMS = ("weights", "training", "docs", "data", "spaces", "tests", "artcore")


def commands(text: str) -> list[list[str]]:
    """The words of every `python -m` command of ours in a block of code; lines that go on are joined."""
    found, inside = [], False
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("```"):
            inside = not inside
        elif inside and (match := re.match(r"(?:[A-Z_]+=\S* )*python -m (.*)", line)):
            found.append(shlex.split(match[1], comments=True))
    return found


def parse(words: list[str]) -> object:
    """What the parser of a command makes of it; SystemExit where it takes it not."""
    module, *argv = words
    if module == "artcore":
        return shell._parser().parse_args(argv)
    if module == "training.publish":
        return publish._parser().parse_args(argv)
    if module.startswith("training.train_"):
        trainer = importlib.import_module(module)
        return loop.parse(
            trainer.Config, argv, getattr(trainer, "PRESETS", None), getattr(trainer, "document_000", None)
        )
    assert (REPO / f"{module.replace('.', '/')}.py").is_file(), f"there is no module {module}"
    return None


ALL = commands(README)


@pytest.mark.parametrize("words", ALL, ids=[" ".join(words)[:60] for words in ALL])
def test_a_command_of_the_readme_is_one(words):
    parse(words)
    for word in words:
        room = word.partition("/")[0]
        if "/" in word and room in ROOMS:
            assert (REPO / word).exists(), f"{word} is not there"


def test_there_are_commands_of_every_kind_and_a_wrong_one_is_seen():
    modules = {words[0] for words in ALL}
    assert {"artcore", "training.publish", "training.train_stylenet"} <= modules
    for wrong in (
        "artcore paint photo.jpg",
        "training.train_stylenet --preset nobody",
        "training.publish run --nowhere x",
    ):
        with pytest.raises(SystemExit):
            parse(wrong.split())
    with pytest.raises(AssertionError):
        parse(["training.nothing"])


def test_pictures_and_pages_that_the_readme_links_are_there():
    links = re.findall(r"\]\((?!https?:|#)([^)\s]+)\)", README)
    assert links
    for link in links:
        assert (REPO / link.partition("#")[0]).exists(), link
    shots = [link for link in links if re.fullmatch(r"docs/\w+-[\w-]+\.jpg", link)]  # of docs/screenshots.py
    assert len(shots) >= 3 and all((REPO / link).stat().st_size <= 300_000 for link in shots)
