"""Style transfer by optimisation (Gatys et al. 2016): any paintings onto any photo, with every choice a slider."""

from __future__ import annotations

import functools
import hashlib
import math
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from artcore import hub, image, recipe, runtime
from artcore.hub import ArtModel
from artcore.models.encoder import ArtEncoder
from artcore.models.vgg import VGG19
from artcore.recipe import Checkpoint, Recipe
from artcore.tasks import style_files, style_pictures
from artcore.tasks.style_losses import PAD, TILE, UNITS, WHOLE, Layers, Objective, scales, split
from artcore.tasks.style_options import PRESETS, StyleError, StyleOptions
from artcore.tasks.style_steps import OPTIMISERS

__all__ = ["PRESETS", "Snapshot", "StyleError", "StyleOptions", "StyleTransfer"]

# Time of a step over the time of its convolutions, forward and backward, at the measured peak rate: Gram
# matrices, total variation and the optimiser, and layers of few channels, are bound by memory.
OVERHEAD = 2.1
LOSSES = {"gram": 1.0, "moments": 1.1, "wasserstein": 1.15, "mixed": 1.4}  # time of a step over Gram's; measured
STEP_SECONDS = 0.004  # of a step whatever its size: some two hundred calls of small functions
BYTES_PER_PIXEL = 850  # peak of a step per pixel of a tile in bf16, ArtEncoder; measured
BYTES_PER_PAINTED = 60  # of a painting at the photo's scale, its copies as floats
MOST_BUDGETED = 1600  # the longer side that a budget may choose
PACES = 4  # times longer or shorter that a run can make later predictions


@dataclass(frozen=True)
class Snapshot:
    """Where a run is after `step` of `steps`: size (width, height) of the scale it works at, the loss by term,
    seconds so far and predicted to go, and now and then a picture; the one that is final is finished and has the
    size of the output."""

    step: int
    steps: int
    size: tuple[int, int]
    losses: dict[str, float]
    seconds: float
    seconds_left: float
    image: Image.Image | None = None
    final: bool = False
    _job: _Job | None = field(default=None, repr=False, compare=False)

    def resume_file(self) -> bytes:
        """Everything that :meth:`StyleTransfer.resume` needs, as one safetensors file; valid until the run goes on."""
        return self._job.save()

    def picture(self) -> Image.Image:
        """The picture as it is, finished and at the output's size, for a caller that stops here; valid until the
        run goes on."""
        return self.image if self.final else self._job._finished()

    @property
    def originals(self) -> tuple[Image.Image, list[Image.Image]]:
        """The photo at the output's size, and the paintings as they were cropped: for sheets, after a resume too."""
        return self._job.photo, self._job.paintings

    @property
    def options(self) -> StyleOptions:
        """Those of the run, size and steps as a budget chose them."""
        return self._job.options


