"""The only border for pictures: files, bytes and PIL images in, upright 8-bit sRGB out, and back again.

Whatever comes in leaves `open` as one of two things: an RGB or RGBA picture of eight bits in sRGB, turned the
right way up, or an `ImageError` of one sentence that a visitor can act on. Nets see `to_tensor`, files are
written by `encode` and `save`, and nothing else in the project opens or writes a picture.
"""

from __future__ import annotations

import builtins
import functools
import hashlib
import io
import os
import secrets
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

MAX_PIXELS = 64_000_000  # in; `max_pixels` or the environment variable ARTCORE_MAX_PIXELS set another limit
MAX_PIXELS_OUT = 100_000_000  # where upscaling stops

FORMATS = {  # suffix -> what encode calls it
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}

# The readers are called by the file's first bytes rather than through PIL.Image.open: no other decoder can be
# reached, a malformed file can't be passed from one to the next, and the pixel limit is ours alone, where
# Pillow's is a global of the process that warns first and refuses late. (An MPO is a JPEG with more behind.)
_READERS = [
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    (b"RIFF", WebPImagePlugin.WebPImageFile),
    (b"GIF8", GifImagePlugin.GifImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
    (b"II*\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0*", TiffImagePlugin.TiffImageFile),
    (b"II+\0", TiffImagePlugin.TiffImageFile),  # BigTIFF
    (b"MM\0+", TiffImagePlugin.TiffImageFile),
]
_READABLE = "JPEG, PNG, WebP, GIF, BMP or TIFF"

_ORIENTATION, _XMP = 0x0112, 0x02BC
_TURNS = {  # EXIF orientation -> what makes the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF_IFD, _GPS_IFD, _MAKER_NOTE = 0x8769, 0x8825, 0x927C
# What describes how the old file stored its pixels, packets (XMP, IPTC, ICC) that aren't EXIF, and offsets.
_STORAGE_TAGS = {
    0x00FE, 0x00FF, 0x0100, 0x0101, 0x0102, 0x0103, 0x0106, 0x010A, 0x0111, 0x0115, 0x0116, 0x0117, 0x011C,
    0x013D, 0x0140, 0x0142, 0x0143, 0x0144, 0x0145, 0x014A, 0x0152, 0x0153, 0x015B, 0x0201, 0x0202, 0x0211,
    0x0212, 0x0213, 0x0214, _XMP, 0x83BB, 0x8649, 0x8773, 0xA002, 0xA003, 0xA005, 0xC4A5, _ORIENTATION,
}  # fmt: skip
_EXIF_LIMIT = 65_500  # a JPEG segment holds no more

_PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}
_INTENT = ImageCms.Intent.PERCEPTUAL  # profiles without tables (most) are colorimetric under any intent

Opened = TypeVar("Opened")

_KEPT = ("format", "exif", "source_icc")
_TRUSTED_ALPHA = 16  # of 255: below it eight bits no longer hold a colour worth showing to a net

_LUMA = (0.299, 0.587, 0.114)  # BT.601


class ImageError(ValueError):
    """A picture that can't be read, converted or written: one sentence, what is wrong and what to do."""


# ------------------------------------------------------------------------------------------------ reading


def open(source: object, *, max_pixels: int | None = None) -> Image.Image:
    """Read a picture from a path, bytes, a binary file object or a PIL image.

    Reads JPEG, PNG, WebP, GIF, BMP and TIFF; of an animation the first frame. A file object is read from its
    beginning where it can seek, and left open. A PIL image is never changed; the result is a new image.

    Returns a picture of mode "RGB", or "RGBA" where there is transparency (colours kept as stored, not
    premultiplied), 8 bits, upright, in sRGB. Its `info` holds only
      "format"      "JPEG", "PNG", ... or None,
      "exif"        bytes, where present: turned to orientation 1, without thumbnail and storage tags,
      "source_icc"  bytes, where present: the profile the file came with. It isn't called "icc_profile" on
                    purpose: PIL's own save() would attach that to pixels which are sRGB by now.
    So opening the result again changes nothing. Its attribute `sha256` is that of the file, None where there was none.

    16-bit grey is scaled by 65535 (12-bit TIFF by 4095). 32-bit integer and float grey carry no scale: white
    is the smallest of 1 (float only; up to 2 counts as overshoot), 255, 65535 and 2**32-1 that no pixel
    exceeds; negative and NaN are black. CMYK and Lab are converted by their profile, CMYK without one by
    R = (1-C)(1-K). Colours outside sRGB are clipped. A damaged profile or EXIF is ignored.

    `max_pixels` (else the environment's ARTCORE_MAX_PIXELS, else 64 million) is checked before decoding.
    Raises ImageError for everything that isn't a whole picture.
    """
    return _open(source, max_pixels, _upright)


def open_grey16(source: object, *, max_pixels: int | None = None) -> tuple[Image.Image, np.ndarray | None]:
    """As :func:`open`, and beside its picture the 16 bits of a grey one, which that reduces to 8.

    Returns the picture and (H, W) uint16, upright, 0 black and 65535 white, through the grey profile where there
    is one; None of a picture that isn't 16-bit grey.
    """
    return _open(source, max_pixels, lambda picture, origin: (_upright(picture, origin), _sixteen(picture, origin)))


def _open(source: object, max_pixels: int | None, convert: Callable[[Image.Image, Image.Image], Opened]) -> Opened:
    """What ``convert`` makes of the decoded picture, and of the one that still knows its file's tags and hash."""
    limit = pixel_limit(max_pixels)
    if isinstance(source, Image.Image):
        name = "The picture"
        _check_size(source.size, limit, name)
        try:
            return convert(source.copy(), source)
        except Exception as error:
            raise _damaged(name, error) from error
    name, stream, ours = _stream(source)
    try:
        return _read(stream, name, limit, convert)
    finally:
        if ours:
            stream.close()


def pixel_limit(max_pixels: int | None = None) -> int:
    """How many pixels a picture may have: `max_pixels`, else the environment's ARTCORE_MAX_PIXELS, else 64 million.
    Raises ImageError for a limit that is none."""
    text = os.environ.get("ARTCORE_MAX_PIXELS") if max_pixels is None else max_pixels
    if text is None or text == "":
        return MAX_PIXELS
    try:
        limit = int(text)
    except (TypeError, ValueError):
        limit = 0
    if limit < 1:
        raise ImageError(
            f"The pixel limit is {text!r}: set max_pixels or ARTCORE_MAX_PIXELS to a whole number above 0."
        )
    return limit


def _stream(source: object) -> tuple[str, BinaryIO, bool]:
    """(what to call it in a sentence, its bytes as a seekable stream, whether we opened that)"""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "The picture", io.BytesIO(source), True
    if isinstance(source, (str, os.PathLike)):
        return _open_path(source)
    if hasattr(source, "read"):
        name = getattr(source, "name", None)
        name = _named(name) if isinstance(name, str) else "The picture"
        try:
            if source.seekable():
                source.seek(0)
            data = source.read()
        except Exception as error:
            raise ImageError(
                f"{name} can't be read from its file object: open it in binary mode and try again."
            ) from error
        if not isinstance(data, (bytes, bytearray)):
            raise ImageError(f"{name} is a text file object: open the file in binary mode ('rb').")
        return name, io.BytesIO(data), True
    raise ImageError(
        f"A picture can't be read from an object of type {type(source).__name__}: give a path, bytes, a"
        " binary file object or a PIL image (PIL.Image.fromarray makes one from an array)."
    )


def _open_path(source: str | os.PathLike) -> tuple[str, BinaryIO, bool]:
    name = _named(source)
    try:
        if os.path.isdir(source):
            raise ImageError(f"{name} is a folder: name one picture in it.")
        if not os.path.exists(source):
            raise ImageError(f"{name} does not exist: check the path.")
        if not os.path.isfile(source):  # opening a pipe would wait for ever
            raise ImageError(f"{name} is not a regular file: choose a {_READABLE} file.")
        return name, builtins.open(source, "rb"), True
    except ImageError:
        raise
    except (OSError, ValueError) as error:
        raise ImageError(f"{name} can't be opened: check that you may read it.") from error


def _named(path: str | os.PathLike) -> str:
    """The file's name alone, fit for a sentence: no folder of the server, no control characters."""
    name = os.path.basename(os.fsdecode(path).replace("\\", "/").rstrip("/"))
    name = "".join(c if c.isprintable() else "?" for c in name)
    return (name if len(name) <= 80 else name[:79] + "…") or "The picture"


def _read(stream: BinaryIO, name: str, limit: int, convert: Callable[..., Opened]) -> Opened:
    head = stream.read(12)
    if not head:
        raise ImageError(f"{name} is empty: choose another picture.")
    reader = next((cls for magic, cls in _READERS if head.startswith(magic)), None)
    if reader is None or (reader is WebPImagePlugin.WebPImageFile and head[8:12] not in (b"WEBP", b"")):
        raise ImageError(f"{name} is not a picture that can be read: save it as {_READABLE}.")
    stream.seek(0)
    digest = hashlib.file_digest(stream, "sha256").hexdigest()
    try:
        return _decode(reader, stream, digest, name, limit, convert)
    except ImageError:
        raise
    except Exception as error:
        if reader is PngImagePlugin.PngImageFile and not isinstance(error, MemoryError):
            # Pillow gives up on the whole PNG when a text, profile or other side chunk is damaged or a bomb.
            try:
                return _decode(reader, _bare_png(stream), digest, name, limit, convert)
            except ImageError:
                raise
            except Exception as second:
                raise _damaged(name, second) from second
        raise _damaged(name, error) from error


def _decode(
    reader: type, stream: BinaryIO, digest: str, name: str, limit: int, convert: Callable[..., Opened]
) -> Opened:
    stream.seek(0)
    picture = reader(stream)
    _check_size(picture.size, limit, name)
    picture.sha256 = digest
    transparency = picture.info.get("transparency")
    if isinstance(transparency, tuple) and any(tile.args == "RGB;16B" for tile in picture.tile):
        # Pillow keeps the high byte of a 16-bit PNG's colours, but not of the one that means "nothing".
        picture.info["transparency"] = tuple(value >> 8 for value in transparency)
    picture.load()
    return convert(picture, picture)


def _check_size(size: tuple[int, int], limit: int, name: str) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"{name} has no pixels: choose another picture.")
    if width * height > limit:
        raise ImageError(
            f"{name} has {width} x {height} pixels, more than the limit of {limit:,}:"
            " make it smaller, or raise ARTCORE_MAX_PIXELS."
        )


