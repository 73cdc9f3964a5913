"""Train both generators of a painter: `python -m training.train_cyclegan --help`.

Document 000's method, CycleGAN (Zhu et al. 2017): validity (adversarial, least squares), reconstruction (the
cycle) and identity losses, PatchGAN of 70 pixels, pool of 50 pictures (`--preset document-000`, or `--config` with
the document's own JSON file; `--dataset monet2photo` downloads the paper's data). By default with
what document 000 missed: a compact generator that starts from a painter's StyleNet; brushwork losses in the
encoder's features in both directions, so that texture changes and not only hue; augmentation, since a
discriminator knows 44 paintings by heart in minutes; an exponential average of the weights.
"""

from __future__ import annotations

import logging
import math
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from artcore import hub
from artcore.models.cyclegan import DIRECTIONS, CycleGAN
from artcore.models.stylenet import StyleNet
from training import loop
from training.adversarial import ImagePool, PatchDiscriminator, augment, gaussian_, least_squares, train_judge
from training.data import (
    DATASETS,
    Pictures,
    batch,
    dataset,
    exposed,
    find_named,
    find_pictures,
    find_split,
    prefetch,
    shuffled,
    squares,
)
from training.losses import Losses, Patches, feature_net, pair, palette, recolour

logger = logging.getLogger(__name__)

# What each direction sees, and what it makes.
KINDS = {"to_painting": ("photo", "painting"), "to_photo": ("painting", "photo")}

PRESETS: dict[str, dict] = {
    # Every figure of document 000's JSON file; what it leaves open is as in the paper.
    "document-000": {
        "generator": "resnet",
        "channels": (64,),
        "discriminator_channels": 64,
        "discriminator_norm": "instance",
        "learning_rate": 2e-4,
        "discriminator_rate": 2e-4,
        "beta1": 0.5,
        "beta2": 0.999,
        "lambda_validity": 1.0,
        "lambda_reconstruction": 10.0,
        "lambda_identity": 2.0,
        "identity_share": 1.0,
        "epochs": 200,
        "batch_size": 1,
        "buffer": 1000,
        "size": 256,
        "short_side": 256,
        # Random squares of 256 in pictures enlarged to 286, as in the paper: the sets' are 256 x 256.
        "photo_zoom": (286 / 256, 286 / 256),
        "painting_zoom": (286 / 256, 286 / 256),
        "unsqueeze": False,
        "candidates": 1,
        "style_weight": 0.0,
        "swd_weight": 0.0,
        "detail_weight": 0.0,
        "tones_weight": 0.0,
        "content_weight": 0.0,
        "tv_weight": 0.0,
        "colour_weight": 0.0,
        "layout_weight": 0.0,
        "augment": False,
        "schedule": "linear",
        "discriminator_schedule": "linear",
        "warmup": 0,
        "clip": 0.0,
        "ema": 0.0,
        "noise_gain": 1.0,
        "log_every": 0,
        "sample_every": 0,
        "checkpoint_every": 0,
    },
    # Strokes at the size at which larger pictures show them: crops of pictures of up to 1024 px, not of 256.
    "high-resolution": {
        "size": 288,
        "short_side": 1024,
        "photo_zoom": (0.5, 1.2),
        "painting_zoom": (0.7, 1.5),
        "batch_size": 2,
        "buffer": 400,  # 4 MB each
    },
}

# The keys of the document's JSON file, section by section; all its values are strings. Its tamanio_buffer is of a
# shuffle; here every pass is shuffled whole, and it bounds how many decoded pictures are kept.
_MODEL = {
    "tasa_aprendizaje": ("learning_rate", "discriminator_rate"),
    "lambda_reconstruccion": ("lambda_reconstruction",),
    "lambda_validacion": ("lambda_validity",),
    "lambda_identidad": ("lambda_identity",),
    "epochs": ("epochs",),
    "tamanio_buffer": ("buffer",),
    "tamanio_batch": ("batch_size",),
    "filtros_generador": ("channels",),
    "filtros_discriminador": ("discriminator_channels",),
    "ancho": ("size",),
    "alto": ("size",),
    "canales": (),
}
_SAMPLES = {"imagen_pintor_muestra": "sample_painting", "imagen_foto_muestra": "sample_photo"}


