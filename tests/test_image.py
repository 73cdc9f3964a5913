"""artcore.image: every format and every odd file is either the right picture or one clear sentence."""

from __future__ import annotations

import errno
import io
import os
import resource
import struct
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from artcore import image
from artcore.image import ImageError

LOSSLESS = ["PNG", "TIFF", "BMP"]


def array(height: int = 24, width: int = 32, channels: int = 3, seed: int = 0) -> np.ndarray:
    """A smooth picture with some noise: lossy formats come near it, and no two pixels of a row are alike."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    planes = np.stack([x, y, 1 - x, 0.3 + y / 2][:channels], -1) * 200 + 20
    return (planes + np.random.default_rng(seed).uniform(0, 8, planes.shape)).astype(np.uint8)


def pil(*args: int, **kwargs: int) -> Image.Image:
    return Image.fromarray(array(*args, **kwargs))


def stored(picture: Image.Image, format: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, format, **options)
    return out.getvalue()


def same(picture: Image.Image, expected: np.ndarray, tolerance: int = 0) -> None:
    found = np.asarray(picture).astype(int)
    assert found.shape == expected.shape
    assert np.abs(found - expected.astype(int)).max() <= tolerance


def sentence(error: pytest.ExceptionInfo) -> str:
    """One sentence: begins like one, ends with the only full stop, says what to do after a colon or comma."""
    text = str(error.value)
    assert "\n" not in text and text.endswith(".") and ". " not in text and len(text) < 300, text
    assert ":" in text, text
    return text


def refused(source: object, match: str, **options: object) -> str:
    with pytest.raises(ImageError, match=match) as error:
        image.open(source, **options)
    return sentence(error)


def png(*chunks: tuple[bytes, bytes], crc: int = 0) -> bytes:
    out = b"\x89PNG\r\n\x1a\n"
    for kind, body in chunks:
        out += struct.pack(">I", len(body)) + kind + body
        out += struct.pack(">I", zlib.crc32(kind + body) ^ (crc if kind in (b"tEXt", b"eXIf") else 0))
    return out


def header(width: int, height: int, bits: int, colour: int) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)


def rows(data: np.ndarray) -> tuple[bytes, bytes]:
    """IDAT of an (H, anything) array of the file's own byte order."""
    return b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in data))


def inserted(data: bytes, kind: bytes, body: bytes, crc: int = 0) -> bytes:
    """The PNG with one more chunk after its header."""
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ crc)
    return data[:33] + chunk + data[33:]


def profile(space: bytes, tags: dict[bytes, bytes], pcs: bytes = b"XYZ ", kind: bytes = b"mntr") -> bytes:
    """A minimal ICC version 2 profile."""
    d50 = struct.pack(">iii", 63190, 65536, 54061)
    tags = {
        b"desc": b"desc" + struct.pack(">4xI", 5) + b"test\0" + bytes(78),
        b"wtpt": b"XYZ \0\0\0\0" + d50,
    } | tags
    table, body, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4xI4s4s4s12s4s", start + len(body), 0x02400000, kind, space, pcs, bytes(12), b"acsp")
    head = (head.ljust(68, b"\0") + d50).ljust(128, b"\0")
    return head + table + body


def curve(gamma: float) -> bytes:
    return b"curv" + struct.pack(">4xIH", 1, round(gamma * 256))


def rgb_profile(gamma: float = 2.2, order: str = "rgb") -> bytes:
    """sRGB's primaries, with another gamma, or given to other channels."""
    primaries = {"r": (28578, 14581, 912), "g": (25238, 46989, 6363), "b": (9374, 3966, 46786)}
    xyz = {
        f"{channel}XYZ".encode(): b"XYZ \0\0\0\0" + struct.pack(">iii", *primaries[name])
        for channel, name in zip("rgb", order, strict=True)
    }
    return profile(b"RGB ", xyz | {f"{channel}TRC".encode(): curve(gamma) for channel in "rgb"})


def cmyk_profile() -> bytes:
    """Cyan ink prints green here, all else is white to black by K: nothing like the plain formula."""
    ramp = bytes(range(256))
    lab = {"white": (255, 128, 128), "green": (140, 70, 190), "black": (0, 128, 128)}
    grid = b""
    for node in range(16):
        c, k = node & 8, node & 1
        grid += bytes(lab["black" if k else "green" if c else "white"])
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = b"mft1" + struct.pack(">4xBBBx", 4, 3, 2) + identity + ramp * 4 + grid + ramp * 3
    return profile(b"CMYK", {b"A2B0": lut}, b"Lab ", b"prtr")


def exif_bytes(orientation: object = 6, thumbnail: bytes = b"") -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Kamera"
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ExposureTime: 0.5, ExifTags.Base.LensModel: "Objektiv"}
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
    data = exif.tobytes()
    if not thumbnail:
        return data
    # Link a second directory, of one JPEG thumbnail, behind the first one.
    body = bytearray(data[6:])
    count = struct.unpack(">H", body[8:10])[0]
    body[10 + 12 * count : 14 + 12 * count] = struct.pack(">I", len(body))
    start = len(body) + 2 + 24 + 4
    body += struct.pack(">HHHIIHHIII", 2, 0x0201, 4, 1, start, 0x0202, 4, 1, len(thumbnail), 0) + thumbnail
    return b"Exif\0\0" + bytes(body)