def _damaged(name: str, error: BaseException) -> ImageError:
    if isinstance(error, MemoryError):
        return ImageError(f"{name} does not fit into memory: make it smaller and try again.")
    if isinstance(error, Image.DecompressionBombError):
        return ImageError(f"{name} unpacks to more pixels than is safe: make it smaller and try again.")
    return ImageError(f"{name} is damaged or cut short: save or download it again, or choose another picture.")


def _bare_png(stream: BinaryIO) -> io.BytesIO:
    """The PNG with nothing but its pixels, and its EXIF where that is whole."""
    stream.seek(0)
    out = io.BytesIO()
    out.write(stream.read(8))
    while len(start := stream.read(8)) == 8:
        kind, length = start[4:], int.from_bytes(start[:4], "big")
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf"):
            body = stream.read(length)
            crc = stream.read(4)
            if kind != b"eXIf" or crc == zlib.crc32(kind + body).to_bytes(4, "big"):
                out.write(start + body + crc)
        else:
            stream.seek(length + 4, os.SEEK_CUR)
        if kind == b"IEND":
            break
    out.seek(0)
    return out


# ------------------------------------------------------------------------------------------------ converting


def _upright(picture: Image.Image, source: Image.Image) -> Image.Image:
    """A decoded picture of any mode -> what `open` promises; `source` still knows its file's tags."""
    tags = getattr(source, "tag_v2", None)
    orientation, exif = _exif(source, tags)
    colour, alpha = _planes(picture, tags or {})
    icc = picture.info.get("icc_profile")
    converted = _to_srgb(colour, icc)
    if converted is not None:
        colour = converted
    else:
        icc = None  # damaged, or for another kind of picture: as if there were none
    if colour.mode == "LAB":
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        colour = ImageCms.profileToProfile(colour, lab, _srgb(), _INTENT, "RGB")
    result = colour.convert("RGB") if colour.mode != "RGB" else colour
    if result is picture:
        result = result.copy()  # a plain image, without the reader and its open file
    if alpha is not None:
        result.putalpha(alpha)
    if orientation in _TURNS:
        result = result.transpose(_TURNS[orientation])
    source_icc = icc or picture.info.get("source_icc")
    kind = source.format or source.info.get("format")
    result.info = {"format": "JPEG" if kind == "MPO" else kind}
    if exif:
        result.info["exif"] = exif
    if source_icc:
        result.info["source_icc"] = bytes(source_icc)
    # No entry of info, which Pillow hands on to what is cut from a picture, and that is another one.
    result.sha256 = getattr(source, "sha256", None)
    return result


