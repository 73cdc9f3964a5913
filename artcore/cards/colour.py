"""The figures and the card of a colouriser.

A grey picture has many plausible colourings, and the truth is only one of them: several seeds are asked for, and the
best of them counts, beside how different they are. Three baselines stand beside every figure, since an error alone says
nothing: the grey picture as it was; the mean chroma of every level of luma, which is the sepia of a net that plays it
safe; and as many tints as there are seeds, the best of which needs no net to come near a picture of few colours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from artcore import image, metrics
from artcore.cards import scores
from artcore.cards.scores import CardError
from artcore.tasks import sheets

METHODS = ("colorunet",)
TITLE = "a colouriser"
NAME = "colorunet.general"  # for instance
METRICS = ("ciede2000", "psnr", "ssim", "colourfulness")
SEEDS, EXAMPLE_SEEDS = 10, 5
BEST_OF = (1, 5, 10)
SIZE = 224  # short side in pixels, that of most files in colour/
MOST, MOST_TRAINED = 16, 200  # pictures of a group, evenly spaced: to judge, and for the mean chroma
FOLDERS, HOLD_BACK = ("colour", "photos"), 20  # every k-th file of either, as training.data.split does
GROUPS = {"flowers": "flower_", "varied": ""}  # by how the name of a file begins; "" is all the others
LEVELS = 64  # of luma
HUES, TINTS = 10, (0.04, 0.08)  # evenly spaced on circles of U and V with these radii

EXAMPLES = f"""\
compared at half of it; seeds 0 to {EXAMPLE_SEEDS - 1}, and the mean chroma of the other five photos. Six photos tell a
broken checkpoint, not a good one from a better."""
MEANING = (
    "CIEDE2000 is an error (one just sees 1), as is the distance to the truth's colourfulness; PSNR in dB and SSIM are "
    "better the higher; the difference between seeds is neither."
)
HEADS = ("pictures", "short side", "figure")


# ------------------------------------------------------------------------------------------------ pictures


def groups(folder: Path) -> dict[str, tuple[list[Path], list[Path]]]:
    """(trained on, held back) of each group that the folder has both of."""
    rooms = [folder / room for room in FOLDERS if (folder / room).is_dir()]
    found = {}
    for name, start in GROUPS.items():
        others = tuple(s for s in GROUPS.values() if s != start and s)
        sets: tuple[list[Path], list[Path]] = ([], [])
        for room in rooms:
            for files, chosen in zip(sets, scores.split(scores.pictures(room), HOLD_BACK), strict=True):
                files += [f for f in chosen if (f.name.startswith(start) if start else not f.name.startswith(others))]
        if all(sets):
            found[name] = sets
    if not found:
        raise CardError(f"{folder.name} has no pictures to judge a colouriser by: put some into colour/ or photos/.")
    return found


def check(folder: Path, name: str) -> None:
    """Raises CardError where the folder can't judge it."""
    groups(folder)


def data(folder: Path, name: str) -> tuple[str, tuple[str, ...]]:
    """What was there to train on and held back, and the rows of the data's own table that belong to it."""
    found = groups(folder)
    if name.endswith(".flowers"):  # trained on those alone
        found = {group: sets for group, sets in found.items() if group == "flowers"} or found
    text = "; ".join(f"{len(t)} pictures of {g} to train on, {len(h)} held back" for g, (t, h) in found.items())
    files = [f for sets in found.values() for f in sets[0]]
    # The table tells the photos apart by how their names begin.
    rows = {f"photos ({f.name.split('_')[0]}_*)" if f.is_relative_to(folder / "photos") else "colour" for f in files}
    return f"{text} (every {HOLD_BACK}th file of a folder).", tuple(sorted(rows))


def judged(folder: Path, name: str) -> Iterable[Path]:
    """The files that the figures depend on."""
    return [f for sets in groups(folder).values() for files in sets for f in files]


def grey(truth: Tensor) -> Tensor:
    """(1, 3, H, W) of the luma alone, in eight bits: all that the net is told."""
    return (image.luma(truth).expand(-1, 3, -1, -1) * 255).round() / 255


def mean_chroma(pictures: Iterable[Tensor]) -> Tensor:
    """(LEVELS, 2): the mean U and V of the pixels of each level of luma; 0, grey, where there are none."""
    total = torch.zeros(LEVELS, 3)
    for picture in pictures:
        y, u, v = image.rgb_to_yuv(picture)[0].flatten(1)
        total.index_add_(0, _level(y), torch.stack([torch.ones_like(y), u, v], 1))
    return total[:, 1:] / total[:, :1].clamp(min=1)


def in_mean_chroma(truth: Tensor, table: Tensor) -> Tensor:
    """The picture's luma with the mean chroma, (1, 3, H, W), in eight bits."""
    luma = image.luma(truth)
    chroma = table[_level(luma)[0, 0]].permute(2, 0, 1)[None]
    return (image.yuv_to_rgb(torch.cat([luma, chroma], 1)).clamp(0, 1) * 255).round() / 255