# ------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    ("format", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("JPEG", {"quality": 98, "subsampling": 0}, 8),
    ],
)
def test_formats_and_kinds_of_source(tmp_path, format, options, tolerance):
    data = stored(pil(), format, **options)
    path = tmp_path / "photo.bin"  # the content decides, not the suffix
    path.write_bytes(data)
    stream = io.BytesIO(data)
    stream.read(5)
    lazily = Image.open(io.BytesIO(data))
    with path.open("rb") as file:
        for source in (path, str(path), data, bytearray(data), memoryview(data), stream, file, lazily):
            picture = image.open(source)
            assert type(picture) is Image.Image and picture.mode == "RGB"
            assert picture.info == {"format": format}
            same(picture, array(), tolerance)
        assert not file.closed


@pytest.mark.parametrize("size", [(1, 1), (3, 257), (257, 3), (5000, 3)])
def test_extreme_sizes(size):
    width, height = size
    for format in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"):
        picture = image.open(stored(pil(height, width), format))
        assert picture.size == size and picture.mode == "RGB"
        back = image.to_pil(image.to_tensor(picture))
        same(back, np.asarray(picture))
        assert image.open(image.encode(image.finish(back, picture))).size == size


def test_first_frame_of_animations():
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]
    for format in ("GIF", "WEBP", "PNG", "TIFF"):
        options = {"lossless": True} if format == "WEBP" else {}
        data = stored(frames[0], format, save_all=True, append_images=frames[1:], **options)
        same(image.open(data), np.full((6, 8, 3), (255, 0, 0)))


def test_a_stereo_jpeg_is_a_jpeg():
    data = stored(pil(), "MPO", save_all=True, append_images=[pil(seed=1)], quality=98, subsampling=0)
    for source in (data, Image.open(io.BytesIO(data))):
        picture = image.open(source)
        same(picture, array(), 8)
        assert picture.info["format"] == "JPEG"


def test_an_animation_is_one_picture_even_where_frames_are_transparent():
    first = Image.new("RGBA", (8, 6), (0, 0, 0, 0))
    first.paste((255, 0, 0, 255), (2, 1, 5, 4))
    data = stored(first, "GIF", save_all=True, append_images=[Image.new("RGBA", (8, 6), "blue")])
    picture = image.open(data)
    assert picture.mode == "RGBA"
    assert picture.getpixel((3, 2)) == (255, 0, 0, 255) and picture.getpixel((0, 0))[3] == 0


def test_palette_grey_and_bilevel():
    palette = pil().quantize(16)
    same(image.open(stored(palette)), np.asarray(palette.convert("RGB")))
    palette.info["transparency"] = palette.getpixel((0, 0))
    found = image.open(stored(palette, transparency=palette.getpixel((0, 0))))
    assert found.mode == "RGBA" and found.getpixel((0, 0))[3] == 0 and found.getpixel((31, 23))[3] == 255
    found = image.open(stored(palette, transparency=bytes(range(0, 256, 16))))  # an alpha for each colour
    assert found.mode == "RGBA"
    same(found.getchannel("A"), np.asarray(palette) * 16)
    grey = array()[..., 0]
    same(image.open(stored(Image.fromarray(grey))), np.repeat(grey[..., None], 3, 2))
    same(image.open(stored(Image.fromarray(grey > 99))), np.repeat((grey > 99)[..., None] * 255, 3, 2))
    both = np.stack([grey, array()[..., 1]], -1)
    merged = Image.merge("LA", [Image.fromarray(np.ascontiguousarray(both[..., i])) for i in (0, 1)])
    found = image.open(stored(merged))
    assert found.mode == "RGBA"
    same(found, both[..., [0, 0, 0, 1]])


@pytest.mark.parametrize(
    "mode",
    [
        "1",
        "L",
        "LA",
        "La",
        "P",
        "PA",
        "RGB",
        "RGBA",
        "RGBa",
        "RGBX",
        "CMYK",
        "YCbCr",
        "HSV",
        "I",
        "F",
        "I;16",
    ],
)
def test_modes_of_pil_images_and_that_they_are_not_modified(mode):
    by_way_of = {"La": "LA", "PA": "P", "RGBa": "RGBA", "I;16": "I"}.get(mode, mode)
    source = pil().convert(by_way_of).convert(mode)
    if mode == "I;16":
        source = Image.fromarray(np.asarray(pil().convert("L")).astype(np.uint16) * 257)
    expected = source.convert("RGB") if mode in ("1", "L", "P", "CMYK", "YCbCr", "HSV", "RGBX") else pil()
    if mode in ("LA", "La", "I", "F", "I;16"):
        expected = pil().convert("L").convert("RGB")
    elif mode == "PA":
        expected = pil().convert("P").convert("RGB")
    for profile_ in (None, rgb_profile(1.0)):
        source.info.update({"icc_profile": profile_} if profile_ else {})
        before, info = source.tobytes(), dict(source.info)
        picture = image.open(source)
        assert picture.mode == ("RGBA" if mode in ("LA", "La", "PA", "RGBA", "RGBa") else "RGB")
        if profile_ is None:
            same(picture.convert("RGB"), np.asarray(expected), 1 if mode == "F" else 0)  # Pillow cuts, we round
        picture.paste((1, 2, 3), (0, 0, 9, 9))
        assert (source.mode, source.tobytes(), source.info) == (mode, before, info)