def _planes(picture: Image.Image, tags: object) -> tuple[Image.Image, Image.Image | None]:
    """Colour (L, RGB, CMYK or LAB, 8 bits) and alpha (L, or None)."""
    if picture.mode.startswith("I") or picture.mode == "F":
        return _grey(picture, tags)
    if picture.mode in ("RGBa", "La"):
        picture = picture.convert(picture.mode.upper())
    grey = picture.mode in ("1", "L", "LA")
    if not picture.has_transparency_data:
        if picture.mode in ("RGB", "CMYK", "LAB", "L"):
            return picture, None
        return picture.convert("L" if grey else "RGB"), None
    rgba = picture.convert("RGBA")
    return rgba.getchannel("R") if grey else rgba.convert("RGB"), rgba.getchannel("A")


def _grey(picture: Image.Image, tags: object) -> tuple[Image.Image, Image.Image | None]:
    """16- and 32-bit grey -> L, which Pillow itself would clip at 255."""
    values = np.asarray(picture)
    transparency = picture.info.get("transparency")
    alpha = None
    if isinstance(transparency, int):
        alpha = Image.fromarray(np.where(values == transparency, 0, 255).astype(np.uint8))
    if values.dtype.itemsize == 2:
        table = np.minimum(np.arange(65536) * (255 / _white16(tags)) + 0.5, 255).astype(np.uint8)
        grey = table[values]
    else:
        if picture.mode == "I" and tuple(tags.get(258, ())) == (32,) and tuple(tags.get(339, (1,))) == (1,):
            values = values.view(np.uint32)
        values = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=np.inf, neginf=0.0)
        top = values.max(initial=0, where=np.isfinite(values))
        whites = [255, 65535, 2**32 - 1] if picture.mode == "I" else [1, 255, 65535, 2**32 - 1]
        white = next((w for w in whites if top <= (2 if w == 1 else w)), top)
        grey = (values.clip(0, white) * (255 / white) + 0.5).astype(np.uint8)
    if tags.get(262) == 0:  # WhiteIsZero, which Pillow undoes for 8 bits only
        grey = 255 - grey
    return Image.fromarray(grey), alpha