class StyleTransfer:
    """Paints a photo in the manner of paintings by optimising its pixels.

    Args:
        features: "encoder" for the shipped ArtEncoder; "vgg19" for VGG-19, whose weights are downloaded once, or a
            path of its weights; or a net like one of these.

    >>> StyleTransfer()("photo.jpg", "painting.jpg", options=StyleOptions(size=400)).save("made.png")
    """

    def __init__(self, features: str | os.PathLike | ArtModel | VGG19 = "encoder"):
        if isinstance(features, str | os.PathLike):
            if str(features) == "encoder":
                folder = hub.weights() / "encoder"
                features = ArtEncoder.from_pretrained(folder)
                digest = hashlib.sha256((folder / hub.WEIGHTS).read_bytes()).hexdigest()
                features.checkpoints = (Checkpoint("encoder", digest),)
            else:
                features = VGG19("download" if str(features) == "vgg19" else features)
        self.features = type(features).__name__
        self.model = runtime.prepare(features)
        if isinstance(features, VGG19):  # of no catalog: known by its tensors
            self.model.checkpoints = (Checkpoint("vgg19", self._digest),)
        self._flops: dict[tuple[str, ...], float] = {}
        self._pace = 1.0  # what the run that ended last took, over what was predicted for a quiet machine

    # --- what is public ---

    @classmethod
    def untrained(cls) -> StyleTransfer:
        """One with a VGG-19 of random weights: nothing is fetched, and its :meth:`seconds` are those of "vgg19"."""
        return cls(VGG19(None))

    def __call__(self, content: object, styles: object, **keywords: object) -> Image.Image:
        """The finished picture; arguments as for :meth:`run`."""
        result = None
        for snapshot in self.run(content, styles, **keywords):
            result = snapshot.image or result
        return result

    def run(
        self,
        content: object,
        styles: object,
        *,
        options: StyleOptions | None = None,
        masks: Sequence[object] | None = None,
        init: object = None,
        ran: Sequence[int] | None = None,
    ) -> Iterator[Snapshot]:
        """Optimise step by step, so that a caller can show the picture or stop at any moment.

        Args:
            content: the photo: anything :func:`artcore.image.open` takes.
            styles: a painting, or a list of paintings.
            options: all the rest.
            masks: one grey picture per painting, white where it is to count; where all are black the photo stays.
                One of the photo's aspect is resized to it, one of another aspect is refused. Where none are given,
                every painting counts everywhere.
            init: a picture to start from, in place of `options.init`.
            ran: how many steps of each scale to go, as the :class:`artcore.recipe.Recipe` of a run tells that was
                stopped or had a deadline: no clock then decides.

        Yields:
            A :class:`Snapshot` per step; the last is final and has the picture at its full size, signed with its
            recipe.

        Raises:
            StyleError, artcore.image.ImageError, artcore.runtime.TooLarge: one sentence each, before the first step.
        """
        options = options or StyleOptions()
        styles = list(styles) if isinstance(styles, list | tuple) else [styles]
        if not styles:
            raise StyleError("No painting is given: give at least one.")
        options.styles_shares(len(styles))
        photo = image.open(content)
        options = self._planned(photo.size, options)
        size = style_pictures.output_size(photo.size, options)
        styles = [image.open(style) for style in styles]
        pictures = {"style": tuple(map(recipe.reference, styles))}
        if masks is not None:
            masks = [image.open(mask) for mask in (masks if isinstance(masks, list | tuple) else [masks])]
            pictures["mask"] = tuple(map(recipe.reference, masks))
        if init is not None:
            init = image.open(init)
            pictures["start"] = (recipe.reference(init),)
        made = Recipe(
            "style",
            (recipe.net(self.model),),
            recipe.reference(photo),
            options.asdict(),
            pictures,
            run=runtime.described(),
        )
        photo = style_pictures.resized(photo, size)
        paintings = [style_pictures.fitted(style, size, options) for style in styles]
        regions = None if masks is None else style_pictures.regions(masks, len(styles), size)
        start = None if init is None else style_pictures.resized(init.convert("RGB"), size)
        job = _Job(self, photo, paintings, regions, start, options)
        job.recipe = made
        job.follow(ran)
        return job.run()

    def resume(self, file: str | os.PathLike | bytes) -> Iterator[Snapshot]:
        """Go on with a run from its resume file (path or bytes), exactly as if it had never stopped.

        Raises:
            StyleError: the file can't be read, or was made with another net.
        """
        return _Job.load(self, file).run()

    def seconds(self, width: int, height: int, options: StyleOptions | None = None) -> float:
        """Predicted seconds for a photo of this size on this machine, the deadline at most; corrected by what the run
        that this object finished last has taken."""
        options = self._planned((width, height), options or StyleOptions())
        predicted = sum(self._stage_seconds(style_pictures.output_size((width, height), options), options))
        return min(predicted, options.deadline or predicted)

    # --- the net ---

    def layers(self, options: StyleOptions) -> Layers:
        """The options' layers by the net's own names. What the net lacks is answered by the nearest there is: a
        deeper block by the deepest layer (so block 5 of the documents, VGG-19's, becomes the ArtEncoder's r4_2),
        a later convolution by the last of its block."""
        style, content = ({}, {})
        for wanted, found in ((options.style_layer_weights(), style), (options.content_layer_weights(), content)):
            for name, weight in wanted.items():
                own = self._layer(name)
                found[own] = found.get(own, 0.0) + weight
        stride = {name: 2 ** (_block(name) - 1) for name in (*style, *content)}
        std = self.model.std if isinstance(self.model.std, float) else float(self.model.std.float().mean())
        return Layers(style, content, stride, 255 * std)

    @property
    def weights(self) -> str:
        """A short hash of the net's weights."""
        return self._digest[:16]

    @functools.cached_property
    def _digest(self) -> str:
        """Of the net's weights in bfloat16, so that machines of either number format agree."""
        digest = hashlib.sha256()
        for name, tensor in self.model.state_dict().items():
            raw = tensor.to("cpu", torch.bfloat16, memory_format=torch.contiguous_format).view(torch.int16)
            digest.update(name.encode() + raw.numpy().tobytes())
        return digest.hexdigest()

    def _layer(self, name: str) -> str:
        # Those behind VGG-19's pooling have another stride than their block, and nobody's paper takes them.
        available = [layer for layer in self.model.layers if not layer.startswith("pool")]
        if name in available:
            return name
        match = re.fullmatch(r"(?:r|relu|conv|block)(\d)_(?:conv)?(\d)", name)
        if match is None:
            raise StyleError(f"There is no layer {name!r}: choose from {', '.join(available)}.")
        if isinstance(self.model, VGG19):
            own = re.sub(r"^(?:r|block(?=\d_conv))(\d)_(?:conv)?(\d)$", r"relu\1_\2", name)
            if own not in available:
                raise StyleError(f"There is no layer {name!r}: choose from {', '.join(available)}.")
            return own
        block, k = int(match[1]), int(match[2])
        same = [layer for layer in available if _block(layer) == block]
        return same[min(k, len(same)) - 1] if same else available[-1]

    def _flops_per_pixel(self, layers: Layers) -> float:
        """Operations of the net, forward and back to the picture, per pixel."""
        if layers.names not in self._flops:
            run, side = runtime.setup(), 64
            with runtime.lock, FlopCounterMode(display=False) as counter, torch.no_grad():
                self.model(torch.zeros(1, 3, side, side, dtype=run.dtype, device=run.device), layers.names)
            self._flops[layers.names] = 2 * counter.get_total_flops() / side**2
        return self._flops[layers.names]

    # --- how long ---

    def _stage_seconds(self, size: tuple[int, int], options: StyleOptions) -> list[float]:
        stages = scales(*size, options.pyramid)
        flops = self._flops_per_pixel(self.layers(options))
        found = []
        for (width, height), steps in zip(stages, split(options.steps, len(stages)), strict=True):
            passes = 1.5 if max(width, height) > WHOLE else 1.0  # tiles: once more forward, for the statistics
            pixels = (width + 2 * PAD) * (height + 2 * PAD)
            step = STEP_SECONDS + OVERHEAD * LOSSES[options.loss] * passes * runtime.seconds(flops * pixels)
            found.append(self._pace * (steps + 4) * step)
        return found

    def _planned(self, photo: tuple[int, int], options: StyleOptions) -> StyleOptions:
        """Options with size and steps that a budget allows: the largest picture at the steps that are set, and
        fewer steps where not even a small one fits. The budget is a deadline, too."""
        if not options.budget:
            return options
        seconds = min(options.budget, options.deadline or options.budget)
        options = replace(options, deadline=seconds, side="long")
        # Never so small that it is refused: for that a tiny photo is enlarged.
        least = max(64, math.ceil(style_pictures.LEAST * max(photo) / min(photo)))
        most = max(least, min(max(photo), MOST_BUDGETED))
        if most > MOST_BUDGETED:
            return replace(options, size=MOST_BUDGETED, budget=0.0)  # whose size is refused in a sentence
        wanted = 0.9 * seconds

        def predicted(side: int, steps: int) -> float:
            plan = replace(options, size=side, steps=steps)
            return sum(self._stage_seconds(style_pictures.output_size(photo, plan), plan))

        sides = [side for side in (1600, 1360, 1130, 960, 800, 670, 560, 480, 400, 340, 288) if least <= side < most]
        for side in [most, *sides]:
            if predicted(side, options.steps) <= wanted:
                return replace(options, size=side, budget=0.0)
        side = min(most, max(least, 256))
        steps = max(20, int(options.steps * wanted / predicted(side, options.steps)))
        return replace(options, size=side, steps=min(steps, options.steps), budget=0.0)


