"""Sheets of a run: what is on them and where, what the animation shows, and what is refused."""

from __future__ import annotations

import io
import math
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageColor

from artcore.image import ImageError
from artcore.tasks import sheets
from artcore.tasks.sheets import Album, SheetError

RED, GREEN, BLUE, WHITE = (200, 0, 0), (0, 160, 0), (0, 0, 200), (255, 255, 255)


def plain(colour: tuple, size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.new("RGB", size, colour)


def boxes(sheet: Image.Image, colour: tuple) -> list[tuple[int, int, int, int]]:
    """Boxes (left, top, right, bottom) of a colour's rectangles, in reading order."""
    mask = np.all(np.asarray(sheet) == colour, -1)
    found = []
    while mask.any():
        y, x = np.argwhere(mask)[0]
        right, bottom = x, y
        while right < mask.shape[1] and mask[y, right]:
            right += 1
        while bottom < mask.shape[0] and mask[bottom, x]:
            bottom += 1
        mask[y:bottom, x:right] = False
        found.append((int(x), int(y), int(right), int(bottom)))
    return found


def ink(sheet: Image.Image, box: tuple[int, int, int, int], colour: str = sheets.INK) -> int:
    """How many pixels of a part are nearly of a colour."""
    part = np.asarray(sheet.crop(box)).astype(int)
    return int((abs(part - ImageColor.getrgb(colour)).max(-1) < 40).sum())


def snapshot(step: int, image: Image.Image | None = None, **losses: float) -> SimpleNamespace:
    return SimpleNamespace(step=step, losses=losses or {"style": 1 / step}, image=image)


# --- natural order ----------------------------------------------------------------------------------------


def test_names_are_sorted_as_people_count():
    names = ["step_10.png", "step_2.png", "Step_1.png", "2", "10", "a", "step", "1b", "1a2", "1a10"]
    expected = ["1a2", "1a10", "1b", "2", "10", "a", "step", "Step_1.png", "step_2.png", "step_10.png"]
    assert sheets.natural_sort(names) == expected


def test_digits_that_are_no_numbers_do_not_stop_the_sort():
    assert sheets.natural_sort(["a²", "a10", "a9"]) == ["a9", "a10", "a²"]


# --- contact sheet ----------------------------------------------------------------------------------------


def test_contact_sheet_has_the_originals_first_then_the_pictures_in_rows_with_labels_below():
    sheet = sheets.contact_sheet(
        [plain(BLUE)] * 3, ["1 · step 10", "2", "3"], 3, beside=[("photo", plain(RED)), ("painting", plain(GREEN))]
    )
    (red,), (green,), blue = boxes(sheet, RED), boxes(sheet, GREEN), boxes(sheet, BLUE)
    assert red[1] == green[1] == blue[0][1] and red[2] < green[0] < blue[0][0]
    assert blue[1][1] == blue[2][1] > red[3] and blue[1][0] == red[0]
    assert all(box[2] - box[0] == 64 and box[3] - box[1] == 48 for box in (red, green, *blue))  # never enlarged
    for box in (red, green, *blue):
        assert ink(sheet, (box[0], box[3], box[2], box[3] + 24)) > 3, box


def test_pictures_are_made_small_and_standing_ones_stay_in_their_cell():
    sheet = sheets.contact_sheet([plain(RED, (400, 200)), plain(BLUE, (100, 400))], side=80)
    (red,), (blue,) = boxes(sheet, RED), boxes(sheet, BLUE)
    assert (red[2] - red[0], red[3] - red[1]) == (80, 40)
    assert (blue[2] - blue[0], blue[3] - blue[1]) == (20, 80)
    assert red[2] <= blue[0] or red[3] <= blue[1]


def test_without_labels_the_pictures_are_numbered():
    numbered, given = sheets.contact_sheet([plain(RED)] * 12), sheets.contact_sheet([plain(RED)] * 12, range_of(12))
    assert numbered.tobytes() == given.tobytes()


def range_of(count: int) -> list[str]:
    return [str(n) for n in range(1, count + 1)]


def test_a_folder_is_read_in_natural_order_with_its_names(tmp_path):
    colours = {"step_2.png": RED, "step_10.png": GREEN, "step_1.webp": BLUE}
    for name, colour in colours.items():
        plain(colour).save(tmp_path / name, lossless=True)
    (tmp_path / "notes.txt").write_text("no picture")
    sheet = sheets.contact_sheet(tmp_path, columns=3)
    first, second, third = (boxes(sheet, c)[0] for c in (BLUE, RED, GREEN))
    assert first[0] < second[0] < third[0]
    ordered = [plain(BLUE), plain(RED), plain(GREEN)]
    assert sheet.tobytes() == sheets.contact_sheet(ordered, ["step_1", "step_2", "step_10"], 3).tobytes()


def test_a_long_label_is_cut_at_its_cell():
    sheet = sheets.contact_sheet([plain(RED), plain(BLUE)], ["w" * 200, "b"], 2)
    (red,), (blue,) = boxes(sheet, RED), boxes(sheet, BLUE)
    assert ink(sheet, (red[2] + 1, red[3], blue[0] - 1, red[3] + 24)) == 0


def test_transparent_parts_show_paper():
    sheet = sheets.contact_sheet([Image.new("RGBA", (40, 40), (0, 0, 0, 0))], [""])
    assert sheet.getcolors() == [(sheet.width * sheet.height, ImageColor.getrgb(sheets.PAPER))]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"pictures": []}, "no pictures"),
        ({"pictures": "{empty}"}, "no pictures"),
        ({"pictures": "{empty}/nowhere"}, "no pictures"),
        ({"pictures": [plain(RED)], "labels": ["a", "b"]}, "2 labels for 1 pictures"),
        ({"pictures": [plain(RED)], "columns": 0}, "columns is 0"),
        ({"pictures": [plain(RED)], "columns": 1.5}, "columns is 1.5"),
        ({"pictures": [plain(RED)], "side": 3}, "side is 3"),
    ],
)
def test_sheets_that_make_no_sense(tmp_path, given, sentence):
    given = {k: v.format(empty=tmp_path) if isinstance(v, str) else v for k, v in given.items()}
    with pytest.raises(SheetError, match=sentence):
        sheets.contact_sheet(**given)


