"""A corpus of what nobody should send: bad and odd files, generated, small and the same every time.

``files()`` yields them as (name, bytes, whether they are a picture): True must be painted, False must be refused with
a sentence, None may be either.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np
import tifffile
from PIL import Image, PngImagePlugin

from tests.test_image import array, cmyk_profile, exif_bytes, header, inserted, pil, png, rgb_profile, rows, stored

File = tuple[str, bytes, bool | None]

FORMATS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "GIF": "gif", "BMP": "bmp", "TIFF": "tif"}
PHOTO = stored(pil(24, 32))
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/><script>alert(1)</script></svg>'

# Names that a file may be sent under; what comes of it must not lie elsewhere, nor fail for its name.
NAMES = [
    "../../../etc/passwd.png",
    "..\\..\\windows\\win.png",
    "/etc/passwd",
    "/tmp/absolute.png",
    "C:\\Users\\x.png",
    "a/b/c/d.png",
    "%2e%2e%2f%2e%2e%2fpasswd.png",
    "..",
    ".",
    " ",
    ".png",
    ".hidden.png",
    "nul\0byte.png",
    "new\nline.png",
    "tab\tand\x1bescape.png",
    "long" * 100 + ".png",
    "\N{ARTIST PALETTE}" * 120 + ".png",
    "e\u0301" * 200 + ".png",
    "gnp.\u202eotohp.png",
    "\u200b\ufeff.png",
    "<script>alert(1)</script>.png",
    "$(touch pwned);`id`|x.png",
    "con.png",
    "-rf.png",
    "photo.png/",
    "photo.svg",
    "photo",
    "photo.tar.gz",
    '"quoted".png',
    "{0.__class__}%s%n.png",
]


def files() -> Iterator[File]:
    yield from truncated()
    yield from flipped()
    yield from no_pictures()
    yield from odd_sizes()
    yield from bombs()
    yield from metadata()
    yield from modes()


def sources() -> dict[str, bytes]:
    """A whole picture in every format that is read, BigTIFF among them."""
    made = {suffix: stored(pil(24, 32), kind) for kind, suffix in FORMATS.items()}
    out = io.BytesIO()
    tifffile.imwrite(out, array(24, 32), bigtiff=True, photometric="rgb")
    return made | {"big.tif": out.getvalue()}


def truncated() -> Iterator[File]:
    for suffix, data in sources().items():
        size = len(data)
        for keep in sorted({0, 1, 3, 8, 12, 20, 40, size // 4, size // 2, size * 9 // 10, size - 40}):
            # A stripe of an uncompressed picture that lacks its end is still no whole picture.
            yield f"cut at {keep} of {size}.{suffix}", data[:keep], False if keep <= 20 else None


def flipped() -> Iterator[File]:
    """Damage by chance: a picture, or the sentence."""
    rng = np.random.default_rng(7)
    for suffix, data in sources().items():
        for n in range(4):
            broken = bytearray(data)
            for place in rng.integers(0, len(data), 1 + 4 * n):
                broken[place] = rng.integers(256)
            yield f"damaged {n}.{suffix}", bytes(broken), None


def no_pictures() -> Iterator[File]:
    """Other things under a picture's name; and pictures under another's, which are painted all the same."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("../../evil.txt", "evil")
    for name, data in {
        "text.png": b"not a picture at all\n" * 50,
        "nothing.png": b"",
        "zeros.png": bytes(5000),
        "utf16.png": "picture".encode("utf-16"),
        "drawing.svg": SVG,
        "drawing.png": SVG,
        "entities.svg": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><svg>&e;</svg>',
        "paper.pdf": b"%PDF-1.7\n1 0 obj <</Type/Catalog>> endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
        "paper.png": b"%PDF-1.4\n" + stored(pil(), "JPEG"),
        "archive.jpg": archive.getvalue(),
        "page.gif": b"<!doctype html><html><body onload=alert(1)></body></html>",
        "program.png": b"\x7fELF" + bytes(200),
        "windows.bmp": b"MZ" + bytes(200),
        "packed.png": b"\x1f\x8b\x08" + bytes(50),
        "photoshop.psd": b"8BPS\0\1" + bytes(100),
        "icon.ico": b"\0\0\1\0\1\0\x10\x10" + bytes(100),
        "phone.heic": b"\0\0\0\x18ftypheic" + bytes(100),
        "new.avif": b"\0\0\0\x18ftypavif" + bytes(100),
        "film.mp4": b"\0\0\0\x18ftypisom" + bytes(100),
        "sound.webp": b"RIFF\x24\0\0\0WAVEfmt " + bytes(100),
        "old.jp2": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100),
        "plain.ppm": b"P6 2 2 255\n" + bytes(12),
        "bits.xbm": b"#define x_width 8\n#define x_height 8\nstatic char x_bits[] = {0};",
        "print.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run",
        "array.npy": b"\x93NUMPY\x01\0" + bytes(100),
        "pickle.png": b"\x80\x04cposix\nsystem\n(S'touch pwned'\ntR.",
        "yaml.png": b"!!python/object/apply:os.system ['touch pwned']",
        "script.php.png": b"<?php system($_GET['c']); ?>",
    }.items():
        yield name, data, False
    whole = sources()
    for suffix, other in (
        ("jpg", "png"),
        ("png", "jpg"),
        ("webp", "gif"),
        ("gif", "tif"),
        ("bmp", "svg"),
        ("tif", "pdf"),
    ):
        yield f"really a {suffix}.{other}", whole[suffix], True
    for suffix in ("png", "jpg", "gif"):  # what follows the picture is nobody's business
        yield f"picture and archive.{suffix}", whole[suffix] + archive.getvalue(), True
        yield f"picture and page.{suffix}", whole[suffix] + b"<script>alert(1)</script>", True
    yield "page in a gif.gif", b"GIF89a/*<script>alert(1)</script>*/=1;", False


