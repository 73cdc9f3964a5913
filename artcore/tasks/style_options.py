"""Every choice of a style transfer in one frozen dataclass: sliders, API, command line and resume file read it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

MOST = 1e12  # of any number without a limit of its own: squares of more leave float32


class StyleError(ValueError):
    """An option, picture or file that a style transfer can't work with; the message says what to do."""


def _number(
    default: float, group: str, label: str, help: str, low: float, high: float, step: float,
    raw: float | None = None, **rule: Any,
):  # fmt: skip
    """A field with a slider from `low` to `high`, of a weight to `raw` where the weights are raw. The slider's ends
    are advice; `rule` is what is refused: `above` (must be greater), or `least` and `most` (may be equal)."""
    numbers = {"minimum": low, "maximum": high, "step": step, "raw_maximum": raw or high}
    return field(default=default, metadata={"label": label, "help": help, "group": group, **numbers, "rule": rule})


def _choice(default: str, group: str, label: str, help: str, *choices: str):
    return field(default=default, metadata={"label": label, "help": help, "group": group, "choices": choices})


def _plain(default: Any, group: str, label: str, help: str):
    return field(default=default, metadata={"label": label, "help": help, "group": group})


@dataclass(frozen=True)
class StyleOptions:
    """What a style transfer is to do; see each field's metadata: label, help, group, and a slider's minimum,
    maximum and step, or choices. A field without either is text (str) or yes and no (bool).

    Raises StyleError, one sentence, for a value that makes no sense.
    """

    content: float = _number(
        1.0, "main", "Content", "How strongly the photo's drawing is held.", 0.05, 5, 0.05, raw=100, above=0
    )
    style: float = _number(
        1.0, "main", "Style", "How strongly the painting's brushwork is asked for.", 0.05, 5, 0.05, raw=100_000, above=0
    )
    smoothness: float = _number(
        1.0, "main", "Smoothness", "Total variation: more is calmer; it grows along with style.", 0, 3, 0.05,
        raw=1000, least=0,
    )  # fmt: skip
    colour: float = _number(
        1.0, "colour", "Colour match", "Pull towards the painting's mean colour and covariance.", 0, 3, 0.05, least=0
    )
    keep_colours: float = _number(
        0.0, "colour", "Keep the photo's colours", "0: the painting's colours, 1: the photo's.", 0, 1, 0.05,
        least=0, most=1,
    )  # fmt: skip
    size: int = _number(
        533, "size", "Size", "Pixels of the longer side (or of the height) of the result.", 128, 2048, 1,
        least=64, most=4096,
    )  # fmt: skip
    side: str = _choice("long", "size", "Size is of", "Which side `size` measures.", "long", "height")
    steps: int = _number(400, "size", "Steps", "Evaluations of the net, over all scales.", 10, 1000, 10, least=1)
    pyramid: int = _number(
        0, "size", "Scales", "From coarse to fine, each twice the one before; 0 chooses, 1 is the full size alone.",
        0, 6, 1, least=0, most=8,
    )  # fmt: skip
    init: str = _choice("photo", "size", "Start from", "The first picture, unless one is given.", "photo", "noise")
    seed: int = _number(0, "size", "Seed", "Chooses the noise and the samples.", 0, 9999, 1, least=0, most=2**31 - 1)
    budget: float = _number(
        0.0, "size", "Budget (s)", "Seconds that size and steps are chosen for; 0: as set.", 0, 120, 1, least=0
    )
    deadline: float = _number(
        0.0, "size", "Deadline (s)", "Seconds after which the run ends with the best so far; 0: none.", 0, 600, 1,
        least=0,
    )  # fmt: skip
    preview_every: int = _number(10, "size", "Preview every", "Steps between two previews.", 1, 100, 1, least=1)
    style_scale: float = _number(
        1.0, "painting", "Style scale", "Size of the painting beside the photo: more is a larger brush.",
        0.25, 2, 0.05, least=0.1, most=4,
    )  # fmt: skip
    fit: str = _choice(
        "crop", "painting", "Fit", "Crop the painting to the photo's aspect, take it whole (fit), or tile it.",
        "crop", "fit", "tile",
    )  # fmt: skip
    style_weights: str = _plain(
        "", "painting", "Weight of each painting", "Numbers such as 1, 0.5; empty: all count alike."
    )
    feather: float = _number(
        0.02, "painting", "Feather", "Blur of the masks' edges, as a share of the shorter side.", 0, 0.2, 0.005,
        least=0, most=0.5,
    )  # fmt: skip
    # Gram alone made blobs of StyleNet (README, Losses), a net that learns one manner for all photos. Here the pixels
    # begin as one photo in the palette that colour then holds, and a loss without samples is what L-BFGS can minimise.
    loss: str = _choice(
        "gram", "losses", "Style loss",
        "What of the painting's features is matched. The last two draw samples anew at each step: take Adam with them.",
        "gram", "moments", "wasserstein", "mixed",
    )  # fmt: skip
    style_layers: str = _plain(
        "r1_1=1, r2_1=1, r3_1=1, r4_1=1, r4_2=1", "losses", "Style layers", "Layer=weight, with commas between."
    )
    # By looking: r4_1 alone lets strokes bend the scene's edges, r3_1 alone holds every edge of the photo.
    content_layers: str = _plain("r3_1=0.3, r4_1=1", "losses", "Content layers", "Layer=weight, with commas between.")
    tv_power: float = _number(
        1.0, "losses", "Power of smoothness", "1: squares of differences; document 002 took 1.25.", 0.5, 2, 0.05,
        least=0.5, most=3,
    )  # fmt: skip
    weights: str = _choice(
        "shares", "losses", "Weights are", "Shares of the gradient, or the raw factors of the papers.", "shares", "raw"
    )
    # By looking: for as many evaluations L-BFGS paints clean strokes where Adam, whose step is as long in every
    # pixel, leaves a grain that smoothness only dampens.
    optimiser: str = _choice("lbfgs", "optimiser", "Optimiser", "L-BFGS or Adam.", "lbfgs", "adam")
    learning_rate: float = _number(
        0.03,
        "optimiser",
        "Learning rate",
        "Adam's step, in units of black to white.",
        0.001,
        0.2,
        0.001,
        above=0,
        most=1,
    )
    history: int = _number(
        10, "optimiser", "History", "Pairs of pictures that L-BFGS remembers.", 1, 50, 1, least=1, most=100
    )
    rounds: int = _number(
        0, "optimiser", "Rounds", "Steps after which L-BFGS forgets its history; 0: never.", 0, 100, 1, least=0
    )

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name in ("style_layers", "content_layers", "style_weights"):
                value = _text(value)
            kind = type(f.default)
            object.__setattr__(self, f.name, _checked(f.name, f.metadata, kind, value))
        for name in ("style_layers", "content_layers"):
            if not self._layers(name):
                raise StyleError(f"{name} names no layer: write for example {type(self).__dict__[name]!r}.")
        self._style_numbers()

    @classmethod
    def preset(cls, name: str, /, **changes: Any) -> StyleOptions:
        """The options of a preset out of :data:`PRESETS`, some of them changed."""
        if name not in PRESETS:
            raise StyleError(f"There is no preset {name!r}: choose from {', '.join(PRESETS)}.")
        return cls.of({**PRESETS[name], **changes})

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> StyleOptions:
        """Options from a mapping of names to values, JSON for instance; a name that is none is a StyleError."""
        known = [f.name for f in fields(cls)]
        for name in values:
            if name not in known:
                raise StyleError(f"There is no option {name!r}: choose from {', '.join(known)}.")
        return cls(**values)

    def asdict(self) -> dict[str, Any]:
        """All options by name, ready for JSON."""
        return asdict(self)

    def style_layer_weights(self) -> dict[str, float]:
        """{layer: weight} of the style loss."""
        return self._layers("style_layers")

    def content_layer_weights(self) -> dict[str, float]:
        """{layer: weight} of the content loss."""
        return self._layers("content_layers")

    def styles_shares(self, count: int) -> list[float]:
        """The weight of each of `count` paintings; they sum to 1."""
        numbers = self._style_numbers() or [1.0] * count
        if len(numbers) != count:
            raise StyleError(f"style_weights has {len(numbers)} numbers for {count} paintings: give one for each.")
        return [number / sum(numbers) for number in numbers]

    def _style_numbers(self) -> list[float]:
        return [_positive("style_weights", part) for part in self.style_weights.replace(",", " ").split()]

    def _layers(self, name: str) -> dict[str, float]:
        found = {}
        for part in getattr(self, name).replace(";", ",").split(","):
            layer, _, weight = part.partition("=")
            if layer.strip():
                found[layer.strip()] = _positive(f"{name}: {layer.strip()}", weight or "1")
        return found


