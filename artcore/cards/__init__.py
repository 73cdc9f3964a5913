"""Score cards and model cards of checkpoints: what a net does, with figures that anyone can compute again.

Two kinds of figures stand on a card. Those on the committed example photos are small and quick, and the tests
recompute them; those on held-back photos and paintings come from a folder of data that is not in the
repository, so the card names the data by its hash. No style distance stands there without its two bounds.
"""

from __future__ import annotations

from artcore.cards.card import (
    CARD,
    COMPARED,
    KINDS,
    SAMPLE,
    THUMBNAIL,
    data_hash,
    front_matter,
    judge,
    kind,
    make,
    make_encoder,
    read_examples,
    replace_section,
    write,
)
from artcore.cards.fitness import LARGEST, LARGEST_OF, audit, stored
from artcore.cards.record import baseline_section, read_record, run
from artcore.cards.scores import (
    SIZES,
    CardError,
    Figures,
    canvas,
    class_folder,
    disagreements,
    example_photos,
    example_score,
    full_score,
    score,
    table,
)
from artcore.cards.truth import Finding, check, rescore, update

__all__ = [
    "CARD",
    "COMPARED",
    "KINDS",
    "LARGEST",
    "LARGEST_OF",
    "SAMPLE",
    "SIZES",
    "THUMBNAIL",
    "CardError",
    "Figures",
    "Finding",
    "audit",
    "baseline_section",
    "canvas",
    "check",
    "class_folder",
    "data_hash",
    "disagreements",
    "example_photos",
    "example_score",
    "front_matter",
    "full_score",
    "judge",
    "kind",
    "make",
    "make_encoder",
    "read_examples",
    "read_record",
    "replace_section",
    "rescore",
    "run",
    "score",
    "stored",
    "table",
    "update",
    "write",
]