def odd_sizes() -> Iterator[File]:
    for width, height in ((1, 1), (1, 2), (2, 1), (1, 300), (300, 1), (3, 200), (200, 3), (7, 7)):
        for kind, suffix in FORMATS.items():
            if (width, height) in ((1, 1), (300, 1)) or kind == "PNG":
                yield f"{width}x{height}.{suffix}", stored(pil(height, width), kind), True
    yield "65535x1.png", stored(Image.new("L", (65535, 1), 90)), None


def bombs() -> Iterator[File]:
    """Small files of huge pictures: their heads alone, and some that are whole."""
    large = struct.pack("<I", 100_000)
    yield "12000x12000.png", stored(Image.new("1", (12_000, 12_000))), False
    yield "12000x12000.gif", stored(Image.new("P", (12_000, 12_000)), "GIF"), False
    yield "12000x12000.tif", stored(Image.new("1", (12_000, 12_000)), "TIFF", compression="group4"), False
    for width, height in ((2**31 - 1, 2**31 - 1), (2**31 - 1, 1), (100_000, 100_000), (0, 0), (0, 5), (5, 0)):
        data = png(header(width, height, 8, 2), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b""))
        yield f"head of {width}x{height}.png", data, False
    jpeg = sources()["jpg"]
    start = jpeg.index(b"\xff\xc0") + 5
    for size in (b"\xff\xdc\xff\xdc", b"\0\0\0\0", b"\0\0\0\x20"):
        yield (
            f"head of {size.hex()}.jpg",
            jpeg[:start] + size + jpeg[start + 4 :],
            None if size[:2] == b"\0\0" else False,
        )
    bmp = sources()["bmp"]
    for size in (large + large, struct.pack("<ii", 5, -(2**31)), struct.pack("<ii", 0, 0), struct.pack("<ii", -5, 5)):
        yield f"head of {size.hex()}.bmp", bmp[:18] + size + bmp[26:], False
    gif = sources()["gif"]
    for size in (b"\xff\xff\xff\xff", b"\0\0\0\0"):
        yield f"head of {size.hex()}.gif", gif[:6] + size + gif[10:], None if size[0] == 0 else False
    yield "frame beyond its screen.gif", gif[:6] + b"\1\0\1\0" + gif[10:], None
    tiff = bytearray(sources()["tif"])
    for tag in (256, 257):  # width and height
        place = tiff.index(struct.pack("<H", tag), struct.unpack_from("<I", tiff, 4)[0])
        tiff[place + 2 : place + 12] = struct.pack("<HII", 4, 1, 100_000)
    yield "head of 100000x100000.tif", bytes(tiff), False
    extended = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\xff\xff" * 2
    lossless = b"VP8L" + struct.pack("<I", 10) + b"\x2f" + struct.pack("<I", 2**28 - 1) + bytes(5)
    for size, head in (("16777216x16777216", extended), ("16384x16384", lossless)):
        yield f"head of {size}.webp", b"RIFF" + struct.pack("<I", 4 + len(head)) + b"WEBP" + head, False