def test_lab_is_converted():
    lab = Image.new("LAB", (4, 4), (255, 128, 128))
    r, g, b = image.open(stored(lab, "TIFF")).getpixel((0, 0))
    assert min(r, g, b) >= 250


# -------------------------------------------------------------------------------------------- 16 and 32 bits


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (255, 1), (257, 1), (32768, 128), (65535, 255)])
def test_16_bit_grey(value, expected):
    for order in ("<u2", ">u2"):
        deep = Image.fromarray(np.full((3, 5), value, order))
        for source in (deep, stored(deep, "TIFF"), stored(deep, "PNG") if order == "<u2" else deep):
            same(image.open(source), np.full((3, 5, 3), expected))


def test_16_bit_colour_and_alpha_png():
    deep = np.zeros((2, 3, 4), ">u2")
    deep[...] = (65535, 32768, 0, 32768)
    data = png(header(3, 2, 16, 2), rows(deep[..., :3]), (b"IEND", b""))
    same(image.open(data), np.full((2, 3, 3), (255, 128, 0)))
    data = png(header(3, 2, 16, 6), rows(deep), (b"IEND", b""))
    same(image.open(data), np.full((2, 3, 4), (255, 128, 0, 128)))
    data = png(header(3, 2, 16, 4), rows(deep[..., 1:3]), (b"IEND", b""))  # grey and alpha
    same(image.open(data), np.full((2, 3, 4), (128, 128, 128, 0)))


def test_16_bit_png_with_a_colour_that_means_transparent():
    deep = np.zeros((1, 2, 3), ">u2")
    deep[0, 1] = (40000, 30000, 20000)
    key = struct.pack(">HHH", 40000, 30000, 20000)
    found = image.open(png(header(2, 1, 16, 2), (b"tRNS", key), rows(deep), (b"IEND", b"")))
    same(found.getchannel("A"), np.array([[255, 0]]))
    found = image.open(png(header(2, 1, 16, 0), (b"tRNS", key[:2]), rows(deep[..., 0]), (b"IEND", b"")))
    same(found, np.array([[(0, 0, 0, 255), (156, 156, 156, 0)]]))


def tiff(bits: int, photometric: int, strip: bytes, more: dict[int, int] | None = None) -> bytes:
    """A grey TIFF of 2 x 1 pixels."""
    tags = {256: 2, 257: 1, 258: bits, 259: 1, 262: photometric, 273: 240, 277: 1, 278: 1, 279: len(strip)}
    tags |= more or {}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries.ljust(230, b"\0") + strip


def test_12_bit_tiff_and_white_is_zero():
    twelve = tiff(12, 1, bytes([0xFF, 0xF8, 0x00]))  # 4095, 2048
    same(image.open(twelve), np.array([[(255,) * 3, (128,) * 3]]))
    inverse = tiff(16, 0, struct.pack("<HH", 0, 32768))
    same(image.open(inverse), np.array([[(255,) * 3, (127,) * 3]]))


def test_16_bits_are_had_beside_the_picture(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (7, 5), dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(stored(Image.fromarray(deep)))
    for source in (
        Image.fromarray(deep),
        stored(Image.fromarray(deep)),
        io.BytesIO(stored(Image.fromarray(deep))),
        tmp_path / "a.png",
        stored(Image.fromarray(deep), "TIFF"),
        Image.fromarray(deep.astype(">u2")),
    ):
        picture, found = image.open_grey16(source)
        assert found.dtype == np.uint16 and found.dtype.isnative and (found == deep).all()
        same(picture, np.repeat((deep[..., None] / 257 + 0.5).astype(np.uint8), 3, -1))
    for other in (pil(), pil().convert("L"), Image.fromarray(deep.astype(np.int32)), stored(pil(), "JPEG")):
        picture, found = image.open_grey16(other)
        assert found is None
        same(picture, np.asarray(image.open(other)))
    with pytest.raises(ImageError, match="damaged or cut short"):
        image.open_grey16(stored(Image.fromarray(deep))[:60])
    with pytest.raises(ImageError, match="more than the limit of 30"):
        image.open_grey16(Image.fromarray(deep), max_pixels=30)


def test_16_bits_of_12_bit_and_inverse_tiffs_and_turned_ones():
    assert image.open_grey16(tiff(12, 1, bytes([0xFF, 0xF8, 0x00])))[1].tolist() == [[65535, 32776]]
    assert image.open_grey16(tiff(16, 0, struct.pack("<HH", 0, 32768)))[1].tolist() == [[65535, 32767]]
    deep = np.arange(35, dtype=np.uint16).reshape(7, 5) * 1000
    for orientation in range(1, 9):
        picture, found = image.open_grey16(stored(Image.fromarray(deep), exif=exif_bytes(orientation)))
        assert picture.size == found.shape[::-1]
        assert abs(found / 257 - np.asarray(picture)[..., 0]).max() <= 0.51, orientation


def test_16_bits_go_through_a_grey_profile_as_8_do():
    deep = np.arange(256, dtype=np.uint16)[None] * 257
    linear = profile(b"GRAY", {b"kTRC": curve(1.0)})
    picture, found = image.open_grey16(stored(Image.fromarray(deep), icc_profile=linear))
    assert abs(found / 257 - np.asarray(picture)[..., 0]).max() <= 0.6
    assert found[0, 50] > deep[0, 50] * 1.8  # linear light is darker than it looks
    assert (np.diff(found[0].astype(int)) >= 0).all()
    assert (image.open_grey16(stored(Image.fromarray(deep), icc_profile=b"damaged"))[1] == deep).all()


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (np.int32, [0, 128, 255], [0, 128, 255]),
        (np.int32, [-5, 32768, 65535], [0, 128, 255]),
        (np.int32, [0, 2**30, 2**31 - 1], [0, 64, 127]),
        (np.float32, [0, 0.5, 1.0], [0, 128, 255]),
        (np.float32, [0, 0.5, 1.2], [0, 128, 255]),  # overshoot
        (np.float32, [0, 128, 255], [0, 128, 255]),
        (np.float32, [np.nan, -np.inf, np.inf], [0, 0, 255]),
        (np.float32, [0, 32768, 65535], [0, 128, 255]),
    ],
)
def test_32_bit_grey(kind, values, expected):
    deep = Image.fromarray(np.array([values], kind))
    for source in (deep, stored(deep, "TIFF")):
        same(image.open(source), np.array([[(v, v, v) for v in expected]]))