def tinted(truth: Tensor, radius: float) -> Tensor:
    """(HUES, 3, H, W): the picture's luma in one colour all over, in eight bits."""
    angle = torch.arange(HUES) * (2 * math.pi / HUES)
    chroma = radius * torch.stack([angle.cos(), angle.sin()], 1)[:, :, None, None].expand(-1, -1, *truth.shape[2:])
    yuv = torch.cat([image.luma(truth).expand(HUES, -1, -1, -1), chroma], 1)
    return (image.yuv_to_rgb(yuv).clamp(0, 1) * 255).round() / 255


def _level(luma: Tensor) -> Tensor:
    return (luma * (LEVELS - 1)).round().long()


# ------------------------------------------------------------------------------------------------ figures


def best_of(values: Tensor, count: int, *, largest: bool = False) -> float:
    """The best of `count` of the N values that is to be expected, over all choices of so many among them.

    The smallest of the N is one draw of what K seeds give; the mean over all choices wastes no seed:
    E = sum of v(i) C(N - i, K - 1) / C(N, K) over the values in order, i from 1.
    """
    ordered, total = values.sort(descending=largest).values.tolist(), len(values)
    shares = (math.comb(total - i, count - 1) / math.comb(total, count) for i in range(1, total + 1))
    return math.fsum(v * share for v, share in zip(ordered, shares, strict=True))


def score(task: object, truths: Sequence[Tensor], tables: Sequence[Tensor], seeds: int = SEEDS) -> scores.Figures:
    """What a colouriser makes of the grey of pictures, with seeds 0 to `seeds` - 1, beside the baselines.

    task: has `seeds(picture, seeds)`, which yields a colouring for each, and that an `image()`. truths: (1, 3, H, W)
    in [0, 1]. tables: for each the `mean_chroma` to compare with. All figures are means over the pictures, compared at
    half their size.
    """
    counts = [k for k in BEST_OF if k <= seeds]
    rows = [_measure(task, truth, table, seeds, counts) for truth, table in zip(truths, tables, strict=True)]
    return {
        figure: {column: math.fsum(row[figure][column] for row in rows) / len(rows) for column in columns}
        for figure, columns in rows[0].items()
    }


def _measure(task: object, truth: Tensor, table: Tensor, seeds: int, counts: Sequence[int]) -> scores.Figures:
    flat, safe = grey(truth), in_mean_chroma(truth, table)
    made = torch.cat([scores.tensor(c.image()) for c in task.seeds(image.to_pil(flat), range(seeds))])
    # JPEG keeps no finer colour than this, and CIEDE2000 is slow.
    tints = {f"best tint of {r}": F.avg_pool2d(tinted(truth, r), 2) for r in TINTS}
    truth, flat, safe, made = (F.avg_pool2d(x, 2) for x in (truth, flat, safe, made))
    lab, target = metrics.rgb_to_lab(made), metrics.rgb_to_lab(truth)
    between = [metrics.delta_e_2000(lab[i : i + 1], lab[i + 1 :]).mean((1, 2)) for i in range(seeds - 1)]
    colourful = {
        "K = 1": metrics.colourfulness(made).mean().item(),
        "grey copied": metrics.colourfulness(flat).item(),
        "mean chroma": metrics.colourfulness(safe).item(),
        "truth": metrics.colourfulness(truth).item(),
    }
    figures = {}
    for figure, measure, largest in (
        ("CIEDE2000", None, False),
        ("PSNR, dB", metrics.psnr, True),
        ("SSIM", metrics.ssim, True),
    ):

        def each(x: Tensor, measure: Callable | None = measure) -> Tensor:
            if measure is not None:
                return measure(x, truth.expand_as(x))
            known = lab if x is made else metrics.rgb_to_lab(x)
            return metrics.delta_e_2000(known, target).mean((1, 2))

        ours = each(made)
        figures[figure] = {_best(k): best_of(ours, k, largest=largest) for k in counts}
        figures[figure] |= {"grey copied": each(flat).item(), "mean chroma": each(safe).item()}
        figures[figure] |= {name: best_of(each(x), counts[-1], largest=largest) for name, x in tints.items()}
    figures["CIEDE2000 between seeds"] = {"K = 1": torch.cat(between).mean().item()}
    figures["colourfulness"] = colourful
    return figures


def _best(count: int) -> str:
    return "K = 1" if count == 1 else f"best of {count}"