def metadata() -> Iterator[File]:
    """Pictures that are whole, with something hostile beside: they are painted, or refused with a sentence."""
    photo, bomb = PHOTO, zlib.compress(bytes(50_000_000), 9)
    for kind, body in {
        "text": (b"tEXt", b"Comment\0" + b"x" * 2_000_000),
        "text bomb": (b"zTXt", b"Comment\0\0" + bomb),
        "international bomb": (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb),
        "profile bomb": (b"iCCP", b"icc\0\0" + bomb),
        "broken profile": (b"iCCP", b"icc\0\0" + zlib.compress(b"no profile at all")),
        "profile that is cut": (b"iCCP", b"icc\0\0" + zlib.compress(rgb_profile())[:40]),
        "no end of a name": (b"tEXt", b"x" * 500),
        "unknown": (b"quIx", bytes(100)),
        "cheap exif": (b"eXIf", b"no exif"),
        "gamma": (b"gAMA", bytes(4)),
        "two headers": header(5, 5, 8, 2),
        "laughs": (
            b"iTXt",
            b"XML:com.adobe.xmp\0\0\0\0\0<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><x>&b;</x>",
        ),
    }.items():
        yield f"{kind}.png", inserted(photo, *body), None
        yield f"{kind}, damaged.png", inserted(photo, *body, crc=1), None
    many = PngImagePlugin.PngInfo()
    for n in range(3000):
        many.add_text(f"key {n}", "value")
    yield "3000 texts.png", stored(pil(), pnginfo=many), True
    for orientation in (0, 9, 255, 65535):
        yield f"orientation {orientation}.jpg", stored(pil(), "JPEG", exif=exif_bytes(orientation)), True
    for name, exif in loops().items():
        for kind in ("JPEG", "PNG", "WEBP"):
            yield f"{name}.{FORMATS[kind]}", stored(pil(), kind, exif=b"Exif\0\0" + exif), True
    for name, profile in {
        "no profile": b"nothing",
        "profile of zeros": bytes(200),
        "profile of too many tags": rgb_profile()[:128] + b"\xff" * 4 + rgb_profile()[132:],
        "profile for another kind": cmyk_profile(),
        "profile that lies": rgb_profile()[:200],
    }.items():
        for kind in ("JPEG", "PNG", "TIFF", "WEBP"):
            yield f"{name}.{FORMATS[kind]}", stored(pil(), kind, icc_profile=profile), True
    jpeg = sources()["jpg"]
    for name, segments in {
        "segments without end": b"".join(b"\xff\xe5\xff\xff" + bytes(65533) for _ in range(20)),
        "comments": b"".join(b"\xff\xfe\x00\x06evil" for _ in range(500)),
        "xmp": b"\xff\xe1"
        + struct.pack(">H", 2 + 29 + 40_000)
        + b"http://ns.adobe.com/xap/1.0/\0"
        + b"<x>"
        + b"y" * 39_997,
        "segment of length 0": b"\xff\xe1\0\0",
        "segment beyond the end": b"\xff\xe1\xff\xffExif\0\0",
    }.items():
        yield f"{name}.jpg", jpeg[:2] + segments + jpeg[2:], None
    tiff = sources()["tif"]
    first = struct.unpack_from("<I", tiff, 4)[0]
    (count,) = struct.unpack_from("<H", tiff, first)
    following = first + 2 + 12 * count
    yield "directory after itself.tif", tiff[:following] + struct.pack("<I", first) + tiff[following + 4 :], None
    yield "directory nowhere.tif", tiff[:4] + struct.pack("<I", 2**31) + tiff[8:], False
    yield "directory of 65535.tif", tiff[:first] + b"\xff\xff" + tiff[first + 2 :], None
    yield "no directory.tif", tiff[:4] + bytes(4) + tiff[8:], False