# ---------------------------------------------------------------------------------- orientation, EXIF, ICC


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(orientation):
    upright = array()
    # What a camera held that way stores, by the definition: orientation n says where row 0 and column 0 are.
    lying = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.swapaxes(0, 1), 6: np.rot90(upright), 7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    source = Image.fromarray(np.ascontiguousarray(lying))
    for format, options in {
        "PNG": {},
        "WEBP": {"lossless": True},
        "JPEG": {"quality": 98},
        "TIFF": {},
    }.items():
        data = stored(source, format, exif=exif_bytes(orientation), **options)
        for picture in (
            image.open(data),
            image.open(Image.open(io.BytesIO(data))),
            image.open(image.open(data)),
        ):
            same(picture, upright, 25 if format == "JPEG" else 0)
            exif = Image.Exif()
            exif.load(picture.info["exif"])
            assert exif.get(ExifTags.Base.Orientation, 1) == 1 and exif[ExifTags.Base.Make] == "Kamera"


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_exif_is_kept_when_asked_and_only_then(format):
    thumbnail = stored(Image.new("RGB", (16, 16), "red"), "JPEG", comment=b"this is the old picture")
    picture = image.open(stored(pil(), "JPEG", exif=exif_bytes(3, thumbnail)))
    assert b"this is the old picture" not in picture.info["exif"]
    painted = image.finish(image.to_pil(image.to_tensor(picture)), picture)
    plain = image.encode(painted, format)
    assert b"Kamera" not in plain and b"Objektiv" not in plain and not image.open(plain).info.get("exif")
    found = image.open(image.encode(painted, format, exif=True))
    exif = Image.Exif()
    exif.load(found.info["exif"])
    assert exif[ExifTags.Base.Make] == "Kamera"
    assert exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.LensModel] == "Objektiv"
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
    same(found, np.asarray(painted), 12 if format in ("JPEG", "WEBP") else 0)


@pytest.mark.filterwarnings("ignore")  # Pillow's, about the damage
def test_broken_exif_is_dropped():
    whole = exif_bytes(6)
    for broken in (
        b"Exif\0\0",
        b"Exif\0\0MM\0*",
        b"Exif\0\0junk" * 99,
        whole[:40],
        whole[:-30],
        exif_bytes(99),
        whole.replace(b"\x01\x12\0\3", b"\x01\x12\0\2"),
    ):
        for format in ("PNG", "JPEG", "WEBP"):
            picture = image.open(stored(pil(), format, exif=broken))
            assert picture.mode == "RGB" and set(picture.size) == {24, 32}
            assert image.open(image.encode(picture, "JPEG", exif=True)).size == picture.size
    for offset in (0, 5, 200, 10**9):
        picture = image.open(tiff(8, 1, bytes([7, 9]), {34665: offset, 34853: offset}))
        same(picture, np.array([[(7,) * 3, (9,) * 3]]))
        assert picture.info == {"format": "TIFF"}


def test_exif_too_long_for_a_jpeg_loses_its_maker_note():
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Kamera"
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.MakerNote: bytes(70_000)}
    picture = image.open(stored(pil(), "PNG", exif=exif.tobytes()))
    assert b"Kamera" in image.encode(picture, "JPEG", exif=True)


