"""What can be changed of a colouring without its net: sliders, API and command line read this one dataclass."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any


class ColorizeError(ValueError):
    """A keyword or file that a colouring can't work with; the message says what to do."""


def _number(default: float, label: str, help: str, low: float, high: float, step: float = 0.01) -> Any:
    return field(
        default=default, metadata={"label": label, "help": help, "minimum": low, "maximum": high, "step": step}
    )


@dataclass(frozen=True)
class Adjustments:
    """What is changed of a colouring without asking the net again; by default nothing.

    See each field's metadata: label, help, and the minimum, maximum and step of a slider. Raises ColorizeError,
    one sentence, for what is no number between the two.
    """

    saturation: float = _number(1.0, "Saturation", "0 is grey, 1 as the net coloured it, 2 twice as strong.", 0, 2)
    warmth: float = _number(0.0, "Warmth", "Towards orange, or below 0 towards blue.", -1, 1)
    black: float = _number(0.0, "Black point", "What is as dark as this becomes black.", 0, 0.5)
    white: float = _number(1.0, "White point", "What is as light as this becomes white.", 0.5, 1)
    gamma: float = _number(1.0, "Gamma", "Lightens what lies between black and white; below 1 darkens.", 0.3, 3)
    smoothness: float = _number(0.0, "Smoothness", "Evens out colours, but not over edges of light and dark.", 0, 1)

    def __post_init__(self) -> None:
        for f in fields(self):
            value, low, high = getattr(self, f.name), f.metadata["minimum"], f.metadata["maximum"]
            # Not "value < low or value > high": NaN must fail too.
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise ColorizeError(f"{f.name} is {value!r}; give a number from {low} to {high}.")
            object.__setattr__(self, f.name, float(value))

    def asdict(self) -> dict[str, float]:
        """All of them by name, ready for JSON."""
        return asdict(self)