def full_score(task: object, folder: Path, *, keep: dict | None = None) -> Iterator[str]:
    """A table in Markdown of each group of held-back pictures in `folder`; into `keep` the figures for a comparison.

    The mean chroma is that of pictures of the same group that were trained on. Raises CardError where there are none.
    """
    if not folder.is_dir():
        raise CardError(f"There is no folder {str(folder)!r}: give one with colour/ and photos/ in it.")
    for group, (trained, held) in groups(folder).items():
        trained, held = scores.evenly(trained, MOST_TRAINED), scores.evenly(held, MOST)
        table = mean_chroma(_small(file, SIZE // 2) for file in trained)
        found = score(task, [_small(file, SIZE) for file in held], [table] * len(held))
        if keep is not None:
            keep[group] = {f"{SIZE} px": _flat(found)}
        share = found["colourfulness"]["K = 1"] / found["colourfulness"]["truth"]
        row = found["CIEDE2000"]
        yield (
            f"On {len(held)} held-back pictures of {group} (short side {SIZE} px, compared at half of it), seeds 0 to "
            f"{SEEDS - 1}. K = 1 is one seed, best of K what the best of so many is expected to be. Mean chroma: of "
            f"every level of luma in {len(trained)} pictures that were trained on. Best tint: of {HUES} hues laid over "
            f"all of the grey, {TINTS[0]} or {TINTS[1]} from it in U and V, without any net. PSNR and SSIM are those "
            f"of red, green and blue. The best of {SEEDS} is {row[_best(SEEDS)] / row['grey copied']:.0%} of grey's "
            f"CIEDE2000; colourfulness is {share:.0%} of the truth's.\n\n{scores.table(found, group)}"
        )


def _small(file: Path, size: int) -> Tensor:
    return scores.tensor(scores.canvas(file, size))


def _flat(found: scores.Figures) -> dict[str, float]:
    """The net's own figures, for a comparison of trainings."""
    columns = [_best(k) for k in BEST_OF]
    rows = {f"{name}, {c}": row[c] for name, row in found.items() for c in columns if c in row}
    error = abs(found["colourfulness"]["K = 1"] - found["colourfulness"]["truth"])
    return rows | {"distance to the truth's colourfulness": error}


def figures(task: object, folder: Path, name: str) -> Iterable[str]:
    """The tables of the full score."""
    return full_score(task, folder)


def examples(task: object, name: str) -> scores.Figures:
    """The figures that the tests recompute. The mean chroma of each photo is that of the others."""
    truths = [_small(file, scores.EXAMPLE_SIZE) for file in scores.example_photos()]
    tables = [mean_chroma(t for t in truths if t is not truth) for truth in truths]
    return score(task, truths, tables, EXAMPLE_SEEDS)


# ------------------------------------------------------------------------------------------------ words, pictures


def words(task: object, label: str, source: str) -> dict:
    """What the card says of this kind of net, for its template."""
    return {
        "tags": ["colorization"],
        "does": "Colours a grey picture, at any size, on a plain processor: plausibly, not truly.",
        "controls": "The seed chooses among the colourings that it can think of; luma stays the picture's own.",
        "alt": "For three photos their grey, which is all that the net was told, what it made of it with seeds 0 to 3, "
        "and the truth",
        "use": f'colours = artcore.load("{source}")\ncolours("grey.jpg", seed=7).save("coloured.png")\n'
        'sheet = list(colours.seeds("grey.jpg", range(10)))  # ten guesses\n',
        "limits": _LIMITS.format(size=task.model.size),
    }


def history(task: object, name: str) -> str:
    """What was before this net."""
    return ""


def _cut(file: Path, width: int, height: int) -> Image.Image:
    return scores.crop(file, width, height).resize((width, height), Image.Resampling.LANCZOS)


def sample_sheet(task: object, name: str) -> Image.Image:
    """Three example photos in rows: grey, the first four seeds, the truth."""
    cells: list[Image.Image] = []
    for file in scores.example_photos()[-3:]:
        truth = _cut(file, 384, 256)
        told = image.to_pil(grey(scores.tensor(truth)))
        cells += [told, *(colouring.image() for colouring in task.seeds(told, range(4))), truth]
    labels = ["grey", *(f"seed {n}" for n in range(4)), "truth"] * (len(cells) // 6)
    return sheets.contact_sheet(cells, labels, columns=6, side=256)


def thumbnail(task: object) -> Image.Image:
    """One example photo, the same for every colouriser, half of it still grey: 256 x 256."""
    photos = {p.stem: p for p in scores.example_photos()}
    photo = _cut(photos.get("photo_window_flowers", next(iter(photos.values()))), 256, 256)
    told = image.to_pil(grey(scores.tensor(photo)))
    coloured = task(told, seed=0).convert("RGB")
    coloured.paste(told.crop((0, 0, 128, 256)), (0, 0))
    return coloured


_LIMITS = """\
- Colours are guesses: what colour a dress, a car or a flag had is not in a grey picture. Nothing that it makes is
  evidence of how something looked; say so wherever a coloured picture is shown.
- The seeds are different guesses of one net that knows few things; the truth may be none of them.
- It learned from small photos (a short side of 288 px at most) of our time: what they hold often (sky, grass, skin,
  flowers) it colours with more certainty than what they hold seldom, and old photos with grain, stains or other greys
  than a digital camera's less well.
- It decides at a short side of {size} px, and colour is carried to the full size along the picture's edges: what is
  thinner than that takes its neighbours' colours.
- The colour of skin is guessed like every other: it says nothing about a person.
"""