def test_a_damaged_picture_is_named(tmp_path):
    (tmp_path / "torn.png").write_bytes(b"nothing")
    with pytest.raises(ImageError, match="torn.png"):
        sheets.contact_sheet(tmp_path)


# --- animation --------------------------------------------------------------------------------------------


def test_animation_repeats_and_holds_the_last_and_enlarges_coarse_stages():
    data = sheets.animation([plain(RED, (32, 24)), plain(GREEN), plain(BLUE)], seconds=0.2, hold=1.5)
    film = Image.open(io.BytesIO(data))
    assert (film.format, film.n_frames, film.size, film.info["loop"]) == ("WEBP", 3, (64, 48), 0)
    times = []
    for n, colour in enumerate((RED, GREEN, BLUE)):
        film.seek(n)
        film.load()
        times.append(film.info["duration"])
        assert np.abs(np.asarray(film.convert("RGB")).astype(int) - colour).max() < 12
    assert times == [200, 200, 1500]


def test_animation_of_one_picture_and_of_none():
    assert Image.open(io.BytesIO(sheets.animation([plain(RED)]))).size == (64, 48)
    assert Image.open(io.BytesIO(sheets.animation([plain(RED, (2000, 1000))] * 2, side=100))).size == (100, 50)
    with pytest.raises(SheetError, match="no pictures to animate"):
        sheets.animation([])
    for wrong in ({"seconds": 0}, {"hold": math.nan}, {"hold": -1}, {"seconds": math.inf}):
        with pytest.raises(SheetError, match="give a number above 0"):
            sheets.animation([plain(RED)], **wrong)


# --- loss curves ------------------------------------------------------------------------------------------


