"""Optimisers that make one step of one evaluation and hand out all they know, so that a run can be saved anywhere."""

from __future__ import annotations

import math
from typing import Any

import torch

State = dict[str, Any]  # tensors and JSON numbers by name


class Adam:
    """Adam (Kingma and Ba 2015) on a picture, kept in [0, 1]; the rate falls to a tenth along a cosine.

    The fall takes the place of an average of iterates: the last steps settle what the large ones leave rough.
    """

    def __init__(self, learning_rate: float, steps: int, **_: Any):
        self.rate, self.steps = learning_rate, steps
        self.count = 0
        self.first = self.second = None

    def step(self, x: torch.Tensor, loss: float, gradient: torch.Tensor) -> torch.Tensor:
        """The next picture, given loss and gradient at `x`."""
        if self.first is None:
            self.first, self.second = torch.zeros_like(x), torch.zeros_like(x[:, :1])
        rate = self.rate * (0.55 + 0.45 * math.cos(math.pi * self.count / max(1, self.steps)))
        self.count += 1
        self.first.lerp_(gradient, 1 - 0.9)
        # One second moment for the three colours, so that a step keeps the gradient's hue: a rate for each makes
        # rainbows of what is nearly grey. 0.99: runs are short.
        self.second.lerp_(gradient.square().mean(1, keepdim=True), 1 - 0.99)
        root = (self.second / (1 - 0.99**self.count)).sqrt_().add_(1e-8)
        return x.addcdiv(self.first, root, value=-rate / (1 - 0.9**self.count)).clamp_(0, 1)

    def best(self, x: torch.Tensor) -> torch.Tensor:
        """The picture to show, where `x` is the next to evaluate."""
        return x

    def state(self) -> State:
        """All that :meth:`load` needs to go on exactly."""
        kept = {} if self.first is None else {"first": self.first, "second": self.second}
        return {"count": self.count, **kept}

    def load(self, state: State) -> None:
        self.count, self.first, self.second = state["count"], state.get("first"), state.get("second")


class LBFGS:
    """L-BFGS (Liu and Nocedal 1989) with a backtracking line search, one evaluation a step.

    A trial point that doesn't lower the loss enough (Armijo) is taken back and tried at a quarter of the step;
    after five in a row the memory is dropped, since a history gathered in bf16 may point nowhere. The picture is
    not kept in [0, 1] on the way: that would break the curvature pairs.
    """

    def __init__(self, history: int, first_step: float = 0.03, **_: Any):
        self.history, self.first_step = history, first_step
        self.pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.at = self.gradient = self.direction = None  # the point last accepted, and the way from there
        self.loss, self.length, self.failed = math.inf, 1.0, 0

    def step(self, x: torch.Tensor, loss: float, gradient: torch.Tensor) -> torch.Tensor:
        """The next point to evaluate, given loss and gradient at `x`."""
        if self.at is not None:
            slope = (self.direction * self.gradient).sum().item()
            if loss <= self.loss + 1e-4 * self.length * slope:
                s, y = x - self.at, gradient - self.gradient
                if (s * y).sum() > 1e-10 * (y * y).sum():
                    self.pairs = [*self.pairs, (s, y)][-self.history :]
            elif self.failed < 5:
                self.failed += 1
                self.length *= 0.25
                return self.at + self.length * self.direction
            else:
                self.pairs.clear()
                x, loss, gradient = self.at, self.loss, self.gradient
        self.at, self.loss, self.gradient, self.failed = x, loss, gradient, 0
        self.direction = -self._scaled(gradient)
        self.length = 1.0
        if not self.pairs:  # no curvature is known: change pixels by first_step in the root mean square
            self.length = self.first_step / gradient.square().mean().sqrt().clamp_min(1e-12).item()
        return x + self.length * self.direction

    def _scaled(self, gradient: torch.Tensor) -> torch.Tensor:
        """The inverse Hessian's estimate times the gradient: the two loops over the pairs."""
        q, factors = gradient.clone(), []
        for s, y in reversed(self.pairs):
            a = (s * q).sum() / (s * y).sum()
            q.sub_(a * y)
            factors.append(a)
        if self.pairs:
            s, y = self.pairs[-1]
            q.mul_((s * y).sum() / (y * y).sum())
        for (s, y), a in zip(self.pairs, reversed(factors), strict=True):
            q.add_((a - (y * q).sum() / (s * y).sum()) * s)
        return q

    def forget(self, x: torch.Tensor) -> torch.Tensor:
        """Begin anew, without a history, at the point last accepted, which is returned."""
        x = self.best(x)
        self.__init__(self.history, self.first_step)
        return x

    def best(self, x: torch.Tensor) -> torch.Tensor:
        """The point last accepted: `x` may be a trial that is too far."""
        return x if self.at is None else self.at

    def state(self) -> State:
        """All that :meth:`load` needs to go on exactly."""
        kept: State = {"loss": self.loss, "length": self.length, "failed": self.failed, "pairs": len(self.pairs)}
        if self.at is not None:
            kept |= {"at": self.at, "gradient": self.gradient, "direction": self.direction}
        for i, (s, y) in enumerate(self.pairs):
            kept |= {f"s{i}": s, f"y{i}": y}
        return kept

    def load(self, state: State) -> None:
        self.loss, self.length, self.failed = state["loss"], state["length"], state["failed"]
        self.at, self.gradient, self.direction = (state.get(name) for name in ("at", "gradient", "direction"))
        self.pairs = [(state[f"s{i}"], state[f"y{i}"]) for i in range(state["pairs"])]


OPTIMISERS = {"adam": Adam, "lbfgs": LBFGS}