class _Job:
    """One run: what it was given, and where it is. All that changes is in :meth:`save`'s file."""

    def __init__(
        self,
        task: StyleTransfer,
        photo: Image.Image,
        paintings: list[Image.Image],
        regions: list[Image.Image] | None,
        start: Image.Image | None,
        options: StyleOptions,
    ):
        self.task, self.photo, self.paintings, self.regions = task, photo, paintings, regions
        self.start, self.options = start, options
        self.layers = task.layers(options)
        self.stages = scales(*photo.size, options.pyramid)
        self.steps = split(options.steps, len(self.stages))
        self.stage = self.step = 0  # step of this stage
        self.ran: list[int] = []  # steps of the stages before
        self.wanted: list[int] | None = None  # steps of each stage that are to be gone, whatever a clock says
        self.recipe: Recipe | None = None
        self.x: torch.Tensor | None = None
        self.factors: dict[str, float] | None = None
        self.elapsed = 0.0
        self.saved_optimiser: dict | None = None
        width, height = photo.size
        number = torch.finfo(runtime.setup().dtype).bits / 16
        tile = width * height if max(width, height) <= WHOLE else TILE * TILE
        kept = 250 + 24 * self._history(width * height)  # the picture in its copies, and L-BFGS' pairs
        hung = (style_pictures.style_size(p, photo.size, options) for p in paintings)
        kept += BYTES_PER_PAINTED * sum(math.prod(size) for size in hung) / (width * height)
        runtime.check_memory(width, height, kept + BYTES_PER_PIXEL * number * tile / (width * height))

    def _history(self, pixels: int) -> int:
        """Pairs that L-BFGS may keep: of pictures too large for one piece as many as fit such a one, at least 3."""
        most = max(3, self.options.history * WHOLE**2 // pixels)
        return min(self.options.history, most) if self.options.optimiser == "lbfgs" else 0

    # --- running ---

    def follow(self, ran: Sequence[int] | None) -> None:
        """Go exactly so many steps of each stage, and no further."""
        if ran is None:
            return
        good = isinstance(ran, list | tuple) and 1 <= len(ran) <= len(self.steps)
        if not (good and all(type(n) is int and 0 <= n <= most for n, most in zip(ran, self.steps, strict=False))):
            raise StyleError(f"ran is {ran!r}: give the steps of each scale, up to {self.steps}.")
        self.wanted = list(ran)

    def run(self) -> Iterator[Snapshot]:
        begun = time.monotonic()
        started = begun - self.elapsed
        predicted, pace = self.task._stage_seconds(self.photo.size, self.options), self.task._pace
        expected = away = 0.0  # seconds: for the steps of this call, and while nobody asked for the next
        losses: dict[str, float] = {}
        total = sum(self.steps)
        deadline = self.options.deadline if self.wanted is None else 0

        def over(limit: float) -> bool:
            """Whether the time is up, what went by before a resume included; a run has one step at least."""
            return bool(deadline and self.stage + self.step) and time.monotonic() - started > limit

        first = self.stage
        for stage in range(first, len(self.stages if self.wanted is None else self.wanted)):
            if stage > first and over(deadline):
                break  # not even one step of the larger scales
            self._enter(stage)
            limit = deadline * sum(predicted[: stage + 1]) / sum(predicted)
            while self.step < (self.steps if self.wanted is None else self.wanted)[stage] and not over(limit):
                losses = self._step()
                self.elapsed = time.monotonic() - started
                expected += predicted[stage] / self.steps[stage]
                done = sum(self.steps[:stage]) + self.step
                if done == total:
                    break
                left = sum(predicted[stage + 1 :]) + predicted[stage] * (1 - self.step / self.steps[stage])
                spent = sum(predicted) - left
                left *= self.elapsed / spent if self.elapsed > 1 and spent else 1
                if deadline:
                    left = max(0.0, min(left, deadline - self.elapsed))
                due = done == 1 or done % self.options.preview_every == 0
                shown = self._picture() if due else None
                paused = time.monotonic()
                yield Snapshot(done, total, self.stages[stage], losses, self.elapsed, left, shown, False, self)
                away += time.monotonic() - paused
        if not losses:  # the run had been saved at its end
            with runtime.lock, torch.inference_mode(False), torch.no_grad():
                losses = self._losses()[0]
        self.elapsed = time.monotonic() - started
        if expected > 1:  # of less, the beginning is too large a part
            # Within bounds: a machine that slept, or a program that stopped ours, says nothing of the next run.
            self.task._pace = min(max(pace * (time.monotonic() - begun - away) / expected, 1 / PACES), PACES)
        finished = self._finished()
        done = sum(self.steps[: self.stage]) + self.step
        yield Snapshot(done, total, self.photo.size, losses, self.elapsed, 0.0, finished, True, self)

    def _enter(self, stage: int) -> None:
        """Make the loss of a stage, and where it is a new one its first picture and optimiser."""
        options, size = self.options, self.stages[stage]
        with runtime.lock, torch.inference_mode(False), torch.no_grad():
            content = self._tensor(self.photo, size)
            styles = [self._tensor(p, style_pictures.style_size(p, size, options)) for p in self.paintings]
            styles = [style_pictures.tiled(s, size) if options.fit == "tile" else s for s in styles]
            masks, shares = None, options.styles_shares(len(styles))
            if self.regions:
                masks = [self._mask(region, size) for region in self.regions]
            content, styles = style_pictures.matched(content, styles, shares, masks, options)
            objective = Objective(self._net, self.layers, content, styles, shares, masks, options)
            resumed = self.x is not None and self.stage == stage and self.saved_optimiser is not None
            if not resumed:
                self.ran += [] if self.x is None else [self.step]
                self.x = self._first(stage, content)
                self.step = 0
            if options.weights == "shares":
                if not resumed:
                    self.factors = objective.weigh(style_pictures.half_way(content, styles))
                objective.factors = dict(self.factors)
        self.stage, self.objective = stage, objective
        self.optimiser = OPTIMISERS[options.optimiser](
            learning_rate=options.learning_rate, steps=self.steps[stage], history=self._history(size[0] * size[1])
        )
        if resumed:
            self.optimiser.load(self.saved_optimiser)
        self.saved_optimiser = None
        runtime.release_memory()  # of the stage before: tensors of its sizes fit nowhere in this one's

    def _net(self, x: torch.Tensor, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
        return self.task.model(x, names)

    def _first(self, stage: int, content: torch.Tensor) -> torch.Tensor:
        """The first picture of a stage: the start, or the stage before, enlarged."""
        size = self.stages[stage]
        if self.x is not None:
            made = self.optimiser.best(self.x) if hasattr(self, "optimiser") else self.x
            return F.interpolate(made, size[::-1], mode="bicubic", align_corners=False).clamp_(0, 1)
        if self.start is not None:
            return self._tensor(self.start, size)
        if self.options.init == "noise":
            generator = torch.Generator().manual_seed(self.options.seed)
            noise = torch.randn(content.shape, generator=generator).to(content.device)
            return (content.mean((2, 3), keepdim=True) + 0.15 * noise).clamp_(0, 1)
        return content.clone()

    def _step(self) -> dict[str, float]:
        with runtime.lock, torch.inference_mode(False), torch.no_grad():
            losses, gradient = self._losses()
            self.x = self.optimiser.step(self.x, losses["total"], gradient)
        self.step += 1
        rounds = self.options.rounds if self.options.optimiser == "lbfgs" else 0
        if rounds and self.step % rounds == 0:
            self.x = self.optimiser.forget(self.x)
        return losses

    def _losses(self) -> tuple[dict[str, float], torch.Tensor]:
        """Losses at the picture, the total among them, and their gradient."""
        seed = (self.options.seed * 1_000_003 + 7919 * self.stage + self.step) % 2**63
        losses, gradient = self.objective.evaluate(self.x, seed)
        return {"total": sum(losses.values()), **losses}, gradient

    def _tensor(self, picture: Image.Image, size: tuple[int, int]) -> torch.Tensor:
        picture = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        return image.to_tensor(picture).contiguous().to(runtime.setup().device)

    def _picture(self) -> Image.Image:
        """The picture as it is, at its scale; the photo stays where no region is."""
        made = self.optimiser.best(self.x).clamp(0, 1)
        return image.to_pil(self._over_photo(made, self.stages[self.stage]))

    def _finished(self) -> Image.Image:
        """The picture at the output's size, with the photo's colours where asked for, and its transparency."""
        made, size = self.optimiser.best(self.x).clamp(0, 1), self.photo.size
        if made.shape[-2:] != size[::-1]:
            made = F.interpolate(made, size[::-1], mode="bicubic", align_corners=False).clamp_(0, 1)
        if self.options.keep_colours:
            yuv = image.rgb_to_yuv(made)
            chroma = image.rgb_to_yuv(self._tensor(self.photo, size))[:, 1:]
            yuv = torch.cat([yuv[:, :1], yuv[:, 1:].lerp(chroma, self.options.keep_colours)], 1)
            made = image.yuv_to_rgb(yuv).clamp(0, 1)
        finished = image.finish(image.to_pil(self._over_photo(made, size)), self.photo)
        signed = self.recipe and replace(self.recipe, ran=(*self.ran, self.step))
        return recipe.sign(finished, signed)

    def _over_photo(self, made: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        if self.regions is None:
            return made
        cover = sum(self._mask(region, size) for region in self.regions).clamp_(0, 1)
        return self._tensor(self.photo, size).lerp(made, cover)

    def _mask(self, region: Image.Image, size: tuple[int, int]) -> torch.Tensor:
        return style_pictures.feathered(style_pictures.grey(region, size), self.options.feather).to(
            runtime.setup().device
        )

    # --- saving ---

    def save(self) -> bytes:
        tensors = {"x": self.x}
        numbers = {}
        for name, value in self.optimiser.state().items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimiser.{name}"] = value
            else:
                numbers[name] = value
        pictures = {"photo": [self.photo], "painting": self.paintings, "region": self.regions or []}
        for name, group in pictures.items():
            for i, picture in enumerate(group):
                tensors[f"{name}.{i}"] = style_pictures.as_bytes(picture)
        state = {"stage": self.stage, "step": self.step, "elapsed": self.elapsed, "factors": self.factors}
        state["regions"] = len(self.regions or ())
        return style_files.write(
            tensors,
            features=self.task.features,
            weights=self.task.weights,
            options=self.options.asdict(),
            state=state,
            optimiser=numbers,
            recipe=replace(self.recipe, ran=tuple(self.ran)).to_json(),
        )

    @classmethod
    def load(cls, task: StyleTransfer, file: str | os.PathLike | bytes) -> _Job:
        tensors, meta = style_files.read(file)
        with style_files.whole():
            if meta["features"] in ("ArtEncoder", "VGG19") and meta["features"] != task.features:
                raise StyleError(f"The run used {meta['features']!r}, not {task.features!r}: give it that net.")
            if (meta["features"], meta["weights"]) != (task.features, task.weights):
                raise StyleError("The run used a net of other weights: go on with those that it was begun with.")
            return cls._restored(task, tensors, meta)

    @classmethod
    def _restored(cls, task: StyleTransfer, tensors: dict[str, torch.Tensor], meta: dict) -> _Job:
        """A job whose every size is that of its options, so that a hostile file can ask for no more than a run."""
        check, options, state = style_files.check, style_files.options(meta["options"]), meta["state"]
        photos = style_files.pictures(tensors, "photo", 3, 4)
        paintings = style_files.pictures(tensors, "painting", 3)
        regions = style_files.pictures(tensors, "region", 1)
        check(len(photos) == 1 and style_pictures.output_size(photos[0].size, options) == photos[0].size, "photo")
        check(bool(paintings) and len(regions) in (0, len(paintings)), "paintings")
        check(len(regions) == style_files.number(state, "regions", len(paintings)), "regions")
        check(all(region.size == photos[0].size for region in regions), "regions")
        options.styles_shares(len(paintings))
        job = cls(task, photos[0], paintings, regions or None, None, options)
        job.stage = style_files.number(state, "stage", len(job.stages) - 1)
        job.step = style_files.number(state, "step", job.steps[job.stage])
        job.elapsed = style_files.number(state, "elapsed")
        job.recipe = style_files.recipe(meta["recipe"], job.steps[: job.stage])
        job.ran = list(job.recipe.ran)
        job.factors = style_files.factors(state["factors"], UNITS, options.weights == "raw")
        style_files.finite(tensors)
        device, size = runtime.setup().device, job.stages[job.stage]
        tensors = {name: t.to(device) for name, t in tensors.items()}
        job.x = tensors.pop("x")
        check(job.x.shape == (1, 3, *size[::-1]), "x's shape")
        check(all(name.startswith("optimiser.") for name in tensors), "more than there is to know")
        job.saved_optimiser = style_files.optimiser(
            options.optimiser,
            meta["optimiser"],
            {name.removeprefix("optimiser."): t for name, t in tensors.items()},
            job.x,
            job.steps[job.stage],
            job._history(size[0] * size[1]),
        )
        return job


def _block(name: str) -> int:
    return int(re.search(r"\d", name)[0])
