"""Upscaling: a picture becomes two, three or four times as large, in tiles that leave no seam."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from PIL import Image, ImageChops
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from artcore import image, recipe, runtime
from artcore.hub import ArtModel
from artcore.models.enhancenet import mirror
from artcore.recipe import Recipe

SCALES = (2, 3, 4)
# Longest side of a tile without its margins, in pixels of the source. Larger is faster, smaller takes less memory.
TILE = 512
# Peak bytes for each pixel of a tile with its margins: while the net runs, for each byte of a number; and while its
# result, sixteen times the pixels, is finished. Measured on the net that ships at 3000 x 2000.
NET_BYTES, LARGE_BYTES = 320, 1200
# How often the result is pulled to what reduces to the source. Once is exact but for what then leaves [0, 1].
ROUNDS = 4
ENOUGH = 1 / 2048  # what is left that no 8-bit picture shows
REACH = 12  # pixels of the source around a tile that pulling depends on, for all that 8 bits show
TAPS = 8  # on each side, of the filter that undoes reducing what was enlarged
TRUSTED_ALPHA = 16 / 255  # below it what 8 bits hold of a premultiplied colour says little
# Net time over the time of its convolutions at the measured peak rate, of which nets of this width reach two thirds;
# and seconds for a pixel of the result, for each time that it is enlarged, reduced or otherwise gone through.
OVERHEAD, PIXEL_SECONDS = 1.5, 6e-9

Box = tuple[int, int, int, int]


class UpscaleError(ValueError):
    """A keyword that makes no sense, or a result beyond all measure; the message says what to give."""


@dataclass(frozen=True)
class Snapshot:
    """How far a picture is: ``done`` of ``total`` tiles. The last one has the image, and the error: how near the
    source reducing it again comes, as PSNR in dB."""

    done: int
    total: int
    image: Image.Image | None = None
    error: float | None = None


class Upscaler:
    """Enlarges pictures with a net that makes them four times as large: :class:`artcore.models.enhancenet.EnhanceNet`.

    The net is moved to the device and number format that :mod:`artcore.runtime` chose. Calls share nothing but
    the net, one at a time under :data:`artcore.runtime.lock`.

    >>> Upscaler(EnhanceNet.from_pretrained("weights/enhancenet.fidelity"))("photo.png").save("large.png")
    """

    def __init__(self, model: ArtModel):
        self.model = runtime.prepare(model)
        with runtime.lock, FlopCounterMode(display=False) as counter, torch.inference_mode():
            self.model(torch.zeros(1, 3, 64, 64, device=runtime.setup().device))
        self._flops_per_pixel = counter.get_total_flops() / 64**2

    @property
    def consistent(self) -> bool:
        """Whether results are made to reduce to their source unless the caller says otherwise."""
        return getattr(self.model, "consistent", True)

    def __call__(self, source: object, **keywords: object) -> Image.Image:
        """Enlarge one picture; keywords as in :meth:`run`."""
        for snapshot in self.run(source, **keywords):
            result = snapshot.image
        return result

    def run(
        self,
        source: object,
        *,
        scale: int = 4,
        strength: float = 1.0,
        consistent: bool | None = None,
        ensemble: bool = False,
        box: Box | None = None,
    ) -> Iterator[Snapshot]:
        """Enlarge tile by tile, so that a caller can show progress or stop between two tiles.

        Args:
            source: anything :func:`artcore.image.open` takes: path, bytes, binary file or PIL image.
            scale: 2, 3 or 4 times the size. The net makes 4; fewer by antialiased bicubic reduction of that.
            strength: 0 is bicubic interpolation, 1 the net; between them, so much of what the net adds.
            consistent: whether the result is pulled to the nearest picture (least squares) that antialiased bicubic
                reduction turns into the source: back-projection (Irani & Peleg 1991). None is what the net was made
                for, :attr:`consistent`; and no at strength 0.
            ensemble: whether the net looks at the picture in all eight ways to turn and mirror it, and the mean of what
                it makes is taken (geometric self-ensemble, Timofte et al. 2016): nearer to the truth, eight times as
                long.
            box: (left, top, right, bottom) of the source: only this part is made, with the pixels that it has in the
                whole.

        Yields:
            A :class:`Snapshot` for each tile. The last one holds the picture: RGB, or RGBA when the source has
            transparency, ``scale`` times its size, with the source's ``info``, and signed with its
            :class:`artcore.recipe.Recipe`. A grey source gives a grey picture.
            Colours of RGBA count as far as they can be seen, and alpha is interpolated: no halos.

        Raises:
            artcore.image.ImageError: the source is no picture that can be read.
            artcore.runtime.TooLarge: it would not fit memory.
            UpscaleError: a keyword out of its range, or a result of more than 100 megapixels.
        """
        _check_keywords(scale, strength, consistent, ensemble)
        scale = int(scale)
        picture = image.open(source)
        options = {"scale": scale, "strength": float(strength), "consistent": consistent}
        box, part = _checked(box, picture.size), box
        made = Recipe(
            "upscaler",
            (recipe.net(self.model),),
            recipe.reference(picture),
            options | ({"ensemble": True} if ensemble else {}) | ({"box": list(box)} if part is not None else {}),
            run=runtime.described(),
        )
        if consistent is None:
            consistent = self.consistent and strength > 0
        size = (scale * (box[2] - box[0]), scale * (box[3] - box[1]))
        _check_result(size, scale)
        tiles = list(_tiles(box))
        self._check_memory(picture, size, tiles, ensemble)

        opaque, alpha = image.opaque(picture), None
        if picture.mode == "RGBA":
            alpha = picture.getchannel("A")
            faint = alpha.getextrema()[0] < 255
            large_alpha = Image.new("L", size, 255)
        result = Image.new("RGB", size)
        grey = _is_grey(opaque)
        wrong = seen = 0.0
        for done, tile in enumerate(tiles, 1):
            with runtime.lock, torch.inference_mode():
                window, inner = _grown(tile, REACH, picture.size), _grown(tile, REACH + self._overlap, picture.size)
                x = image.to_tensor(opaque.crop(inner)).to(runtime.setup().device)
                a = _alpha(alpha.crop(inner)).to(x.device) if alpha and faint else None
                y = self._enlarged(x, a, strength, grey, ensemble)
                x, y = _cut(x[:, : y.shape[1]], inner, window), _cut(y, inner, window, self.model.scale)
                a = None if a is None else _cut(a, inner, window)
                if scale != self.model.scale:
                    y = _resized(y, scale, self.model.scale)
                y.clamp_(0, 1)
                if consistent:
                    y = _pulled(y, x, a, scale)
                y = y.mul_(255).round_().div_(255)
                rest = _cut((x - _resized(y, 1, scale)).square_().mean(1, keepdim=True), window, tile)
                weight = torch.ones_like(rest) if a is None else _cut(a, window, tile)
                wrong, seen = wrong + (rest * weight).double().sum().item(), seen + weight.double().sum().item()
                corner = ((tile[0] - box[0]) * scale, (tile[1] - box[1]) * scale)
                result.paste(image.to_pil(_cut(y, window, tile, scale).expand(-1, 3, -1, -1)), corner)
                if a is not None:
                    a = _cut(_resized(a, scale, 1).clamp_(0, 1), window, tile, scale)
                    large_alpha.paste(image.to_pil(a.expand(-1, 3, -1, -1)).getchannel("R"), corner)
                del x, y, a, rest, weight
            if done < len(tiles):
                yield Snapshot(done, len(tiles))
        if alpha:
            result.putalpha(large_alpha)
        result.info = dict(picture.info)
        recipe.sign(result, made)
        yield Snapshot(len(tiles), len(tiles), result, 10 * math.log10(seen / wrong) if wrong else math.inf)

    def seconds(
        self,
        width: int,
        height: int,
        *,
        scale: int = 4,
        strength: float = 1.0,
        consistent: bool | None = None,
        ensemble: bool = False,
    ) -> float:
        """Predicted seconds for a picture of this size on this machine, keywords as in :meth:`run`.

        Raises:
            UpscaleError: a keyword out of its range, or a result of more than 100 megapixels.
        """
        _check_keywords(scale, strength, consistent, ensemble)
        _check_result((scale * width, scale * height), scale)
        consistent = self.consistent and strength > 0 if consistent is None else consistent
        sizes = [(tile[2] - tile[0], tile[3] - tile[1]) for tile in _tiles((0, 0, width, height))]
        margin = 2 * (REACH + self._overlap)
        pixels = sum(min(w + margin, width) * min(h + margin, height) for w, h in sizes)
        net = OVERHEAD * runtime.seconds(self._flops_per_pixel * pixels) if strength > 0 else 0
        passes = 3 + (0 < strength < 1) + (scale != self.model.scale) + 2 * ROUNDS * consistent
        if ensemble:
            net, passes = 8 * net, passes + 2 * 8  # turned back, and added up
        return net + PIXEL_SECONDS * passes * pixels * scale**2

    @property
    def _overlap(self) -> int:
        return max(2, self.model.overlap)  # bicubic interpolation needs two

    def _enlarged(
        self, x: torch.Tensor, a: torch.Tensor | None, strength: float, grey: bool, ensemble: bool
    ) -> torch.Tensor:
        """(1, 3, 4h, 4w) of a window, not clamped; (1, 1, 4h, 4w) where it is grey.

        Between colours of different alpha, bicubic interpolation weighs them by it (premultiplied), and the net, which
        knows no alpha, adds to that what it would add to the opaque picture.
        """
        times = self.model.scale
        y = (_ensembled(self.model, x) if ensemble else self.model(x)) if strength > 0 else None
        if y is None or strength < 1 or a is not None:
            plain = _resized(x, times, 1)
            y = plain if y is None else torch.lerp(plain, y, float(strength))
            if a is not None:
                large = _resized(a, times, 1).clamp_(0, 1)
                colour = (_resized(x * a, times, 1) / large.clamp_min(TRUSTED_ALPHA)).clamp_(0, 1)
                y = y + (colour - plain) * (large / TRUSTED_ALPHA).clamp_(max=1)
        return image.luma(y) if grey else y

    def _check_memory(self, picture: Image.Image, size: tuple[int, int], tiles: list[Box], ensemble: bool) -> None:
        """Refuse what would not fit: the picture, its copy without holes, the result, which Pillow keeps in four bytes
        a pixel, its alpha, with which it is copied once more, and one tile."""
        number = torch.finfo(runtime.setup().dtype).bits / 8
        windows = (_grown(tile, REACH + self._overlap, picture.size) for tile in tiles)
        largest = max((right - left) * (bottom - top) for left, top, right, bottom in windows)
        whole = 8 * picture.width * picture.height + (9 if picture.mode == "RGBA" else 4) * size[0] * size[1]
        kept = 3 * 4 * self.model.scale**2 * ensemble  # the sum of what it has made so far, while the net runs
        need = whole + largest * max(NET_BYTES * number + kept, LARGE_BYTES)
        runtime.check_memory(*picture.size, need / (picture.width * picture.height))


# --- arithmetic: pictures are (1, C, H, W) in [0, 1], float32 -----------------------------------------------


def _ensembled(net: ArtModel, x: torch.Tensor) -> torch.Tensor:
    """Mean of what the net makes of the eight ways to turn and mirror ``x``, each turned back."""
    total = 0
    for turns in range(4):
        for mirrored in (False, True):
            seen = torch.rot90(x.flip(-1) if mirrored else x, turns, (-2, -1))
            made = torch.rot90(net(seen.contiguous()), -turns, (-2, -1))
            total = total + (made.flip(-1) if mirrored else made)
    return total.div_(8)


def _resized(x: torch.Tensor, up: int, down: int) -> torch.Tensor:
    """``up / down`` times the size by bicubic interpolation, antialiased where that is smaller: Keys' kernel with
    a = -0.5 and mirrored borders, as MATLAB's imresize. Both sides are multiples of ``down``. Not clamped."""
    padded = mirror(x.contiguous(), 3 * down)  # the kernel reaches two pixels of the smaller picture
    y = F.interpolate(padded, [side * up // down for side in padded.shape[-2:]], mode="bicubic", antialias=True)
    return y[..., 3 * up : -3 * up, 3 * up : -3 * up]


def _pulled(y: torch.Tensor, x: torch.Tensor, weight: torch.Tensor | None, scale: int) -> torch.Tensor:
    """The picture nearest to ``y`` that reduces to ``x`` and keeps to [0, 1].

    Reducing D and enlarging U are each other's transpose but for a factor, so that y + U (D U)^-1 (x - D y) is the
    nearest that reduces to x. D U is a filter at the small size, and so is its inverse. Clamping leaves a rest, for
    which it is done again.
    """
    kernel = _inverse(scale).to(x).expand(x.shape[1], 1, -1)
    if weight is not None:
        weight = (4 * weight).clamp_(max=1)  # what can hardly be seen need not be right
    for _ in range(ROUNDS):
        rest = x - _resized(y, 1, scale)
        if weight is not None:
            rest = rest * weight
        if rest.abs().max() < ENOUGH:
            break
        rest = F.conv2d(mirror(rest, TAPS), kernel[..., None], groups=x.shape[1])
        rest = F.conv2d(rest, kernel[:, :, None], groups=x.shape[1])
        y = _resized(rest, scale, 1).add_(y).clamp_(0, 1)
    return y


@functools.cache
def _inverse(scale: int) -> torch.Tensor:
    """(2 TAPS + 1,) filter that undoes enlarging and then reducing, along one side. It falls by 3 from tap to tap."""
    ring = 16 * TAPS  # so long that its ends don't meet
    pulse = torch.zeros(1, 1, ring, ring)
    pulse[0, 0, ring // 2] = 1
    forth_and_back = _resized(_resized(pulse, scale, 1), 1, scale)[0, 0, :, ring // 2].double()
    spectrum = torch.fft.fft(torch.fft.ifftshift(forth_and_back)).real  # symmetric: real, from 0.47 to 1
    inverse = torch.fft.fftshift(torch.fft.ifft(1 / spectrum).real)
    return inverse[ring // 2 - TAPS : ring // 2 + TAPS + 1].float()


def _alpha(channel: Image.Image) -> torch.Tensor:
    """(1, 1, H, W) in [0, 1] of a grey picture."""
    return image.to_tensor(channel.convert("RGB"))[:, :1]


def _is_grey(picture: Image.Image) -> bool:
    red, green, blue = picture.split()
    return not ImageChops.difference(red, green).getbbox() and not ImageChops.difference(red, blue).getbbox()


# --- what may be asked for --------------------------------------------------------------------------------


def _check_keywords(scale: object, strength: object, consistent: object, ensemble: object) -> None:
    if isinstance(scale, bool) or scale not in SCALES:
        raise UpscaleError(f"scale is {scale!r}; give 2, 3 or 4.")
    if isinstance(strength, bool) or not isinstance(strength, int | float) or not 0 <= strength <= 1:
        raise UpscaleError(f"strength is {strength!r}; give a number from 0 (bicubic) to 1.")
    if consistent not in (None, True, False):
        raise UpscaleError(f"consistent is {consistent!r}; give True, False, or None for what the net is made for.")
    if not isinstance(ensemble, bool):
        raise UpscaleError(f"ensemble is {ensemble!r}; give True or False.")


def _check_result(size: tuple[int, int], scale: int) -> None:
    width, height = size
    if width * height <= image.MAX_PIXELS_OUT:
        return
    shrink = math.sqrt(image.MAX_PIXELS_OUT / (width * height)) / scale
    most = f"{max(1, int(width * shrink))} x {max(1, int(height * shrink))}"
    raise UpscaleError(
        f"Enlarged {scale} times, this picture would have {width} x {height} pixels, more than the limit of"
        f" {image.MAX_PIXELS_OUT:,}: use a smaller scale, or a picture of at most {most}."
    )


# --- boxes: (left, top, right, bottom) ----------------------------------------------------------------------


def _checked(box: Box | None, size: tuple[int, int]) -> Box:
    if box is None:
        return 0, 0, *size
    try:
        left, top, right, bottom = (int(side) for side in box)
    except (TypeError, ValueError):
        left = top = right = bottom = 0
    if not (0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]):
        raise UpscaleError(f"box is {box!r}; give (left, top, right, bottom) within {size[0]} x {size[1]}.")
    return left, top, right, bottom


def _tiles(box: Box) -> Iterator[Box]:
    """Tiles of about equal size."""
    left, top, right, bottom = box
    step_x, step_y = (math.ceil(side / math.ceil(side / TILE)) for side in (right - left, bottom - top))
    for y in range(top, bottom, step_y):
        for x in range(left, right, step_x):
            yield x, y, min(right, x + step_x), min(bottom, y + step_y)


def _grown(box: Box, margin: int, size: tuple[int, int]) -> Box:
    """The box with so much around it as there is of the picture."""
    left, top, right, bottom = box
    return max(0, left - margin), max(0, top - margin), min(size[0], right + margin), min(size[1], bottom + margin)


def _cut(x: torch.Tensor, outer: Box, inner: Box, scale: int = 1) -> torch.Tensor:
    """Of what was made of ``outer`` the part ``inner``."""
    left, top = inner[0] - outer[0], inner[1] - outer[1]
    right, bottom = left + inner[2] - inner[0], top + inner[3] - inner[1]
    return x[..., top * scale : bottom * scale, left * scale : right * scale]
