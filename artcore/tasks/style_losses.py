"""The loss of one scale of a style transfer, and its gradient by pixel, in tiles where the picture is large."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from artcore import perceptual, runtime
from artcore.tasks.style_options import StyleOptions

# Pixels that a picture is continued by its mirror image before the net sees it, or the zeros that convolutions pad
# with would paint a frame. A multiple of every layer's stride.
PAD = 16
HALO = 32  # what a tile sees of its neighbours: the radius that the deepest usual layer looks at
WHOLE = 1024  # longest side of a picture that is worked on in one piece
TILE = 512  # longest side of a tile of a larger one; more is a little faster and takes more memory
# What a slider at 1 stands for: gradient of each term, as a share of the style's, chosen by looking.
UNITS = {"content": 0.1, "style": 1.0, "smoothness": 0.007, "colour": 0.05}
CHROMA = 12.0  # weight of differences of colour beside those of lightness
SAMPLES, PROJECTIONS = 1024, 24  # of the sliced Wasserstein distance, per layer and step

Net = Callable[[torch.Tensor, tuple[str, ...]], Mapping[str, torch.Tensor]]


@dataclass(frozen=True)
class Layers:
    """Weights by the net's own layer names, the strides of the layers, and the net's input units."""

    style: Mapping[str, float]
    content: Mapping[str, float]
    stride: Mapping[str, int]
    unit: float  # features times this are those of a net that sees 8-bit numbers, for raw weights

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self.style, *self.content]))


@dataclass(frozen=True)
class Shown:
    """Features (1, C, h, w) of a part of the picture, and the window (rows, columns) of them that counts."""

    features: torch.Tensor
    window: tuple[slice, slice]

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the window."""
        return tuple(part.stop - part.start for part in self.window)

    def rows(self) -> torch.Tensor:
        """Feature vectors of the window, (positions, C)."""
        return _Rows.apply(self.features, self.window)

    def gram(self, weight: torch.Tensor | None) -> torch.Tensor:
        """Sum over the window of products of channels (C, C), float32, weighted by `weight` (positions, 1)."""
        return _Gram.apply(self.features, self.window, weight)


class _Rows(torch.autograd.Function):
    """A window of features as rows. Autograd's own backward of slices and permutes makes gradients of another
    memory layout, whose addition costs more than the convolutions."""

    @staticmethod
    def forward(ctx, features, window):
        ctx.like, ctx.window = features, window
        return _window(features, window).reshape(-1, features.shape[1])

    @staticmethod
    def backward(ctx, gradient):
        made = torch.zeros_like(ctx.like)
        place = _window(made, ctx.window)
        place.copy_(gradient.view(place.shape))
        return made, None


class _Gram(torch.autograd.Function):
    """Products of channels summed over a window, in the features' own number format, the sums of 16 parts added
    in float32: four times as quick as in float32, and the rounding of each part averages out."""

    @staticmethod
    def forward(ctx, features, window, weight):
        rows = _window(features, window).reshape(-1, features.shape[1])
        ctx.save_for_backward(rows, weight)
        ctx.like, ctx.window = features, window
        weighted = rows if weight is None else rows * weight.to(rows.dtype)
        whole = len(rows) // 16 * 16
        total = rows[whole:].float().T @ weighted[whole:].float()
        if whole:
            a, b = (r[:whole].view(16, -1, r.shape[1]) for r in (rows, weighted))
            total = total + (a.transpose(1, 2) @ b).float().sum(0)
        return total

    @staticmethod
    def backward(ctx, gradient):
        rows, weight = ctx.saved_tensors
        made = torch.zeros_like(ctx.like)
        place = _window(made, ctx.window)
        back = rows @ (gradient + gradient.T).to(rows.dtype)
        place.copy_((back if weight is None else back * weight.to(rows.dtype)).view(place.shape))
        return made, None, None


def _window(features: torch.Tensor, window: tuple[slice, slice]) -> torch.Tensor:
    """(h, w, C) of a window of (1, C, H, W)."""
    return features.permute(0, 2, 3, 1)[0][window]