def test_rgb_profile_is_converted_and_comes_back():
    swapped = rgb_profile(2.2, "grb")  # this file's red is green
    data = stored(Image.new("RGB", (4, 4), (255, 0, 0)), "PNG", icc_profile=swapped)
    picture = image.open(data)
    same(picture, np.full((4, 4, 3), (0, 255, 0)), 3)
    assert picture.info == {"format": "PNG", "source_icc": swapped}
    same(image.open(picture), np.asarray(picture))  # once is enough
    linear = image.open(stored(Image.new("RGB", (4, 4), (128, 128, 128)), "TIFF", icc_profile=rgb_profile(1.0)))
    same(linear, np.full((4, 4, 3), 188), 2)  # sRGB's curve at 0.502
    same(
        image.open(stored(Image.new("L", (4, 4), 128), icc_profile=rgb_profile(1.0))),
        np.full((4, 4, 3), 188),
        2,
    )
    for format in ("PNG", "JPEG", "WEBP", "TIFF"):
        plain = image.encode(picture, format)
        assert "icc_profile" not in Image.open(io.BytesIO(plain)).info
        with_profile = image.encode(picture, format, icc=True)
        raw = Image.open(io.BytesIO(with_profile))
        assert raw.info["icc_profile"] == swapped
        same(raw.convert("RGB"), np.full((4, 4, 3), (255, 0, 0)), 6)
        same(image.open(with_profile), np.full((4, 4, 3), (0, 255, 0)), 6)
    # PIL's own save knows nothing of this: it must not find a profile to attach to pixels that are sRGB.
    assert "icc_profile" not in Image.open(io.BytesIO(stored(picture, "PNG"))).info


def test_grey_and_cmyk_profiles_and_what_is_embedded_then():
    grey = profile(b"GRAY", {b"kTRC": curve(1.0)})
    picture = image.open(stored(Image.new("L", (4, 4), 128), "PNG", icc_profile=grey))
    same(picture, np.full((4, 4, 3), 188), 2)
    deep = Image.fromarray(np.full((4, 4), 32768, np.uint16))
    same(image.open(stored(deep, "PNG", icc_profile=grey)), np.full((4, 4, 3), 188), 2)
    ink = cmyk_profile()
    for format in ("JPEG", "TIFF"):
        picture = image.open(stored(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), format, icc_profile=ink))
        r, g, b = picture.getpixel((4, 4))
        assert g > r + 50 and g > b + 50, (format, r, g, b)
        assert picture.info["source_icc"] == ink
        raw = Image.open(io.BytesIO(image.encode(picture, "PNG", icc=True)))
        assert ImageCms.ImageCmsProfile(io.BytesIO(raw.info["icc_profile"])).profile.xcolor_space == "RGB "
        same(raw, np.asarray(picture))


def test_cmyk_without_a_profile():
    for format in ("JPEG", "TIFF"):
        picture = image.open(stored(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), format))
        same(picture, np.full((8, 8, 3), (0, 255, 255)), 3)


def test_srgb_under_any_name_is_left_alone_and_broken_profiles_are_ignored():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = image.open(stored(pil(), icc_profile=srgb))
    same(picture, array())
    assert picture.info["source_icc"] == srgb
    swapped = rgb_profile(2.2, "grb")
    for broken in (
        b"x",
        b"junk" * 99,
        swapped[:200],
        swapped[:128] + b"\xff" * 400,
        profile(b"RGB ", {}),
        cmyk_profile(),
    ):
        for format in ("PNG", "TIFF", "WEBP"):
            options = {"lossless": True} if format == "WEBP" else {}
            picture = image.open(stored(pil(), format, icc_profile=broken, **options))
            same(picture, array())
            assert "source_icc" not in picture.info
            assert image.open(image.encode(picture, format, icc=True)).size == (32, 24)


def test_the_same_picture_gives_the_same_bytes():
    found = Image.open(io.BytesIO(image.encode(pil(), icc=True))).info["icc_profile"]
    fresh = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert found[:24] + found[36:] == fresh[:24] + fresh[36:]
    assert struct.unpack(">6H", found[24:36]) == (2000, 1, 1, 0, 0, 0)  # not the second it was made


# ---------------------------------------------------------------------------------------------- hostile files


@pytest.mark.filterwarnings("ignore")  # Pillow's, when the test itself opens the bomb
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    pixels = zlib.compressobj(1)
    body = b"".join(pixels.compress(bytes(12_001 * 100)) for _ in range(120)) + pixels.flush()
    path.write_bytes(png(header(12_000, 12_000, 8, 0), (b"IDAT", body), (b"IEND", b"")))
    assert path.stat().st_size < 1e6

    def decode(self: object) -> None:
        raise AssertionError("decoding began")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", decode)
    tracemalloc.start()
    start = time.perf_counter()
    opened = Image.open(path)
    for source in (path, path.read_bytes(), opened):
        text = refused(source, "12000 x 12000")
        assert str(tmp_path) not in text and "64,000,000" in text and text.startswith(("bomb.png", "The picture"))
    assert time.perf_counter() - start < 0.5
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()
    opened.close()  # else the collector says so in the middle of another test


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
def test_the_limit_is_ours_alone(monkeypatch):
    bomb = png(header(60_000, 60_000, 8, 0), (b"IDAT", b""), (b"IEND", b""))
    refused(bomb, "60000 x 60000")
    refused(Image.new("L", (9, 9)), "80", max_pixels=80)
    assert image.open(Image.new("L", (9, 9)), max_pixels=81).size == (9, 9)
    monkeypatch.setenv("ARTCORE_MAX_PIXELS", "80")
    refused(stored(Image.new("L", (9, 9))), "9 x 9 pixels")
    assert image.open(stored(Image.new("L", (9, 9))), max_pixels=81).size == (9, 9)  # the argument wins
    monkeypatch.setenv("ARTCORE_MAX_PIXELS", "many")
    refused(stored(Image.new("L", (9, 9))), "many")
    refused(stored(Image.new("L", (9, 9))), "0", max_pixels=0)
    monkeypatch.setenv("ARTCORE_MAX_PIXELS", "")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # Pillow would warn, then refuse, whatever we allow
    assert image.open(stored(Image.new("L", (99, 9)))).size == (99, 9)