@dataclass(frozen=True)
class Config:
    """Settings of a CycleGAN training: one painter, both directions."""

    dataset: str = ""  # monet2photo, cezanne2photo, vangogh2photo, ..., downloaded; or a folder; stands for both below
    datasets_url: str = DATASETS  # where <dataset>.zip is
    photos: str = "data/photos"  # folder or hub:org/name; of one with trainB, that, and testB is held back
    paintings: str = "data/painters/monet"  # likewise, with trainA and testA
    out: str = "runs/cyclegan"
    samples: str = ""  # photos for the sample sheet; empty: held-back ones
    sample_photo: str = ""  # file name of one that comes first on the sample sheet
    sample_painting: str = ""
    generator: str = "compact"  # or "resnet", the published one
    channels: tuple[int, ...] = ()  # empty: the generator's own
    blocks: int = 0  # 0: the generator's own
    refine: int = 2
    fine: int = 2
    norm: str = "batch"  # compact only; with an init of a folded net there is none left
    init_to_painting: str = ""  # StyleNet or CycleGAN to begin with; painters that share one can be mixed
    init_to_photo: str = ""
    features: str = "weights/encoder"
    only: str = ""  # "to_photo" or "to_painting": the other generator stays as it is, and only teaches by the cycle
    lambda_validity: float = 1.0
    lambda_reconstruction: float = 1.0  # ten, as in the paper, forbids what a brush does to a photo
    lambda_identity: float = 0.5
    identity_share: float = 0.25  # of a batch that the identity loss looks at: it costs two passes more
    recolour: float = 0.75  # how far what it is drawn towards takes on its colours, in the losses below
    palette: float = 1.0  # how far those colours move to the other kind's beforehand, by one map for all pictures
    relative: bool = True
    content_layers: dict[str, float] = field(default_factory=lambda: {"r3_2": 0.5, "r4_1": 0.5})
    style_layers: dict[str, float] = field(
        default_factory=lambda: {"r1_1": 0.2, "r1_2": 0.2, "r2_1": 0.2, "r3_1": 0.2, "r4_1": 0.2}
    )
    content_weight: float = 0.15
    style_weight: float = 0.0
    swd_weight: float = 3.0  # brushwork: sliced Wasserstein distances of features to the other kind's
    detail_weight: float = 2.0  # luma patches: how sharp edges are and how smooth flats, without any net
    tones_weight: float = 1.0  # RGB patches: tones and colours of the whole set
    tones_alone: float = 0.0  # how far each picture is to have them by itself: 1 gives all the same exposure
    tv_weight: float = 0.05
    colour_weight: float = 2.0
    layout_weight: float = 3.0
    candidates: int = 2  # drawn for each picture, which gets the one most like it
    discriminator_channels: int = 32
    discriminator_norm: str = "instance"  # as in the paper; "spectral" stayed at chance on Van Gogh's 170 paintings
    image_pool: int = 50
    augment: bool = True
    copy_steps: int = 0  # new generators first learn to copy
    steps: int = 1300
    epochs: int = 0  # passes over the smaller of both sets; when given, it sets the steps
    minutes: float = 0.0  # the run ends after that many, or its steps; 0: with its steps
    batch_size: int = 4  # per process
    buffer: int = 0  # decoded pictures of each kind kept in memory; 0: all. Every pass is over all pictures anyway
    size: int = 176
    photo_zoom: tuple[float, ...] = (0.7, 1.2)
    painting_zoom: tuple[float, ...] = (0.9, 1.5)
    unsqueeze: bool = True  # square paintings of the sources were squeezed: draw them out again
    exposure: float = 0.0  # how far gamma and contrast of the paintings that go in vary: the logarithm of a factor
    levels: float = 0.0  # with only to_photo: how far levels of paintings, not of painted photos, are drawn out
    short_side: int = 288
    hold_back_photos: float = 0.05
    hold_back_paintings: float = 0.1
    noise_gain: float = 0.5  # of the saved to_painting net
    learning_rate: float = 7e-4
    discriminator_rate: float = 4e-4
    beta1: float = 0.9  # of the generators; the discriminators' is 0.5
    beta2: float = 0.99
    schedule: str = "cosine"
    discriminator_schedule: str = "constant"
    warmup: int = 50
    clip: float = 1.0  # 0: none
    ema: float = 0.998
    mixed_precision: str = "no"
    checkpoint_every: int = 250  # steps; 0: once an epoch
    sample_every: int = 250
    log_every: int = 50
    tracker: str = "tensorboard"
    document: dict[str, str] = field(default_factory=dict)  # of document 000's file: kept for the record, not used
    seed: int = 0

    def __post_init__(self) -> None:
        widths = {"compact": 3, "resnet": 1}
        choices = {"generator": tuple(widths), "norm": ("batch", "none")}
        choices |= {"discriminator_norm": ("spectral", "instance"), "only": ("", *DIRECTIONS)}
        choices |= dict.fromkeys(("schedule", "discriminator_schedule"), loop.SCHEDULES)
        for name, known in choices.items():
            if getattr(self, name) not in known:
                named = ", ".join(filter(None, known))
                raise loop.ConfigError(f"{name} is {getattr(self, name)!r}; choose from {named}.")
        least = {"size": PatchDiscriminator.smallest, "batch_size": 1, "candidates": 1, "short_side": 1}
        least |= dict.fromkeys(
            ("steps", "epochs", "minutes", "buffer", "image_pool", "checkpoint_every", "sample_every", "log_every"), 0
        )
        for name, low in least.items():
            if getattr(self, name) < low:
                raise loop.ConfigError(f"{name} is {getattr(self, name)}; give {low} or more.")
        if len(self.channels) not in (0, widths[self.generator]):
            many = widths[self.generator]
            raise loop.ConfigError(f"channels are {self.channels}; give {many} for the {self.generator} generator.")
        if not 0 <= self.levels <= 1 or (self.levels and self.only != "to_photo"):
            raise loop.ConfigError(
                f"levels is {self.levels}; give from 0 to 1, and only with only to_photo: a painting is to be painted "
                "with its own colours."
            )
        for name in ("photo_zoom", "painting_zoom"):
            zoom = getattr(self, name)
            if len(zoom) != 2 or not 0 < zoom[0] <= zoom[1] < math.inf:
                raise loop.ConfigError(f"{name} is {zoom}; give the least and the largest enlargement, like 1 1.5.")


