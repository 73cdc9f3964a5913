"""How far a colouring is from the photo whose colours were taken away: the figures that people know."""

from __future__ import annotations

from PIL import Image

from artcore import image, metrics
from artcore.tasks import guards

COMPARED = 2**16  # pixels at most that are compared; of four times as many, PSNR and CIEDE2000 tell the same


class ComparisonError(ValueError):
    """Two pictures that can't be compared; the message says what to do."""


def compare(original: Image.Image, result: Image.Image) -> dict[str, float | None]:
    """Compares a picture with the one that it was made from, both reduced to at most :data:`COMPARED` pixels.

    PSNR and SSIM are those of red, green and blue (:func:`artcore.metrics.psnr`): a colouring has the truth's luma. A
    low score is no fault of one that chose another colour: it says how near the guess came to this one truth.

    Args:
        original, result: RGB or RGBA of one size, as :func:`artcore.image.open` gives them.

    Returns:
        "psnr": dB over all three channels, infinite for equal pictures. "ssim": the mean of the channels', 1 for equal
        pictures (Wang et al. 2004), or None where a side has under 11 pixels. "ciede2000": the mean difference (Sharma
        et al. 2005); one just sees 1. "colourfulness" and "colourfulness_original": of either (Hasler and Suesstrunk
        2003); 0 is grey, about 40 a photo.

    Raises:
        ComparisonError: pictures of two sizes.
    """
    if original.size != result.size:
        raise ComparisonError(
            f"A picture of {result.width} x {result.height} is compared with one of {original.width} x"
            f" {original.height} pixel by pixel: give both in one size."
        )
    a, b = (image.to_tensor(guards.small(image.opaque(p), COMPARED)) for p in (original, result))
    return {
        "psnr": float(metrics.psnr(a, b)),
        "ssim": float(metrics.ssim(a, b)) if min(a.shape[-2:]) >= 11 else None,
        "ciede2000": float(metrics.ciede2000(a, b)),
        "colourfulness": float(metrics.colourfulness(b)),
        "colourfulness_original": float(metrics.colourfulness(a)),
    }