def curve(plot: Image.Image, colour: str) -> dict[int, float]:
    """{column: mean row} of a curve's pixels, within the axes."""
    near = abs(np.asarray(plot).astype(int) - ImageColor.getrgb(colour)).max(-1) < 60
    near[:40] = near[486:] = False
    return {x: float(np.flatnonzero(near[:, x]).mean()) for x in range(100, 840) if near[:, x].any()}


def test_a_tenfold_fall_is_the_same_way_down_everywhere():
    """The axis is logarithmic: 1, 0.1, 0.01 lie on a straight line."""
    plot = sheets.loss_plot([(step, {"style": 10.0**-step}) for step in range(5)])
    line = curve(plot, sheets.CURVES[0])
    slope = [(line[b] - line[a]) / (b - a) for a, b in ((150, 300), (600, 750))]
    assert slope[0] > 0 and slope[0] == pytest.approx(slope[1], rel=0.05)


def test_every_curve_has_its_name_and_names_do_not_cover_each_other():
    history = [(step, {"style": 1.0, "content": 1.001, "smoothness": 1.002}) for step in range(1, 5)]
    plot = sheets.loss_plot(history)
    rows = []
    for colour in sheets.CURVES[:3]:
        near = abs(np.asarray(plot.crop((864, 0, 960, 540))).astype(int) - ImageColor.getrgb(colour)).max(-1) < 24
        found = np.flatnonzero(near.any(1))
        assert len(found) >= 7, colour
        rows.append((found.min(), found.max()))
    rows.sort()
    assert rows[0][1] < rows[1][0] and rows[1][1] < rows[2][0]


def test_what_a_logarithm_cannot_show_is_left_out():
    history = [(1, {"content": 0.0, "style": 5.0}), (2, {"content": math.nan, "style": math.inf})]
    history += [(step, {"content": 1e-3, "style": 4.0}) for step in (3, 4)]
    plot = sheets.loss_plot(history)
    line = curve(plot, sheets.CURVES[0])
    assert min(x for x in line) > 300  # content begins with step 3 of 1..4
    assert sheets.loss_plot([(7, {"style": 2.0})]).size == (960, 540)  # one point of one curve
    for nothing in ([], [(1, {})], [(1, {"style": 0.0}), (2, {"style": -1.0})]):
        with pytest.raises(SheetError, match="no losses to draw"):
            sheets.loss_plot(nothing)
    with pytest.raises(SheetError, match="at least 320 x 200"):
        sheets.loss_plot(history, width=100)


def test_numbers_on_the_axes():
    assert [sheets._number(v) for v in (1e-9, 1e-3, 0.02, 1, 20, 5000, 3e6)] == [
        "1e-9", "0.001", "0.02", "1", "20", "5,000", "3e6",
    ]  # fmt: skip
    assert list(sheets._steps(1, 300)) == [50, 100, 150, 200, 250, 300]
    assert list(sheets._steps(1, 4)) == [1, 2, 3, 4]
    assert [round(10**m, 6) for m in sheets._marks(-2.2, 0.1)] == [0.01, 0.1, 1.0]
    assert [round(10**m, 6) for m in sheets._marks(0, 0.8)] == [1.0, 2.0, 5.0]


# --- sweep ------------------------------------------------------------------------------------------------