def document_000(settings: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    """Our settings for those of document 000's JSON file, with the preset for what it leaves open; any other
    file's as they are. Its sample pictures are those of the ``dataset`` among the flags.

    Raises:
        ConfigError: an unknown setting, pictures that are not square or not RGB, or none of its data sets asked for.
    """
    if "configuracion_modelo" not in settings:
        return settings
    model, url, samples = (_section(settings, name) for name in ("configuracion_modelo", "url", "dataset"))
    if unknown := [name for name in model if name not in _MODEL]:
        raise loop.ConfigError(f"{unknown[0]!r} is no setting of document 000; choose from {', '.join(_MODEL)}.")
    if len({str(model[name]) for name in ("ancho", "alto") if name in model}) > 1:
        raise loop.ConfigError(
            f"ancho is {model['ancho']} and alto {model['alto']}; give one number for both, since crops are square."
        )
    if str(model.get("canales", 3)) != "3":
        raise loop.ConfigError(f"canales is {model['canales']}; give 3, since pictures here are RGB.")
    values = dict(PRESETS["document-000"])
    for name, value in model.items():
        values |= dict.fromkeys(_MODEL[name], [value] if name == "filtros_generador" else value)
    if str(values["size"]).isdecimal():  # else it is refused for what it is
        values["short_side"] = int(values["size"])
    if "datasets" in url:
        values["datasets_url"] = url["datasets"]
    if not any(map(flags.get, ("dataset", "photos", "paintings"))):
        raise loop.ConfigError(
            f"The file's data sets are {', '.join(samples) or 'not named'}, and a training is of one: give it like "
            "--dataset monet2photo, or folders with --photos and --paintings."
        )
    named = _section(samples, Path(str(flags.get("dataset", ""))).name)
    values |= {_SAMPLES[name]: value for name, value in named.items() if name in _SAMPLES}
    unused = {name: _section(settings, name) for name in settings if name not in ("configuracion_modelo", "dataset")}
    unused = {f"{name}.{key}": str(value) for name, part in unused.items() for key, value in part.items()}
    if unused := {name: value for name, value in unused.items() if name != "url.datasets"}:
        values["document"] = unused
        logger.warning(
            "%s: kept in training.json, used by nothing here. training/publish.py puts checkpoints on the Hub, in "
            "place of a bucket, and the app enlarges pictures itself.",
            ", ".join(unused),
        )
    return values


def _section(settings: dict[str, Any], name: str) -> dict[str, Any]:
    section = settings.get(name, {})
    if not isinstance(section, dict):
        raise loop.ConfigError(f"{name!r} is {section!r}; give an object of settings, as document 000's file does.")
    return section


class Cycle(nn.Module):
    """All passes of a step in one call, which is what data-parallel training wants. With ``only`` one direction's
    generator trains."""

    def __init__(self, model: CycleGAN, only: str = ""):
        super().__init__()
        self.model, self.only = model, only

    def forward(
        self, photo: torch.Tensor, painting: torch.Tensor, seeds: list[int], identity: int
    ) -> dict[str, torch.Tensor]:
        """Made, rebuilt and (the first ``identity`` pictures) unchanged pictures, float32; of the generator that
        trains, or of both."""
        passes = self._one if self.only else self._both
        return {name: x.float() for name, x in passes(photo, painting, seeds, identity).items()}

    def _both(
        self, photo: torch.Tensor, painting: torch.Tensor, seeds: list[int], identity: int
    ) -> dict[str, torch.Tensor]:
        n = len(photo)
        # One call for each generator and stage: its own kind and the other at once.
        painted = self.model(torch.cat([photo, painting[:identity]]), seeds + seeds[:identity])
        photographed = self.model(torch.cat([painting, photo[:identity]]), seeds + seeds[:identity], (0, 0), "to_photo")
        return {
            "to_painting": painted[:n],
            "to_photo": photographed[:n],
            "same_painting": painted[n:],
            "same_photo": photographed[n:],
            "photo": self.model(painted[:n], seeds, (0, 0), "to_photo"),
            "painting": self.model(photographed[:n], seeds),
        }

    def _one(
        self, photo: torch.Tensor, painting: torch.Tensor, seeds: list[int], identity: int
    ) -> dict[str, torch.Tensor]:
        n, (source, kind) = len(photo), KINDS[self.only]
        real = {"photo": photo, "painting": painting}
        with torch.no_grad():
            turned = self.model(real[kind], seeds, (0, 0), next(d for d in DIRECTIONS if d != self.only))
        # What the fixed generator made of the kind, made the kind again: the one pair of which the truth is known.
        pictures = torch.cat([real[source], real[kind][:identity], turned])
        made = self.model(pictures, seeds + seeds[:identity] + seeds, (0, 0), self.only)
        return {self.only: made[:n], f"same_{kind}": made[n:-n], kind: made[-n:]}


def build(config: Config) -> CycleGAN:
    """New generators, or those of ``init_to_painting`` and ``init_to_photo``."""
    inits = {"to_painting": config.init_to_painting, "to_photo": config.init_to_photo}
    norm = "none" if any(inits.values()) else config.norm
    shape = (config.generator, config.channels, config.blocks, config.refine, config.fine, norm)
    levels = config.levels
    if config.only == "to_painting" and config.init_to_photo:  # which stays as it is, with what it asks for
        levels = getattr(_source(config.init_to_photo), "levels", 0.0)
    model = CycleGAN(*shape, levels=levels)
    if config.generator == "resnet":
        gaussian_(model)
    for direction, source in inits.items():
        if source:
            begin(getattr(model, direction), direction, source)
    return model


def begin(generator: nn.Module, direction: str, source: str) -> None:
    """Give a generator the weights of a StyleNet or of a CycleGAN's same direction; refining blocks that the source
    lacks begin as the identity, so that the net begins as what its source makes, but for how it enlarges."""
    found = _source(source)
    state = (getattr(found, direction) if isinstance(found, CycleGAN) else found).state_dict()
    try:
        missing, unexpected = generator.load_state_dict(state, strict=False)
    except RuntimeError:  # the same names, other shapes
        missing, unexpected = [], list(state)
    if unexpected or any(not name.startswith(("refine.", "fine.")) for name in missing):
        raise loop.ConfigError(f"{source!r} has another shape than this generator; give channels and blocks as there.")
    for name in missing:
        if ".second." in name:
            nn.init.zeros_(generator.get_parameter(name))


def _source(source: str) -> StyleNet | CycleGAN:
    folder = hub.snapshot(source)
    kind = hub.architecture(folder)
    if kind not in ("CycleGAN", "StyleNet"):
        raise loop.ConfigError(f"{source!r} holds {kind}; give a StyleNet or a CycleGAN to begin with.")
    return StyleNet.from_pretrained(folder) if kind == "StyleNet" else CycleGAN.from_pretrained(folder)


def train(config: Config) -> Path:
    """Train; returns the folder of the checkpoint. Goes on where an earlier run of ``out`` stopped."""
    out = Path(config.out)
    accelerator = loop.accelerator(
        out, seed=config.seed, mixed_precision=config.mixed_precision, tracker=config.tracker
    )
    device = accelerator.device
    if config.dataset:
        folder = str(dataset(config.dataset, config.datasets_url))
        config = replace(config, photos=folder, paintings=folder)
    photo_files, held_photos = find_split(config.photos, "B", config.hold_back_photos)
    painting_files, held_paintings = find_split(config.paintings, "A", config.hold_back_paintings)
    photos = Pictures(photo_files, config.short_side, config.buffer)
    paintings = Pictures(painting_files, config.short_side, config.buffer, config.levels)
    # As tf.data zips two sets, and the document's 108 s an epoch say of Cezanne's 525 paintings and 6287 photos.
    per_epoch = max(1, min(len(photos), len(paintings)) // (config.batch_size * accelerator.num_processes))
    if config.epochs:
        config = replace(config, steps=config.epochs * per_epoch)
    every = {what: getattr(config, f"{what}_every") or per_epoch for what in ("checkpoint", "sample", "log")}

    gan = build(config).requires_grad_(True).train().to(memory_format=torch.channels_last)
    averaged = loop.ema(gan, config.ema).to(device)
    model = Cycle(gan, config.only)
    for direction in DIRECTIONS:
        # Half the rim while training: at this size the rim would cost as much as the picture.
        getattr(gan, direction).margin = 8
        if config.only not in ("", direction):
            getattr(gan, direction).requires_grad_(False).eval()
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate, betas=(config.beta1, config.beta2))
    sides = [Side(config, accelerator, direction) for direction in ([config.only] if config.only else DIRECTIONS)]
    model, optimiser = accelerator.prepare(model, optimiser)
    progress = loop.Progress()
    accelerator.register_for_checkpointing(averaged, progress, *(side.pool for side in sides))
    loop.resume(accelerator, out)
    loop.start_trackers(accelerator, "cyclegan", config)
    if any((config.style_weight, config.swd_weight, config.content_weight, config.colour_weight, config.layout_weight)):
        net = feature_net(config.features).to(device, memory_format=torch.channels_last).requires_grad_(False).eval()
        perceive, colours = Losses(config, accelerator, net, None), _palettes(config, photos, paintings)
        for side in sides:
            side.perceive, side.colours = perceive, colours[side.direction]
    for side in sides:
        side.know(photos if side.kind == "photo" else paintings)
    shown = [find_pictures(config.samples) if config.samples else held_photos or photo_files]
    shown.append(held_paintings or painting_files)
    shown[0] = _named_first("sample_photo", config.sample_photo, shown[0], photo_files)
    shown[1] = _named_first("sample_painting", config.sample_painting, shown[1], painting_files)
    count = min(8, *map(len, shown))
    shown = [squares(shown[0], count), squares(shown[1], count, levels=config.levels)]

    def make(step: int) -> dict:
        rng = loop.step_generator(config.seed, step, accelerator.process_index)
        n, size, many = config.batch_size, config.size, config.candidates
        place = step * accelerator.num_processes + accelerator.process_index
        # Seeds apart, or two sets of one length would meet in the same pairs at every pass.
        chosen = shuffled(len(photos), place * n, n, 2 * config.seed)
        photo = batch(photos, n, size, rng, chosen=chosen, **_cut(config, "photo"))
        chosen = shuffled(len(paintings), place * many * n, many * n, 2 * config.seed + 1)
        painting = batch(paintings, many * n, size, rng, chosen=chosen, **_cut(config, "painting"))
        painting = painting[pair(photo, painting)] if many > 1 else painting
        # What the generators see of it; the losses see it as it was, and so exposure is learned to be set right.
        shown_as = {"exposed": exposed(painting, config.exposure, rng)} if config.exposure else {}
        return shown_as | {
            "photo": photo,
            "painting": painting,
            "seeds": torch.randint(0, 2**31 - 1, (n,), generator=rng).tolist(),
            "rng": rng,
        }

    def save() -> None:
        # First: it refuses weights that are NaN. A generator that did not train has its gain already.
        _save(accelerator, averaged.module, out, 1.0 if config.only == "to_photo" else config.noise_gain)
        loop.checkpoint(accelerator, out)
        if accelerator.is_main_process:
            loop.record(out, accelerator, config, progress, photos=len(photos), paintings=len(paintings))

    identity = 0
    if config.lambda_identity and config.identity_share > 0:
        identity = min(config.batch_size, max(1, round(config.batch_size * config.identity_share)))
    seen: list[dict[str, torch.Tensor]] = []
    first = progress.step
    steps = loop.steps(accelerator, first, config.steps, out.name)
    if config.minutes:
        steps = loop.until(accelerator, steps, progress, config.minutes)
    for step, data in prefetch(make, steps):
        share = loop.rate(config.schedule, step, config.steps, config.warmup)
        _set_rate(optimiser, config.learning_rate * share)
        real = {k: x.to(device, memory_format=torch.channels_last) for k, x in data.items() if torch.is_tensor(x)}
        rng, given = data["rng"], real.pop("exposed", real["painting"])
        with accelerator.autocast():
            made = model(real["photo"], given, data["seeds"], identity)
        judged = step >= config.copy_steps
        losses: dict[str, torch.Tensor] = {}
        for side in sides:
            found = side.losses(made, real, rng) if judged else side.copying(made, real)
            losses |= {f"{side.direction}/{name}": value for name, value in found.items()}
        optimiser.zero_grad(set_to_none=True)
        accelerator.backward(sum(losses.values()))
        if config.clip:
            accelerator.clip_grad_norm_(model.parameters(), config.clip)
        optimiser.step()
        averaged.update_parameters(accelerator.unwrap_model(model).model)
        if judged:
            for side in sides:
                _set_rate(
                    side.optimiser,
                    config.discriminator_rate * loop.rate(config.discriminator_schedule, step, config.steps),
                )
                losses[f"{side.direction}/judge"] = side.train_judge(made, real, rng)
        progress.step = step + 1
        seen.append({name: loss.detach() for name, loss in losses.items()})
        if progress.step % every["log"] == 0:
            _log(accelerator, seen, {"rate": share, "epoch": progress.step / per_epoch}, progress.step)
            seen.clear()
        if progress.step % every["sample"] == 0:
            _show(accelerator, averaged.module, shown, out, progress.step)
        if progress.step % every["checkpoint"] == 0 and progress.step != config.steps:
            save()
    if seen:
        _log(accelerator, seen, {"rate": share, "epoch": progress.step / per_epoch}, progress.step)
    if progress.step > first and progress.step % every["sample"]:
        _show(accelerator, averaged.module, shown, out, progress.step)
    save()  # also where a resumed run had no step left
    accelerator.end_training()
    return out / "model"


class Side:
    """One direction of training: what its generator is taught by, and the discriminator of what it makes."""

    perceive: Losses | None = None
    colours: tuple[torch.Tensor, torch.Tensor]  # the map to the other kind's colours; with ``perceive``

    def __init__(self, config: Config, accelerator: Accelerator, direction: str):
        self.config, self.accelerator, self.direction = config, accelerator, direction
        self.source, self.kind = KINDS[direction]
        judge = PatchDiscriminator(config.discriminator_channels, norm=config.discriminator_norm)
        optimiser = torch.optim.Adam(judge.parameters(), lr=config.discriminator_rate, betas=(0.5, config.beta2))
        self.judge, self.optimiser = accelerator.prepare(judge.to(memory_format=torch.channels_last), optimiser)
        self.pool = ImagePool(config.image_pool)
        self.patches: dict[str, Patches] = {}

    def know(self, pictures: Pictures) -> None:
        """Learn what patches all pictures of the kind have."""
        config, rng = self.config, torch.Generator().manual_seed(self.config.seed)
        if not (config.detail_weight or config.tones_weight):
            return
        some = batch(pictures, 256, config.size, rng, **_cut(config, self.kind))
        if config.detail_weight:
            self.patches["detail"] = Patches(some, "luma", rng)
        if config.tones_weight:
            self.patches["tones"] = Patches(some, "rgb", rng, alone=config.tones_alone)

    def losses(
        self, made: dict[str, torch.Tensor], real: dict[str, torch.Tensor], rng: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """The generator's losses, each already times its weight."""
        config, painted = self.config, made[self.direction]
        same = made[f"same_{self.kind}"]
        rebuilt = self.source if self.source in made else self.kind  # the one cycle that ends in what trains
        losses = {"reconstruction": config.lambda_reconstruction * (made[rebuilt] - real[rebuilt]).abs().mean()}
        if len(same):
            losses["identity"] = config.lambda_identity * (same - real[self.kind][: len(same)]).abs().mean()
        self.judge.requires_grad_(False)
        with self.accelerator.autocast():
            scores = self.judge(augment(painted, rng) if config.augment else painted)
        losses["validity"] = config.lambda_validity * least_squares(scores, real=True)
        if self.patches:
            before = self.pool.pictures.to(painted)
            for name, patches in self.patches.items():
                losses[name] = getattr(config, f"{name}_weight") * patches(painted, before, rng)
        if self.perceive:
            losses |= self.perceive(painted, recolour(real[self.source], *self.colours), real[self.kind], rng)
        return losses

    def copying(self, made: dict[str, torch.Tensor], real: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The generator's loss while it learns to copy."""
        return {"copy": (made[self.direction] - real[self.source]).abs().mean()}

    def train_judge(
        self, made: dict[str, torch.Tensor], real: dict[str, torch.Tensor], rng: torch.Generator
    ) -> torch.Tensor:
        """A step of the discriminator on what was made now and, by the pool, before."""
        old = self.pool(made[self.direction].detach(), rng)
        drawn = rng if self.config.augment else None
        return train_judge(self.accelerator, self.judge, self.optimiser, old, real[self.kind], drawn)


def _cut(config: Config, kind: str) -> dict[str, Any]:
    """How crops of photos or paintings are cut."""
    if kind == "photo":
        return {"zoom": config.photo_zoom}
    return {"zoom": config.painting_zoom, "unsqueeze": config.unsqueeze}


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate


def _named_first(setting: str, name: str, shown: list[Path], others: list[Path]) -> list[Path]:
    """The pictures for the sample sheet with the named one, wherever it is from, at the front."""
    if not name:
        return shown
    found = find_named([*shown, *others], name)
    if found is None:
        logger.warning("%s %r is none of the pictures: the sample sheets show others.", setting, name)
        return shown
    return [found, *(file for file in shown if file != found)]


def _palettes(config: Config, photos: Pictures, paintings: Pictures) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """For each direction the map of colours that takes one set to the other, ``palette`` of the way."""
    rng = torch.Generator().manual_seed(config.seed)
    sets = [batch(pictures, 256, 64, rng, zoom=(0.25, 0.25)) for pictures in (photos, paintings)]
    found = {}
    for direction, (a, b) in zip(DIRECTIONS, (sets, sets[::-1]), strict=True):
        matrix, offset = palette(a, b)
        found[direction] = torch.lerp(torch.eye(3), matrix, config.palette), config.palette * offset
    return found


def _log(accelerator: Accelerator, seen: list[dict[str, torch.Tensor]], also: dict[str, float], step: int) -> None:
    """Means over the steps since the last time, of the main process."""
    if accelerator.is_main_process:
        names = dict.fromkeys(name for losses in seen for name in losses)
        means = {k: torch.stack([losses[k] for losses in seen if k in losses]).mean().item() for k in names}
        accelerator.log(means | also, step=step)


@torch.no_grad()
def _show(accelerator: Accelerator, model: CycleGAN, shown: list[torch.Tensor], out: Path, step: int) -> None:
    """A sheet: photos, painted, rebuilt; paintings, as photos, rebuilt. As a file and in the trackers."""
    if not accelerator.is_main_process:
        return
    photo, painting = (x.to(accelerator.device) for x in shown)
    painted, photographed = model(photo), model(painting, direction="to_photo")
    rebuilt = model(painted, direction="to_photo"), model(photographed)
    rows = [photo, painted, rebuilt[0], painting, photographed, rebuilt[1]]
    sheet = loop.save_grid(out / "samples" / f"step_{step:06d}.png", rows)
    for tracker in accelerator.trackers:
        if hasattr(tracker, "log_images"):
            tracker.log_images({"samples": sheet[None].cpu().numpy()}, step=step, dataformats="NCHW")


@torch.no_grad()
def _save(accelerator: Accelerator, model: CycleGAN, out: Path, noise_gain: float) -> None:
    """The averaged weights, folded, in half precision: the very file that the app loads."""
    if accelerator.is_main_process:
        saved = model.folded()
        if isinstance(saved.to_painting, StyleNet):
            saved.to_painting.noise.weight.mul_(noise_gain)
        saved.save_pretrained(out / "model", dtype="float16")
    accelerator.wait_for_everyone()


def main(argv: list[str] | None = None) -> Path:
    """Train one painter; returns the checkpoint folder."""
    return train(loop.parse(Config, argv, PRESETS, document_000))


if __name__ == "__main__":
    sys.exit(loop.exit_status(main))