def test_a_gif_whose_frame_is_larger_than_its_screen_meets_the_limit():
    data = bytearray(stored(Image.new("L", (9, 9)), "GIF"))
    at = data.index(b",\0\0\0\0\x09\0\x09\0")
    data[at + 5 : at + 9] = struct.pack("<HH", 9_000, 9_000)
    refused(bytes(data), "9000 x 9000")


def test_hostile_metadata_does_not_cost_the_picture():
    good = stored(pil())
    bomb = zlib.compress(bytes(30_000_000))
    for kind, body, crc in (
        (b"zTXt", b"a\0\0" + bomb, 0),
        (b"iTXt", b"a\0\1\0\0\0" + bomb, 0),
        (b"iCCP", b"a\0\0" + bomb, 0),
        (b"iCCP", b"a\0\0junk", 0),
        (b"tEXt", b"a\0b", 1),
        (b"eXIf", b"MM\0*junk", 1),
        (b"acTL", b"\0", 0),
        (b"gAMA", b"", 0),
        (b"pHYs", b"", 0),
    ):
        same(image.open(inserted(good, kind, body, crc)), array())
    for _ in range(80):  # each within Pillow's limit for one chunk, together beyond its limit for all
        good = inserted(good, b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000), 1))
    same(image.open(good), array())


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.filterwarnings("ignore")  # Pillow's, about what is missing
def test_truncated_files(tmp_path, format):
    data = stored(pil(64, 80), format)
    whole = np.asarray(image.open(data)).astype(int)
    refusals = 0
    for part in (
        1,
        2,
        3,
        8,
        11,
        12,
        13,
        20,
        30,
        *(round(len(data) * f) for f in (0.1, 0.3, 0.5, 0.8, 0.95)),
        len(data) - 1,
    ):
        path = tmp_path / f"cut{part}.bin"
        path.write_bytes(data[:part])
        try:
            picture = image.open(path)
        except ImageError as error:
            refusals += 1
            assert path.name in str(error) and str(tmp_path) not in str(error) and str(error).endswith(".")
        else:
            assert part > 0.9 * len(data)  # nothing lost but the trailer
            same(picture, whole)
    assert refusals >= 12


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.filterwarnings("ignore")
def test_random_damage_gives_a_picture_or_the_sentence(format):
    rng = np.random.default_rng(0)
    data = stored(pil(), format, exif=exif_bytes()) if format not in ("GIF", "BMP") else stored(pil(), format)
    for _ in range(150):
        damaged = bytearray(data)
        for at in rng.integers(0, min(len(data), 400), 4):
            damaged[at] = rng.integers(0, 256)
        try:
            assert image.open(bytes(damaged), max_pixels=1_000_000).mode in ("RGB", "RGBA")
        except ImageError as error:
            assert str(error).endswith(".")


def test_what_is_no_picture(tmp_path):
    refused(b"", "empty")
    (tmp_path / "empty.jpg").write_bytes(b"")
    assert refused(tmp_path / "empty.jpg", "empty").startswith("empty.jpg")
    for content in (
        b"hello, I am a text",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.7",
        b"\0\0\0\x18ftypheic",
    ):
        (tmp_path / "photo.png").write_bytes(content)
        assert refused(tmp_path / "photo.png", "JPEG, PNG, WebP, GIF, BMP or TIFF").startswith("photo.png")
    refused(b"RIFF\x24\0\0\0WAVEfmt ", "not a picture")
    refused(stored(pil(), "PPM"), "not a picture")  # Pillow could, but this door is closed
    assert str(tmp_path) not in refused(tmp_path / "missing.png", "missing.png does not exist")
    refused(tmp_path, "is a folder")
    refused("", "does not exist")
    refused("a\0b.png", "can't be opened|does not exist")
    refused("x" * 5000, "xxx")
    refused("bad\nname.png", r"bad\?name\.png")
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "pipe.png", "not a regular file")
    refused(None, "None")
    refused(array(), "ndarray")
    refused(7, "type int")
    refused(io.StringIO("text"), "binary")
    with open(os.devnull, "wb") as write_only:
        refused(write_only, "null can't be read")
    refused(Image.new("RGB", (0, 5)), "no pixels")
    closed = io.BytesIO(stored(pil()))
    closed.close()
    refused(closed, "can't be read")


# -------------------------------------------------------------------------------------------------- tensors