def test_sweep_paints_every_combination_in_its_cell():
    asked = []

    def run(changes: dict):
        asked.append(changes)
        yield SimpleNamespace(image=None)
        yield SimpleNamespace(image=plain((changes["style"] * 10, changes["smoothness"] * 10, 0)))

    steps = list(sheets.sweep(run, ("style", [1, 10, 20]), ("smoothness", [2, 5]), beside=[("photo", plain(BLUE))]))
    assert asked == [{"style": a, "smoothness": b} for b in (2, 5) for a in (1, 10, 20)]
    assert [s.done for s in steps if s.sheet] == [1, 2, 3, 4, 5, 6] and steps[-1].total == 6
    assert len(steps) == 18  # every snapshot is a moment to stop at
    sheet = steps[-1].sheet
    (photo,) = boxes(sheet, BLUE)
    cells = [[boxes(sheet, (a * 10, b * 10, 0))[0] for a in (1, 10, 20)] for b in (2, 5)]
    assert photo[3] < cells[0][0][1] and cells[0][0][3] < cells[1][0][1]
    assert cells[0][0][2] < cells[0][1][0] and cells[0][1][2] < cells[0][2][0]
    assert {row[c][0] for row in cells for c in (0,)} == {cells[0][0][0]}
    for box in cells[0]:  # the head of each column, above it
        assert ink(sheet, (box[0], box[1] - 24, box[2], box[1])) > 20
    for row in cells:  # and of each row, before it
        assert ink(sheet, (0, row[0][1], row[0][0], row[0][3])) > 20
    half = next(s.sheet for s in steps if s.sheet)
    assert half.size == sheet.size and len(boxes(half, ImageColor.getrgb(sheets.RULE))) == 5  # still to come


def test_sweep_over_one_option():
    run = lambda changes: [SimpleNamespace(image=plain(RED if changes["loss"] == "gram" else BLUE))]  # noqa: E731
    sheet = list(sheets.sweep(run, ("loss", ["gram", "moments"])))[-1].sheet
    (red,), (blue,) = boxes(sheet, RED), boxes(sheet, BLUE)
    assert red[1] == blue[1] and red[2] < blue[0]


@pytest.mark.parametrize(
    ("across", "down", "sentence"),
    [
        (("style", []), None, "no values for style"),
        (("style", [1]), ("size", []), "no values for size"),
        (("style", [1]), ("style", [2]), "Both sides of the sweep change style"),
    ],
)
def test_sweeps_that_make_no_sense(across, down, sentence):
    with pytest.raises(SheetError, match=sentence):
        next(sheets.sweep(lambda changes: [], across, down))


def test_a_run_without_a_picture_is_said():
    with pytest.raises(SheetError, match="gave no picture"):
        list(sheets.sweep(lambda changes: [SimpleNamespace(image=None)], ("style", [1])))


def test_originals_are_named_and_several_paintings_numbered():
    assert sheets.originals("p", ["a"]) == [("photo", "p"), ("painting", "a")]
    assert [label for label, _ in sheets.originals("p", ["a", "b"])] == ["photo", "painting 1", "painting 2"]


# --- the album --------------------------------------------------------------------------------------------


def test_album_keeps_few_pictures_evenly_and_always_the_last():
    album = Album(limit=6)
    for step in range(1, 101):
        album.add(snapshot(step, plain(RED)))
    steps = [step for step, _ in album.frames]
    assert len(steps) <= 7 and steps[0] == 1 and steps[-1] == 100
    gaps = np.diff(steps[:-1])
    assert gaps.min() == gaps.max()
    assert len(album.history) == 100


def test_album_makes_all_three_sheets(tmp_path):
    album = Album([("photo", plain(RED)), ("painting", plain(GREEN))])
    for step in range(1, 8):
        album.add(snapshot(step, plain(BLUE) if step % 3 == 1 else None))
    sheet = album.sheet()
    assert len(boxes(sheet, RED)) == len(boxes(sheet, GREEN)) == 1 and len(boxes(sheet, BLUE)) == 3
    assert Image.open(io.BytesIO(album.animation())).n_frames >= 1
    assert album.plot().size == (960, 540)
    assert len(boxes(album.sheet(most=2), BLUE)) == 2


def test_coarse_stages_are_enlarged_to_the_photo():
    album = Album([("photo", plain(RED, (128, 96)))])
    for step, size in ((1, (32, 24)), (2, (64, 48))):
        album.add(snapshot(step, plain(BLUE, size)))
    assert [(right - left, bottom - top) for left, top, right, bottom in boxes(album.sheet(), BLUE)] == [(128, 96)] * 2
    assert Image.open(io.BytesIO(album.animation())).size == (128, 96)


def test_an_empty_album_has_sentences():
    for draw in (Album().sheet, Album().animation, Album().plot):
        with pytest.raises(SheetError, match="There are no"):
            draw()