class Objective:
    """Loss and gradient of a picture (1, 3, H, W) in [0, 1] at one size.

    loss = content + style + smoothness + colour. The style part sums over paintings and layers; each painting's
    statistics are those of the region that its mask shows. The net runs twice per tile where there are more than
    one: first for the statistics of the whole picture, then for the gradient through them, exact but for the
    view of `HALO` pixels around a tile.
    """

    def __init__(
        self,
        net: Net,
        layers: Layers,
        content: torch.Tensor,
        styles: list[torch.Tensor],
        shares: list[float],
        masks: list[torch.Tensor] | None,
        options: StyleOptions,
    ):
        self.net, self.layers, self.options, self.content = net, layers, options, content
        self.height, self.width = content.shape[-2:]
        self.masks, self.shares = masks, shares
        self.kinds = {"mixed": ("gram", "wasserstein"), "moments": ("gram", "mean")}.get(options.loss, (options.loss,))
        with torch.no_grad():
            self.wanted = [self._targets(style, options.seed) for style in styles]
            self.guides = [self._guides(mask) for mask in masks] if masks else [None] * len(styles)
            self.kept = [
                {n: f.rows() for n, f in self._features(content, box, tuple(layers.content)).items()}
                for box in tiles(self.width, self.height)
            ]
        self.factors = {"content": options.content, "style": options.style, "smoothness": options.smoothness}
        self.factors["colour"] = options.colour
        # A region's share of the picture: its loss is a mean over the region, which would pull each of few
        # pixels harder than each of many.
        self.areas = [math.sqrt(m.mean().item()) for m in masks] if masks else [1.0] * len(styles)

    # --- features ---

    def _padded(self, x: torch.Tensor) -> torch.Tensor:
        """Continued by its mirror image, edge pixels included: seen once only, they were free to frame the picture."""
        for axis, size in ((2, x.shape[2]), (3, x.shape[3])):
            places = torch.arange(-PAD, size + PAD + -size % PAD, device=x.device) % (2 * size)
            x = x.index_select(axis, torch.minimum(places, 2 * size - 1 - places))
        return x

    def _features(self, x: torch.Tensor, box: tuple[int, int, int, int], names: tuple[str, ...]) -> dict[str, Shown]:
        """Features of a box of `x`, and where it lies among those of the surroundings that it is shown with."""
        if not names:
            return {}
        x = self._padded(x)
        left, top, right, bottom = box
        x0, y0 = max(0, left + PAD - HALO), max(0, top + PAD - HALO)
        x1 = min(x.shape[-1], PAD + HALO + right + -right % PAD)
        y1 = min(x.shape[-2], PAD + HALO + bottom + -bottom % PAD)
        seen = x[..., y0:y1, x0:x1].to(runtime.setup().dtype, memory_format=torch.channels_last)
        found = {}
        for name, f in self.net(seen, names).items():
            s = self.layers.stride[name]
            x, y = (left + PAD - x0) // s, (top + PAD - y0) // s
            found[name] = Shown(f, (slice(y, y + -(-(bottom - top) // s)), slice(x, x + -(-(right - left) // s))))
        return found

    def _guides(self, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """The mask at each layer's size, over its mean."""
        made = {}
        for name in self.layers.style:
            s = self.layers.stride[name]
            padded = F.pad(mask, (0, -self.width % s, 0, -self.height % s), mode="replicate")
            small = F.avg_pool2d(padded, s)
            made[name] = small / small.mean().clamp_min(1e-6)
        return made

    # --- statistics: tensors that add up over tiles ---

    def _targets(self, style: torch.Tensor, seed: int) -> dict[str, torch.Tensor]:
        """What the painting's statistics are: a Gram matrix, a mean and sampled features by layer."""
        sums: dict[str, torch.Tensor] = {}
        kept: dict[str, list[torch.Tensor]] = {name: [] for name in self.layers.style}
        counts = dict.fromkeys(kept, 0)
        for box in tiles(style.shape[-1], style.shape[-2]):
            for name, f in self._features(style, box, tuple(self.layers.style)).items():
                rows = f.rows()
                counts[name] += len(rows)
                if "wasserstein" in self.kinds:
                    kept[name].append(rows)
                for key, value in ((f"gram {name}", f.gram(None)), (f"mean {name}", rows.float().sum(0))):
                    sums[key] = sums[key] + value if key in sums else value
        found = {key: value / counts[key.partition(" ")[2]] for key, value in sums.items()}
        if "wasserstein" in self.kinds:
            generator = torch.Generator().manual_seed(seed)
            for name, parts in kept.items():
                rows = torch.cat(parts)
                drawn = torch.randperm(len(rows), generator=generator)[: 16 * SAMPLES]
                found[f"rows {name}"] = rows[drawn.to(rows.device)].float()
        flat = style[0].flatten(1)
        found["colour mean"] = flat.mean(1)
        found["colour second"] = flat @ flat.T / flat.shape[1]
        return found

    def _statistics(
        self, features: Mapping[str, Shown], box: tuple[int, int, int, int], picks: Mapping[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """This tile's part of the statistics, for each painting (index in the name)."""
        left, top, right, bottom = box
        found = {}
        for name in self.layers.style:
            f = features[name]
            s = self.layers.stride[name]
            columns, lines = -(-self.width // s), -(-self.height // s)
            height, width = f.shape
            part = (slice(top // s, top // s + height), slice(left // s, left // s + width))
            rows = f.rows() if self.kinds != ("gram",) else None
            for i, guide in enumerate(self.guides):
                if guide is None and i:
                    continue  # without masks all paintings see the same statistics
                weight = None if guide is None else guide[name][0, 0][part].reshape(-1, 1)
                if "gram" in self.kinds:
                    found[f"gram {name} {i}"] = f.gram(weight) / (columns * lines)
                if "mean" in self.kinds:
                    found[f"mean {name} {i}"] = (rows.float() * (1 if weight is None else weight)).sum(0)
                    found[f"mean {name} {i}"] /= columns * lines
                if "wasserstein" in self.kinds:
                    # Samples that lie in this tile in their places, zeros in the others'.
                    pick = picks[f"{name} {i}"]
                    y, x = pick // columns - part[0].start, pick % columns - part[1].start
                    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
                    gathered = rows[torch.where(inside, y * width + x, 0)].float()
                    found[f"rows {name} {i}"] = gathered * inside[:, None]
        return found

    def _picks(self, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Positions in the picture, drawn for the sliced Wasserstein distance."""
        picks = {}
        if "wasserstein" not in self.kinds:
            return picks
        for name in self.layers.style:
            s = self.layers.stride[name]
            count = -(-self.width // s) * -(-self.height // s)
            for i, guide in enumerate(self.guides):
                if guide is None and i:
                    continue
                chance = torch.ones(count) if guide is None else guide[name].flatten().cpu()
                places = int((chance > 0).sum())
                few = places < 64  # a variance needs several, so some of a speck's are taken more than once
                drawn = 64 if few else min(SAMPLES, places)
                pick = torch.multinomial(chance, drawn, replacement=few, generator=generator)
                picks[f"{name} {i}"] = pick.to(self.content.device)
        return picks

    def _style_loss(self, statistics: Mapping[str, torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        raw, total = self.options.weights == "raw", 0.0
        for name, weight in self.layers.style.items():
            for i, (wanted, share) in enumerate(zip(self.wanted, self.shares, strict=True)):
                at = 0 if self.guides[i] is None else i
                factor = weight * share * self.areas[i]
                if "gram" in self.kinds:
                    made, target = statistics[f"gram {name} {at}"], wanted[f"gram {name}"]
                    error = (made - target).square().sum()
                    if raw:  # Gatys et al. 2016, eq. 4, whose Gram is a sum over positions
                        error = error * self.layers.unit**4 / (4 * len(made) ** 2)
                    else:
                        error = error / target.square().sum().clamp_min(1e-12)
                    total = total + factor * error
                if "mean" in self.kinds:
                    made, target = statistics[f"mean {name} {at}"], wanted[f"mean {name}"]
                    total = total + factor * (made - target).square().sum() / target.square().sum().clamp_min(1e-12)
                if "wasserstein" in self.kinds:
                    rows, target = statistics[f"rows {name} {at}"], wanted[f"rows {name}"]
                    total = total + factor * _wasserstein(rows, target, generator)
        return total

    # --- loss and gradient ---

    def evaluate(self, x: torch.Tensor, seed: int) -> tuple[dict[str, float], torch.Tensor]:
        """The terms of the loss at `x`, weighted, by name, and the gradient of their sum.

        `seed` draws what the sliced Wasserstein distance samples.
        """
        losses, gradients = self._terms(x, seed)
        gradient = torch.zeros_like(x)
        for g in gradients.values():
            gradient += g
        return losses, gradient

    def _terms(self, x: torch.Tensor, seed: int, apart: bool = False) -> tuple[dict[str, float], dict]:
        """(loss by term, gradient by term); unless `apart`, content and style share one gradient."""
        generator = torch.Generator().manual_seed(seed)
        losses, gradients = {}, {}
        names, places = self.layers.names, tiles(self.width, self.height)
        picks, state = self._picks(generator), generator.get_state()

        def style_of(statistics: Mapping[str, torch.Tensor]) -> torch.Tensor:
            generator.set_state(state)
            return self.factors["style"] * self._style_loss(statistics, generator)

        slopes = None
        if len(places) > 1:
            sums: dict[str, torch.Tensor] = {}
            with torch.no_grad():
                for box in places:
                    for key, value in self._statistics(
                        self._features(x, box, tuple(self.layers.style)), box, picks
                    ).items():
                        sums[key] = sums[key] + value if key in sums else value
            with torch.enable_grad():
                sums = {key: value.requires_grad_() for key, value in sums.items()}
                style = style_of(sums)
                slopes = dict(zip(sums, torch.autograd.grad(style, list(sums.values())), strict=True))
            losses["style"] = style.item()
        losses["content"] = 0.0
        for box, kept in zip(places, self.kept, strict=True):
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                features = self._features(leaf, box, names)
                statistics = self._statistics(features, box, picks)
                content = self.factors["content"] * self._content_loss(features, kept)
                if slopes is None:
                    style = style_of(statistics)
                    losses["style"] = style.item()
                else:
                    style = sum((slopes[key] * value).sum() for key, value in statistics.items())
                losses["content"] += content.item()
                if apart:
                    parts = {"style": style, "content": content}
                    for term, loss in parts.items():
                        (g,) = torch.autograd.grad(loss, leaf, retain_graph=True)
                        gradients[term] = gradients[term] + g if term in gradients else g
                else:
                    (g,) = torch.autograd.grad(style + content, leaf)
                    gradients["net"] = gradients["net"] + g if "net" in gradients else g
        for term, function in (("smoothness", self._smoothness), ("colour", self._colour)):
            if self.factors[term]:
                with torch.enable_grad():
                    leaf = x.detach().requires_grad_()
                    loss = self.factors[term] * function(leaf)
                    (gradients[term],) = torch.autograd.grad(loss, leaf)
                losses[term] = loss.item()
        return losses, gradients

    def _content_loss(self, features: Mapping[str, Shown], kept: Mapping[str, torch.Tensor]) -> torch.Tensor:
        total = 0.0
        for name, weight in self.layers.content.items():
            error = (features[name].rows().float() - kept[name].float()).square().sum()
            if self.options.weights == "raw":
                total = total + weight * self.layers.unit**2 * error
            else:
                s = self.layers.stride[name]
                numbers = -(-self.width // s) * -(-self.height // s) * features[name].features.shape[1]
                total = total + weight * error / numbers
        return total

    def _smoothness(self, x: torch.Tensor) -> torch.Tensor:
        power, raw = self.options.tv_power, self.options.weights == "raw"
        if raw:
            x = x * 255
        else:  # Chroma counts CHROMA-fold: features leave it nearly free, and its noise is the rainbow one sees.
            grey = x.mean(1, keepdim=True)
            x = torch.cat([grey * 3**0.5, CHROMA**0.5 * (x - grey)], 1)
        if raw:  # as document 002 has it, without the last row and column
            dy, dx = x[..., 1:, :-1] - x[..., :-1, :-1], x[..., :-1, 1:] - x[..., :-1, :-1]
        else:  # with them: noise gathers where nothing smooths it
            dy = F.pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1))
            dx = F.pad(x[..., 1:] - x[..., :-1], (0, 1, 0, 0))
        squares = dy.square() + dx.square()
        summed = squares if power == 1 else (squares + 1e-12) ** power
        return summed.sum() if raw else summed.mean()

    def _colour(self, x: torch.Tensor) -> torch.Tensor:
        """Squared difference of mean and second moment of RGB, in each painting's region."""
        flat, total = x[0].flatten(1), 0.0
        for i, (wanted, share) in enumerate(zip(self.wanted, self.shares, strict=True)):
            weight = 1 / flat.shape[1] if self.masks is None else self.masks[i].flatten() / self.masks[i].sum()
            weighted = flat * weight
            mean, second = weighted.sum(1), weighted @ flat.T
            error = (mean - wanted["colour mean"]).square().sum() + (second - wanted["colour second"]).square().sum()
            total = total + share * self.areas[i] * error
        return total

    def weigh(self, reference: torch.Tensor) -> dict[str, float]:
        """Turns shares into factors: each term's gradient at `reference` gets a root mean square of its share.

        `reference` should differ from the photo, whose content gradient is 0. Smoothness and colour are shares of
        the style's share, so that they keep their proportion to it (document 002: total variation must grow along
        with style). Measured once and then fixed, the loss stays a function that L-BFGS can minimise. The colour
        term is not measured but takes a mean that is off by 0.1: photo and painting may have the same colours.
        """
        options = self.options
        self.factors = dict.fromkeys(self.factors, 1.0)
        _, gradients = self._terms(reference, options.seed, apart=True)
        scale = {term: g.square().mean().sqrt().clamp_min(1e-12).item() for term, g in gradients.items()}
        scale["colour"] = 0.2 / (reference.shape[2] * reference.shape[3])
        shares = {"content": options.content, "style": options.style}
        shares |= {"smoothness": options.smoothness * options.style, "colour": options.colour * options.style}
        self.factors = {term: UNITS[term] * share / scale[term] for term, share in shares.items()}
        return self.factors


def _wasserstein(made: torch.Tensor, target: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Sliced Wasserstein distance of rows of features (n, C); see :func:`artcore.perceptual.sliced_wasserstein`."""
    layer = "layer"
    features = {layer: made.T[None, :, None]}
    targets = {layer: target.T[None, :, None]}
    return perceptual.sliced_wasserstein(
        features, targets, {layer: 1.0}, generator=generator, projections=PROJECTIONS, samples=SAMPLES
    )


def tiles(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """(left, top, right, bottom) that divide a picture; starts are multiples of PAD."""
    most = WHOLE if max(width, height) <= WHOLE else TILE
    step_x, step_y = (math.ceil(math.ceil(n / math.ceil(n / most)) / PAD) * PAD for n in (width, height))
    return [
        (left, top, min(left + step_x, width), min(top + step_y, height))
        for top in range(0, height, step_y)
        for left in range(0, width, step_x)
    ]


def scales(width: int, height: int, count: int) -> list[tuple[int, int]]:
    """Sizes from coarse to fine, each about twice the one before; count 0 begins at about 150 pixels."""
    if not count:
        count = 1 + max(0, round(math.log2(max(width, height) / 150)))
    while count > 1 and min(width, height) / 2 ** (count - 1) < 64:
        count -= 1
    return [(max(1, round(width / 2**k)), max(1, round(height / 2**k))) for k in range(count - 1, -1, -1)]


def split(steps: int, stages: int, ratio: float = 1.25) -> list[int]:
    """Steps of each stage, more at the coarse ones, where they cost little and form the large strokes."""
    weights = [ratio**k for k in range(stages - 1, -1, -1)]
    ends = [round(steps * sum(weights[: k + 1]) / sum(weights)) for k in range(stages)]
    return [end - start for start, end in zip([0, *ends[:-1]], ends, strict=True)]