def test_tensor_round_trip_is_exact():
    levels = np.stack([np.arange(256), np.arange(256)[::-1], np.roll(np.arange(256), 99)], -1).astype(np.uint8)
    picture = Image.fromarray(levels.reshape(16, 16, 3))
    x = image.to_tensor(picture)
    assert x.shape == (1, 3, 16, 16) and x.dtype == torch.float32
    assert x.is_contiguous(memory_format=torch.channels_last) and x.amin() == 0 and x.amax() == 1
    assert x[0, 0, 0, 5] == 5 / 255 and x[0, 1, 0, 0] == 1
    same(image.to_pil(x), np.asarray(picture))
    same(image.to_pil(x[0].contiguous()), np.asarray(picture))
    half = image.to_tensor(picture, torch.bfloat16)
    assert half.dtype == torch.bfloat16 and half.is_contiguous(memory_format=torch.channels_last)
    same(image.to_pil(half), np.asarray(picture), 1)
    x.zero_()
    assert np.asarray(picture)[0, 0, 1] == 255  # the tensor shares nothing with the picture


def test_to_pil_rounds_clamps_and_refuses():
    values = (
        torch.tensor([-5.0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.5, torch.inf]).reshape(1, 1, 1, 6).expand(1, 3, 1, 6)
    )
    assert [p[0] for p in np.asarray(image.to_pil(values))[0].tolist()] == [0, 0, 1, 255, 255, 255]
    assert image.to_pil(torch.zeros(3, 2, 5, requires_grad=True)).size == (5, 2)
    bad = torch.zeros(1, 3, 2, 5)
    bad[0, 1, 1, 1] = torch.nan
    for tensor, match in (
        (bad, "NaN"),
        (bad.bfloat16(), "NaN"),
        (torch.zeros(2, 3, 4, 4), "shape"),
        (torch.zeros(1, 4, 4), "shape"),
        (torch.zeros(3, 0, 4), "shape"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), "uint8"),
    ):
        with pytest.raises(ImageError, match=match) as error:
            image.to_pil(tensor)
        sentence(error)
    with pytest.raises(ImageError, match="mode L"):
        image.to_tensor(Image.new("L", (4, 4)))


def test_colours_under_transparency_do_not_reach_the_net():
    pixels = np.zeros((33, 47, 4), np.uint8)
    pixels[...] = (255, 0, 0, 0)  # a red that nobody sees
    pixels[8:20, 10:30] = (0, 0, 255, 255)
    pixels[20, 10:30] = (0, 0, 255, 128)  # a soft edge: its colour is to be believed
    picture = Image.fromarray(pixels)
    x = image.to_tensor(picture)
    assert x.shape == (1, 3, 33, 47) and x.is_contiguous(memory_format=torch.channels_last)
    assert x[:, :2].amax() < 1e-3 and x[:, 2].amin() > 0.999
    same(image.open(picture), pixels)  # the picture itself keeps them
    opaque = Image.fromarray(array()).convert("RGBA")
    same(image.to_pil(image.to_tensor(opaque)), array())
    faint = Image.fromarray(np.dstack([array(), np.full((24, 32), 16, np.uint8)]))
    same(image.to_pil(image.to_tensor(faint)), array())
    nothing = image.to_tensor(Image.new("RGBA", (5, 3), (9, 9, 9, 0)), torch.bfloat16)
    assert nothing.dtype == torch.bfloat16 and not nothing.any()
    assert image.to_tensor(Image.new("RGBA", (1, 1), (255, 255, 255, 255))).eq(1).all()


def test_alpha_is_put_back():
    alpha = np.tile(np.arange(32, dtype=np.uint8) * 8, (24, 1))
    like = image.open(
        stored(Image.fromarray(np.dstack([array(), alpha])), exif=exif_bytes(1), icc_profile=rgb_profile())
    )
    painted = Image.fromarray(255 - array())
    result = image.finish(painted, like)
    assert result.mode == "RGBA" and painted.mode == "RGB" and not painted.info
    assert result.info == like.info and set(like.info) == {"format", "exif", "source_icc"}
    same(result, np.dstack([255 - array(), alpha]))
    for format in ("PNG", "TIFF", "WEBP"):
        same(image.open(image.encode(result, format)).getchannel("A"), alpha)
        same(image.open(image.encode(result, format, exif=True, icc=True)).getchannel("A"), alpha)
    assert image.finish(painted, pil()).mode == "RGB"
    with pytest.raises(ImageError, match="resize") as error:
        image.finish(painted, pil(5, 5))
    sentence(error)


def test_yuv():
    x = image.to_tensor(pil())
    yuv = image.rgb_to_yuv(x)
    assert yuv.shape == x.shape and torch.equal(yuv[:, :1], image.luma(x))
    torch.testing.assert_close(image.yuv_to_rgb(yuv), x)
    primaries = torch.tensor([[1, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0], [0, 1, 0], [0, 0, 1]]).reshape(5, 3, 1, 1)
    expected = [
        [1, 0, 0],
        [0.5, 0, 0],
        [0.299, -0.168736, 0.5],
        [0.587, -0.331264, -0.418688],
        [0.114, 0.5, -0.081312],
    ]
    torch.testing.assert_close(image.rgb_to_yuv(primaries).flatten(1), torch.tensor(expected), atol=1e-5, rtol=0)