def _white16(tags: object) -> int:
    return 4095 if tuple(tags.get(258, ())) == (12,) else 65535


def _sixteen(picture: Image.Image, source: Image.Image) -> np.ndarray | None:
    """The values of a decoded picture of 16-bit grey, through one table; None of any other."""
    if not picture.mode.startswith("I;16"):
        return None
    tags = getattr(source, "tag_v2", None)
    levels = np.minimum(np.arange(65536) / _white16(tags or {}), 1)
    # lcms takes 8 bits of grey alone: of its curve there are 256 points, and straight lines between.
    curve = _to_srgb(Image.fromarray(np.arange(256, dtype=np.uint8)[None]), picture.info.get("icc_profile"))
    if curve is not None:
        levels = np.interp(levels, np.arange(256) / 255, np.asarray(curve.convert("L"))[0] / 255)
    if (tags or {}).get(262) == 0:
        levels = 1 - levels
    values = (levels * 65535 + 0.5).astype(np.uint16)[np.asarray(picture)]
    turn = _TURNS.get(_exif(source, tags)[0])
    return values if turn is None else np.array(Image.fromarray(values).transpose(turn))


def _exif(source: Image.Image, tags: object) -> tuple[int, bytes | None]:
    """(orientation still to be undone, EXIF to hand on); (1, None) where there is none or it is damaged."""
    orientation = 1
    try:
        if tags is not None:
            old = source.getexif()  # TIFF: Pillow has turned the pixels and reset the tag while decoding
        elif data := source.info.get("exif"):
            old = Image.Exif()
            old.load(data)
            orientation = old.get(_ORIENTATION, 1)
            orientation = orientation if isinstance(orientation, int) else 1
        else:
            return 1, None
        # Built anew, so that the thumbnail, which shows the old picture, stays behind.
        new = Image.Exif()
        new.endian = old.endian  # maker notes are written in it
        for tag in old:
            if tag in (_EXIF_IFD, _GPS_IFD):
                inner = {t: v for t, v in old.get_ifd(tag).items() if t not in _STORAGE_TAGS}
                if inner:
                    new[tag] = inner
            elif tag not in _STORAGE_TAGS:
                new[tag] = old[tag]
        if not len(new):
            return orientation, None
        data = new.tobytes()
        if len(data) > _EXIF_LIMIT and _EXIF_IFD in new:
            new[_EXIF_IFD] = {t: v for t, v in new[_EXIF_IFD].items() if t != _MAKER_NOTE}
            data = new.tobytes()
        return orientation, data if len(data) <= _EXIF_LIMIT else None
    except Exception:  # anything at all can be in there, and the picture is worth more than its notes
        return orientation, None


@functools.cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@functools.cache
def _srgb_bytes() -> bytes:
    data = bytearray(_srgb().tobytes())
    data[24:36] = np.array([2000, 1, 1, 0, 0, 0], ">u2").tobytes()  # not now: same picture, same bytes
    return bytes(data)


def _to_srgb(colour: Image.Image, icc: object) -> Image.Image | None:
    """`colour` through its profile to RGB; None where the profile is missing, damaged or doesn't fit."""
    if not isinstance(icc, bytes):
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        mode = _PROFILE_MODES[profile.profile.xcolor_space.strip()]
        if mode == "RGB" and colour.mode == "L":
            colour = colour.convert("RGB")
        if mode != colour.mode:
            return None
        transform = ImageCms.buildTransform(profile, _srgb(), mode, "RGB", _INTENT)
        return colour if _is_identity(transform, mode) else ImageCms.applyTransform(colour, transform)
    except Exception:  # lcms reports damage as several kinds of error
        return None


@functools.cache
def _probe() -> Image.Image:
    """343 colours, seven levels of each channel."""
    levels = np.linspace(0, 255, 7).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1)
    return Image.fromarray(grid.reshape(49, 7, 3))