def _text(value: object) -> object:
    """Layers and weights may also be given as a mapping or a sequence of numbers."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={weight}" for name, weight in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(str(part) for part in value)
    return value


def _positive(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= MOST:
        raise StyleError(f"{name} is {text.strip()!r}: give a number greater than 0 and at most {MOST:g}, or none.")
    return number


def _checked(name: str, metadata: Mapping, kind: type, value: Any) -> Any:
    """The value in the field's own type, or a StyleError that says what would do."""
    choices = metadata.get("choices")
    if choices:
        if value not in choices:
            raise StyleError(f"{name} is {value!r}: choose from {', '.join(choices)}.")
        return value
    if kind is str:
        if not isinstance(value, str):
            raise StyleError(f"{name} is {value!r}: give text.")
        return value
    rule = metadata["rule"]
    if "above" in rule:
        wanted = f"a number greater than {rule['above']} and at most {rule.get('most', MOST):g}"
    elif "most" in rule:
        wanted = f"a number from {rule['least']} to {rule['most']}"
    else:
        wanted = f"a number of {rule['least']} or more and at most {MOST:g}"
    if kind is int:
        wanted = wanted.replace("a number", "a whole number", 1)
    try:
        good = not isinstance(value, bool | str) and math.isfinite(value) and (kind is float or int(value) == value)
    except (TypeError, OverflowError):  # no number, or a whole one beyond every float
        good = False
    good = good and value > rule.get("above", -math.inf)
    if not (good and rule.get("least", -math.inf) <= value <= rule.get("most", MOST)):
        raise StyleError(f"{name} is {value!r}: give {wanted}.")
    return kind(value)


PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    # A look at a pair of pictures in a few seconds.
    "quick": {"size": 320, "steps": 120},
    # Gatys et al. 2016: equal layers, alpha / beta = 1e-3, one scale, from the photo. `raw` leaves the paper's
    # 1/2 out of the content loss, hence 0.5. Its r5_1 is VGG-19's; the ArtEncoder answers with r4_2.
    "gatys": {
        "weights": "raw", "content": 0.5, "style": 1000.0, "smoothness": 0.0, "colour": 0.0, "size": 512,
        "steps": 500, "pyramid": 1, "loss": "gram", "optimiser": "lbfgs", "history": 100, "fit": "fit",
        "content_layers": "r4_2=1", "style_layers": "r1_1=0.2, r2_1=0.2, r3_1=0.2, r4_1=0.2, r5_1=0.2",
    },
    # The notebook of document 002 divides the Gram difference by 4 * 9 * (rows * columns)^2 of the *picture*,
    # whatever the layer: in the paper's form, 4 N^2 M^2 of the layer, that is a weight of 0.2 N^2 / (9 * 16^(b-1))
    # for block b. L-BFGS-B in rounds of 20 evaluations, with scipy's history of 10. What is ours: 20 rounds (400 steps)
    # and not 400, a picture after each and not after every tenth, the painting cropped and not squashed to the photo's
    # size, our line search in place of scipy's. Blocks 5 are VGG-19's; the ArtEncoder answers with r4_2, its deepest
    # layer, for style and for content.
    "document-002": {
        "weights": "raw", "content": 1.0, "style": 10000.0, "smoothness": 10.0, "tv_power": 1.25, "colour": 0.0,
        "size": 400, "side": "height", "steps": 400, "pyramid": 1, "loss": "gram", "optimiser": "lbfgs", "history": 10,
        "rounds": 20, "preview_every": 20, "content_layers": "block5_conv2=1",
        "style_layers": "block1_conv1=91.02, block2_conv1=22.76, block3_conv1=5.689, block4_conv1=1.422, "
        "block5_conv1=0.08889",
    },
}  # fmt: skip