def loops() -> dict[str, bytes]:
    """EXIF whose directories lead to themselves, or nowhere."""

    def directory(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
        body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
        return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + struct.pack("<I", following)

    return {
        "exif in itself": directory((0x8769, 4, 1, 8)),
        "gps in itself": directory((0x8825, 4, 1, 8), following=8),
        "next is first": directory((0x0112, 3, 1, 6), following=8),
        "exif nowhere": directory((0x8769, 4, 1, 2**31)),
        "values beyond": directory((0x010F, 2, 2**31, 2**31), (0x0110, 2, 60_000, 8)),
        "more entries than there are": b"II*\0\x08\0\0\0\xff\xff" + bytes(30),
        "rational by nought": directory((0x011A, 5, 1, 8)),
    }


def modes() -> Iterator[File]:
    """Pictures that are whole, of every kind: all are painted."""
    grey = array(24, 32, 1)[..., 0]
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I"):
        picture = pil(24, 32).convert("L").convert(mode) if mode.startswith("I") else pil(24, 32).convert(mode)
        yield f"mode {mode.replace(';', '')}.png", stored(picture), True
    yield "mode CMYK.jpg", stored(pil().convert("CMYK"), "JPEG"), True
    yield "mode L.jpg", stored(pil().convert("L"), "JPEG"), True
    for mode in ("CMYK", "LAB", "F", "1", "I;16"):
        yield (
            f"mode {mode.replace(';', '')}.tif",
            stored(pil().convert("L" if mode[0] in "FI" else "RGB").convert(mode), "TIFF"),
            True,
        )
    for name, values in {
        "NaN": np.full((24, 32), np.nan, np.float32),
        "infinite": np.full((24, 32), np.inf, np.float32),
        "huge": grey.astype(np.float32) * 1e30,
        "negative": -grey.astype(np.float32),
        "deep": grey.astype(np.uint32) << 20,
    }.items():
        yield f"{name}.tif", stored(Image.fromarray(values), "TIFF"), True
    deep = (np.arange(24 * 32 * 3, dtype=np.uint16).reshape(24, 96) * 20).astype(">u2")
    yield "16 bit colour.png", png(header(32, 24, 16, 2), rows(deep), (b"IEND", b"")), True
    palette = pil(24, 32).convert("P", palette=Image.Palette.ADAPTIVE)
    yield "transparent palette.png", stored(palette, transparency=bytes(range(256))), True
    yield "transparent palette.gif", stored(palette, "GIF", transparency=3), True
    frames = [Image.new("RGBA", (32, 24), colour) for colour in ("red", "#00ff0080", "#0000")]
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        data = stored(frames[0], kind, save_all=True, append_images=frames[1:])
        yield f"animated.{FORMATS[kind]}", data, True
    clear = Image.new("RGBA", (32, 24), (255, 0, 0, 0))
    yield "nothing to be seen.png", stored(clear), True
    yield "nothing to be seen.webp", stored(clear, "WEBP", lossless=True), True