def _is_identity(transform: object, mode: str) -> bool:
    """Whether it leaves every colour where it was: sRGB goes under many names, so its colours are asked."""
    if mode != "RGB":
        return False
    moved = np.asarray(ImageCms.applyTransform(_probe(), transform), np.int16)
    return int(np.abs(moved - np.asarray(_probe(), np.int16)).max()) <= 1


# ------------------------------------------------------------------------------------------------ tensors


def to_tensor(image: Image.Image, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """(1, 3, H, W) RGB in [0, 1], channels_last, of an RGB or RGBA picture as `open` returns it.

    Of RGBA the net sees a picture without holes: where alpha is under 16/255 the colours fade into their
    nearest visible neighbours (push-pull over a pyramid: Gortler et al., "The Lumigraph", 1996, section 3.5).
    What hides under transparency is arbitrary, often black or a red of no meaning, and compositing on a flat
    colour would put an edge where there is none; either would be painted, and show as a halo once `finish`
    puts the alpha back. A picture that is transparent all over becomes black.
    """
    if not isinstance(image, Image.Image) or image.mode not in ("RGB", "RGBA"):
        what = f"A picture of mode {image.mode}" if isinstance(image, Image.Image) else "This"
        raise ImageError(f"{what} can't become a tensor: pass it through artcore.image.open first.")
    pixels = torch.from_numpy(np.array(image))  # a copy: PIL's own buffer is read-only
    x = pixels[None, :, :, :3].permute(0, 3, 1, 2)
    if image.mode == "RGB":
        return x.to(dtype).div_(255)
    x = x.to(torch.float32, memory_format=torch.channels_last).div_(255)
    alpha = pixels[None, None, :, :, 3]
    if alpha.min() < _TRUSTED_ALPHA:
        x = _fill(x, alpha.float().div_(_TRUSTED_ALPHA).clamp_(max=1))
    return x.to(dtype, memory_format=torch.channels_last)


def _fill(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Colours of weight 0 from their neighbours: averages down a pyramid, then up again into the holes."""
    if max(x.shape[-2:]) == 1:
        return x * (weight > 0)
    mean = functools.partial(F.avg_pool2d, kernel_size=2, ceil_mode=True)
    covered = mean(weight)
    coarse = mean(x * weight).div_(covered.clamp_min(1e-6))
    # One visible pixel of four is enough to know the colour, hence the factor.
    coarse = _fill(coarse, (covered * 4).clamp_(max=1))
    around = F.interpolate(coarse, size=x.shape[-2:], mode="bilinear", align_corners=False)
    return torch.lerp(around, x, weight).clamp_(0, 1)


def opaque(image: Image.Image) -> Image.Image:
    """The RGB picture that `to_tensor` shows to a net, holes filled: what is cut from it fits together, where
    pieces of a picture with holes would each be filled by itself. An RGB picture comes back as it is."""
    if image.mode == "RGB":
        return image
    if image.getchannel("A").getextrema()[0] >= _TRUSTED_ALPHA:
        return image.convert("RGB")
    width, height = image.size

    def strips(whole: Image.Image) -> Iterator[tuple[tuple[int, int, int, int], torch.Tensor, torch.Tensor]]:
        rows = max(2, 2**20 // width // 2 * 2)  # even, so that none cuts through a mean of four pixels
        for top in range(0, height, rows):
            box = (0, top, width, min(height, top + rows))
            part = torch.from_numpy(np.array(whole.crop(box)))[None].permute(0, 3, 1, 2).float()
            yield box, part[:, :3].div_(255), part[:, 3:].div_(_TRUSTED_ALPHA).clamp_(max=1)

    # As `_fill`, whose largest level is done in strips: whole, it would take 40 bytes a pixel.
    mean = functools.partial(F.avg_pool2d, kernel_size=2, ceil_mode=True)
    coarse = torch.empty(1, 3, (height + 1) // 2, (width + 1) // 2)
    covered = torch.empty(1, 1, *coarse.shape[-2:])
    for (_, top, _, bottom), x, weight in strips(image):
        rows = slice(top // 2, (bottom + 1) // 2)
        covered[..., rows, :] = mean(weight)
        coarse[..., rows, :] = mean(x * weight).div_(covered[..., rows, :].clamp_min(1e-6))
    coarse = _fill(coarse, covered.mul_(4).clamp_(max=1))
    result = Image.new("RGB", image.size)
    for box, x, weight in strips(image):
        result.paste(to_pil(torch.lerp(window(coarse, image.size, box), x, weight)), box[:2])
    return result


def window(maps: torch.Tensor, size: tuple[int, int], box: tuple[int, int, int, int]) -> torch.Tensor:
    """The part ``box`` of maps enlarged bilinearly to a picture's size, without enlarging the rest.

    Args:
        maps: (1, C, h, w) of the whole picture.
        size: (width, height) of the picture.
        box: (left, top, right, bottom) in it.

    Returns:
        (1, C, bottom - top, right - left).
    """

    def lattice(length: int, whole: int, start: int, stop: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        position = (torch.arange(start, stop, dtype=torch.float64) + 0.5) * (length / whole) - 0.5
        position = position.clamp_(0, length - 1)
        index = position.floor().long()
        return index, (index + 1).clamp_(max=length - 1), (position - index).float()

    y0, y1, y = lattice(maps.shape[-2], size[1], box[1], box[3])
    x0, x1, x = lattice(maps.shape[-1], size[0], box[0], box[2])
    rows = torch.lerp(maps[..., y0, :], maps[..., y1, :], y[:, None])
    return torch.lerp(rows[..., x0], rows[..., x1], x)


def to_pil(tensor: torch.Tensor) -> Image.Image:
    """RGB picture of a (1, 3, H, W) or (3, H, W) tensor in [0, 1]: rounded, clamped where it goes beyond.

    Any floating dtype, device and memory format. Raises ImageError for another shape and for NaN.
    """
    if tensor.dim() == 4 and tensor.shape[0] == 1:
        tensor = tensor[0]
    if tensor.dim() != 3 or tensor.shape[0] != 3 or not tensor.is_floating_point() or not tensor.numel():
        raise ImageError(
            f"A tensor of shape {tuple(tensor.shape)} and {tensor.dtype} is no picture: give floats of"
            " (3, H, W) or (1, 3, H, W)."
        )
    x = tensor.detach().permute(1, 2, 0)
    if torch.isnan(torch.aminmax(x).max):
        raise ImageError("The net gave NaN instead of colours: run it again with ARTCORE_DTYPE=fp32.")
    x = x.float().mul(255).round_().clamp_(0, 255).to(torch.uint8)
    return Image.fromarray(x.contiguous().cpu().numpy())


def luma(x: torch.Tensor) -> torch.Tensor:
    """(N, 3, H, W) RGB in [0, 1] -> (N, 1, H, W) luma in [0, 1], ITU-R BT.601."""
    r, g, b = x.unbind(1)
    return (_LUMA[0] * r + _LUMA[1] * g + _LUMA[2] * b).unsqueeze(1)


def rgb_to_yuv(x: torch.Tensor) -> torch.Tensor:
    """(N, 3, H, W) RGB in [0, 1] -> Y in [0, 1], U and V in [-0.5, 0.5]; ITU-R BT.601, full range.

    U and V are the Cb and Cr of JFIF less its offset, so that grey is 0.
    """
    y = luma(x)
    u = (x[:, 2:3] - y) / (2 * (1 - _LUMA[2]))
    v = (x[:, 0:1] - y) / (2 * (1 - _LUMA[0]))
    return torch.cat((y, u, v), 1)


def yuv_to_rgb(x: torch.Tensor) -> torch.Tensor:
    """The exact inverse of `rgb_to_yuv`; not clamped, since not every YUV is a colour."""
    y, u, v = x[:, 0:1], x[:, 1:2], x[:, 2:3]
    r = y + 2 * (1 - _LUMA[0]) * v
    b = y + 2 * (1 - _LUMA[2]) * u
    g = (y - _LUMA[0] * r - _LUMA[2] * b) / _LUMA[1]
    return torch.cat((r, g, b), 1)


# ------------------------------------------------------------------------------------------------ writing


def finish(rgb: Image.Image, like: Image.Image) -> Image.Image:
    """`rgb` with the alpha and the info (format, EXIF, profile) of `like`, the picture it was made from.

    Both have the same size: scale `like` first where `rgb` was enlarged. Neither is changed.
    """
    if rgb.size != like.size:
        raise ImageError(f"A picture of {rgb.size} can't take the alpha of one of {like.size}: resize one first.")
    result = rgb.convert("RGB") if rgb.mode != "RGB" else rgb.copy()
    if like.mode == "RGBA":
        result.putalpha(like.getchannel("A"))
    result.info = {key: like.info[key] for key in _KEPT if key in like.info}
    return result


def thumbnail(image: Image.Image, long_side: int) -> Image.Image:
    """A copy whose longer side is at most `long_side` pixels; same aspect (no side under 1), same info."""
    if long_side < 1:
        raise ImageError(f"A long side of {long_side} pixels is no size: give at least 1.")
    scale = min(1.0, long_side / max(image.size))
    width, height = (max(1, round(side * scale)) for side in image.size)
    result = image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0) if scale < 1 else image.copy()
    result.info = dict(image.info)
    return result


def encode(
    image: Image.Image,
    format: str = "PNG",
    *,
    quality: int = 90,
    exif: bool = False,
    icc: bool = False,
    recipe: bool = True,
) -> bytes:
    """The bytes of a PNG, JPEG, WEBP, TIFF or BMP file of an RGB or RGBA picture in sRGB.

    `quality` is 1 to 100, for JPEG and WebP. Of a picture that a task has made, its :mod:`artcore.recipe` is
    written, unless `recipe` is False (BMP has no place for it). No other metadata is written unless asked: `exif`
    writes the EXIF that `open` found (none for BMP), `icc` brings the colours back into the RGB profile that `open`
    found and embeds it, or embeds sRGB where there was none or it was no RGB profile (BMP holds none and stays
    sRGB). JPEG and BMP hold no alpha: transparency is composited on white. PNG, BMP and TIFF are lossless, TIFF by
    deflate, or uncompressed where EXIF is asked for. The same input gives the same bytes.
    Raises ImageError for another format, a size that the format can't hold, or a picture of another mode.
    """
    kind = {"JPG": "JPEG", "TIF": "TIFF"}.get(str(format).upper(), str(format).upper())
    if kind not in FORMATS.values():
        raise ImageError(f"Pictures can't be written as {format}: choose PNG, JPEG, WEBP, TIFF or BMP.")
    if not isinstance(image, Image.Image) or image.mode not in ("RGB", "RGBA"):
        raise ImageError("Only RGB and RGBA pictures are written: pass this through artcore.image.open first.")
    if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
        raise ImageError(f"The quality is {quality!r}: give a whole number from 1 to 100.")
    longest = {"JPEG": 65_500, "WEBP": 16_383}.get(kind)
    if longest and max(image.size) > longest:
        raise ImageError(
            f"{kind} holds at most {longest} pixels a side, and this has {image.width} x {image.height}:"
            " choose PNG or TIFF."
        )
    options: dict[str, object] = {
        # Deflate at level 1 takes a fifth of the default's time for a file a seventh larger.
        "PNG": {"compress_level": 1},
        # Full chroma: saturated strokes side by side are what a painting is, and 4:2:0 smears them.
        "JPEG": {"quality": quality, "subsampling": 0},
        # The default method takes four times as long for files a sixth smaller.
        "WEBP": {"quality": quality, "method": 0},
        "TIFF": {"compression": "tiff_adobe_deflate"},
        "BMP": {},
    }[kind]
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colour = image.convert("RGB")
    if alpha is not None and kind in ("JPEG", "BMP"):
        colour = Image.composite(colour, Image.new("RGB", image.size, "white"), alpha)
        alpha = None
    if icc and kind != "BMP":
        colour, options["icc_profile"] = _from_srgb(colour, image.info.get("source_icc"))
    exif = image.info.get("exif") if exif and kind != "BMP" else None
    if exif:
        options["exif"] = exif
        if kind == "TIFF":
            del options["compression"]  # libtiff, which compresses, can't write EXIF's inner directories
    packet = _packet(image, kind, quality, exif, icc) if recipe else None
    if packet:
        options |= _with_packet(packet, kind, exif)
    if alpha is not None:
        colour.putalpha(alpha)
    colour.info = {}  # Pillow writes some of it unasked
    try:
        # In memory, libtiff leaves in the gaps between its parts whatever was there before; in a file they are nought.
        with tempfile.TemporaryFile() if kind == "TIFF" else io.BytesIO() as out:
            colour.save(out, kind, **options)
            out.seek(0)
            return out.read()
    except MemoryError as error:
        raise ImageError(f"There is no memory to write this picture as {kind}: make it smaller.") from error
    except Exception as error:
        raise ImageError(f"This picture can't be written as {kind}: choose another format.") from error


def _packet(image: Image.Image, kind: str, quality: int, exif: object, icc: bool) -> bytes | None:
    """XMP that tells what a task has signed a picture with, and how its file is written."""
    signed = getattr(image, "recipe", None)
    if signed is None or kind == "BMP":
        return None
    written = {"quality": quality} if kind in ("JPEG", "WEBP") else {}
    kept = {name: True for name, wanted in (("exif", exif), ("icc", icc)) if wanted}
    return signed.packet(format=kind, **written, **kept)


def _with_packet(packet: bytes, kind: str, exif: bytes | None) -> dict[str, object]:
    """What Pillow takes to write XMP."""
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", packet.decode())
        return {"pnginfo": text}
    if kind != "TIFF":
        return {"xmp": packet}
    tags = Image.Exif()
    if exif:
        tags.load(exif)
    tags[_XMP] = packet
    return {"exif": tags}


def _from_srgb(colour: Image.Image, icc: object) -> tuple[Image.Image, bytes]:
    """(pixels in the RGB profile `icc`, that profile), or (the sRGB pixels, sRGB) where it can't be."""
    if isinstance(icc, bytes):
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            if profile.profile.xcolor_space.strip() == "RGB":
                transform = ImageCms.buildTransform(_srgb(), profile, "RGB", "RGB", _INTENT)
                if not _is_identity(transform, "RGB"):
                    colour = ImageCms.applyTransform(colour, transform)
                return colour, icc
        except Exception:  # a scanner's profile, say, which has no way back
            pass
    return colour, _srgb_bytes()


def encode_tiff16(
    strips: Iterable[np.ndarray],
    size: tuple[int, int],
    rows: int,
    info: dict[str, object],
    exif: bool = False,
    icc: bool = False,
    recipe: object = None,
) -> bytes:
    """The bytes of a TIFF file of 16 bits for each of red, green and blue, which Pillow has no mode for.

    Compressed losslessly, strip by strip, so that the whole picture need never be in memory.

    Args:
        strips: (rows, width, 3) uint16 in sRGB, from top to bottom; the last may have fewer rows.
        size: (width, height) of the picture.
        rows: of a strip.
        info: of the picture as :func:`open` gave it.
        exif: whether the EXIF in it is written.
        icc: whether an sRGB profile is embedded.
        recipe: an :class:`artcore.recipe.Recipe`, or None.
    """
    import tifffile

    exif = info.get("exif") if exif else None
    kept = {name: True for name, wanted in (("exif", exif), ("icc", icc)) if wanted}
    packet = recipe.packet(format="TIFF", **kept) if recipe else None

    def deflated() -> Iterator[bytes]:
        for strip in strips:
            steps = strip.astype("<u2")  # little-endian, and a copy
            steps[:, 1:] -= strip[:, :-1]  # TIFF's horizontal predictor
            yield zlib.compress(steps.tobytes(), 1)

    out = io.BytesIO()
    try:
        tifffile.imwrite(
            out,
            deflated(),
            shape=(size[1], size[0], 3),
            dtype="<u2",
            byteorder="<",
            photometric="rgb",
            compression="zlib",
            predictor=True,
            rowsperstrip=rows,
            metadata=None,
            software=False,
            iccprofile=_srgb_bytes() if icc else None,
            extratags=[(_XMP, "B", len(packet), packet, True)] if packet else (),
        )
    except MemoryError as error:
        raise ImageError("There is no memory to write this picture as TIFF: make it smaller.") from error
    if exif:
        _add_exif(out, exif)
    return out.getvalue()


def _add_exif(tiff: io.BytesIO, exif: bytes) -> None:
    """Gives a little-endian TIFF file a new directory, which has the entries of an EXIF block too: among them the
    offsets of its inner directories, which tifffile does not let others write."""

    def entries(data: memoryview | bytes, start: int) -> dict[int, bytes]:
        (count,) = struct.unpack_from("<H", data, start)
        found = (bytes(data[n : n + 12]) for n in range(start + 2, start + 2 + 12 * count, 12))
        return {struct.unpack_from("<H", entry)[0]: entry for entry in found}

    with tiff.getbuffer() as data:
        end = len(data) + len(data) % 2
        merged = entries(data, *struct.unpack_from("<L", data, 4))
    tags = Image.Exif()
    tags.load(exif)
    tags.endian = "<"
    block = tags.tobytes(end)[14:]  # behind its own two headers: with offsets from the file's beginning
    block += b"\0" * (len(block) % 2)
    # Of both there is resolution: the EXIF's is true.
    merged |= {tag: entry for tag, entry in entries(block, 0).items() if tag not in _STORAGE_TAGS}
    tiff.seek(end)
    tiff.write(block + struct.pack("<H", len(merged)) + b"".join(merged[tag] for tag in sorted(merged)) + bytes(4))
    tiff.seek(4)
    tiff.write(struct.pack("<L", end + len(block)))


def save(image: Image.Image, path: str | os.PathLike, **options: object) -> None:
    """Write a picture; the suffix chooses the format, the options are those of `encode`.

    The file appears whole or not at all: it is written beside its place and then renamed, so an older file of
    that name survives every failure. Raises ImageError as `encode` does, for an unknown suffix, and for a
    folder that is missing, full or closed to us.
    """
    write(encode(image, format_of(path), **options), path)


def format_of(path: str | os.PathLike) -> str:
    """What `encode` calls the format of a file's suffix; raises ImageError for one that can't be written."""
    kind = FORMATS.get(Path(path).suffix.lower())
    if kind is None:
        raise ImageError(f"{_named(path)} has no suffix that can be written: end it in {', '.join(FORMATS)}.")
    return kind


def write(data: bytes, path: str | os.PathLike) -> None:
    """Write a file whole or not at all; raises ImageError where the folder is missing, full or closed to us."""
    path = Path(path)
    beside = path.parent / f".{secrets.token_hex(8)}.part"
    try:
        try:
            with builtins.open(beside, "xb") as file:
                file.write(data)
            os.replace(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        why = (error.strerror or "no reason given").lower()
        raise ImageError(
            f"{_named(path)} can't be written ({why}): check that the folder exists, is yours and has room."
        ) from error