# -------------------------------------------------------------------------------------------------- writing


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.jpg", "a.jpeg", "a.webp", "a.tif", "a.tiff", "a.bmp"])
def test_save(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"older")
    image.save(pil(), path)
    found = image.open(path)
    same(found, array(), 0 if found.info["format"] in LOSSLESS else 14)
    assert os.listdir(tmp_path) == [name]
    umask = os.umask(0o22)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_failed_save_leaves_everything_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"older")

    def untouched(match: str, target: Path, picture: Image.Image | None = None, **options: object) -> None:
        with pytest.raises(ImageError, match=match) as error:
            image.save(picture or pil(), target, **options)
        assert str(tmp_path) not in sentence(error)
        assert os.listdir(tmp_path) == ["a.png"] and path.read_bytes() == b"older"

    untouched("no suffix", tmp_path / "a.gif")
    untouched("no suffix", tmp_path / "a")
    untouched("folder", tmp_path / "nowhere" / "a.png")
    untouched("mode|RGB", path, Image.new("L", (4, 4)))
    untouched("quality", tmp_path / "b.jpg", quality=0)
    untouched("16383", tmp_path / "b.webp", Image.new("RGB", (16_384, 1)))
    untouched("65500", tmp_path / "b.jpg", Image.new("RGB", (65_501, 1)))

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    untouched("no space left on device", path)
    monkeypatch.undo()
    path.unlink()
    (tmp_path / "a.png").mkdir()
    with pytest.raises(ImageError, match="can't be written") as error:
        image.save(pil(), tmp_path / "a.png")
    sentence(error)
    assert os.listdir(tmp_path) == ["a.png"]


def test_a_disk_that_fills_up_while_writing(tmp_path):
    path = tmp_path / "a.bmp"
    path.write_bytes(b"older")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # the write stops after 1000 bytes
    try:
        with pytest.raises(ImageError, match="a.bmp can't be written") as error:
            image.save(pil(), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    sentence(error)
    assert os.listdir(tmp_path) == ["a.bmp"] and path.read_bytes() == b"older"


def test_encode():
    half = Image.fromarray(np.dstack([np.zeros((8, 8, 3), np.uint8), np.full((8, 8), 128, np.uint8)]))
    for format in ("JPEG", "jpg", "BMP"):
        same(image.open(image.encode(half, format)), np.full((8, 8, 3), 127), 3)  # on white
    assert half.mode == "RGBA" and half.info == {}
    assert len(image.encode(pil(200, 200), "JPEG", quality=20)) < len(image.encode(pil(200, 200), "JPEG")) / 2
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "somebody")
    tagged = Image.open(io.BytesIO(stored(pil(), pnginfo=info, dpi=(300, 300))))
    tagged.info["comment"] = "somebody"
    for format in ("PNG", "JPEG", "WEBP", "TIFF", "BMP"):
        data = image.encode(tagged, format)
        assert b"somebody" not in data
        assert b"somebody" not in image.encode(image.open(tagged), format, exif=True, icc=True)
    for options, match in (
        ({"format": "GIF"}, "GIF"),
        ({"format": "exe"}, "exe"),
        ({"quality": 101}, "101"),
        ({"quality": "best"}, "best"),
    ):
        with pytest.raises(ImageError, match=match) as error:
            image.encode(pil(), **options)
        sentence(error)


@pytest.mark.parametrize("rows", [1, 5, 24, 100])
def test_encode_tiff16(rows):
    deep = np.random.default_rng(0).integers(0, 65536, (24, 32, 3), dtype=np.uint16)

    def write(info: dict | None = None, **options: bool) -> bytes:
        strips = (deep[top : top + rows] for top in range(0, 24, rows))
        return image.encode_tiff16(strips, (32, 24), rows, info or {}, **options)

    info = image.open(stored(pil(), "JPEG", exif=exif_bytes(6))).info
    for options in ({}, {"icc": True}, {"exif": True}, {"exif": True, "icc": True}):
        data = write(info, **options)
        assert (tifffile.imread(io.BytesIO(data)) == deep).all() and data == write(info, **options)
        found = image.open(data)  # Pillow takes the high byte, and finds what we wrote beside it
        same(found, deep >> 8)
        assert ("source_icc" in found.info) == ("icc" in options)
        before, after = Image.Exif(), Image.Exif()
        before.load(info["exif"])
        after.load(found.info["exif"])  # resolution is always there
        assert after.get(ExifTags.Base.Make) == ("Kamera" if "exif" in options else None)
        if "exif" in options:
            for inner in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
                assert before.get_ifd(inner) and before.get_ifd(inner) == after.get_ifd(inner)
    assert write({}, exif=True) == write()


def test_thumbnail():
    picture = image.open(stored(pil(60, 90), exif=exif_bytes(1)))
    small = image.thumbnail(picture, 30)
    assert small.size == (30, 20) and small.info == picture.info and picture.size == (90, 60)
    assert image.thumbnail(picture, 500).size == (90, 60)
    assert image.thumbnail(Image.new("RGB", (5000, 3)), 100).size == (100, 1)
    with pytest.raises(ImageError) as error:
        image.thumbnail(picture, 0)
    sentence(error)
