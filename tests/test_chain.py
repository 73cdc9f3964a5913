"""The chain, by contract: tasks in any order, what each would have made alone, one progress."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image

from artcore import image, runtime
from artcore.models.stylenet import StyleNet
from artcore.tasks import painter as painter_room
from artcore.tasks import upscale as upscale_room
from artcore.tasks.chain import Chain, ChainError
from artcore.tasks.colorize import Adjustments, ColorizeError, Colorizer
from artcore.tasks.painter import Painter, PainterError
from artcore.tasks.upscale import UpscaleError, Upscaler
from tests.colour_net import colour_net
from tests.upscale_net import upscale_net


@pytest.fixture(scope="module")
def tasks():
    torch.manual_seed(0)
    painter = Painter(StyleNet(channels=(4, 4, 4), blocks=1))
    return {"colorize": Colorizer(colour_net()), "paint": painter, "upscale": Upscaler(upscale_net())}


def photo(mode="RGB", size=(32, 24)):
    pixels = np.random.default_rng(0).integers(60, 196, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


KEYWORDS = {
    "colorize": {"seed": 7, "adjustments": Adjustments(saturation=1.5)},
    "paint": {"strength": 0.8, "seed": 3},
    "upscale": {"scale": 2},
}


@pytest.mark.parametrize(
    "names",
    ["colorize paint upscale", "upscale paint colorize", "paint upscale", "colorize", "upscale", "paint paint upscale"],
)
def test_any_order_and_subset_is_what_the_tasks_make_one_after_the_other(tasks, names):
    steps = [(tasks[name], KEYWORDS[name]) for name in names.split()]
    expected = photo()
    for task, keywords in steps:
        expected = task(expected, **keywords)
    chain = Chain(steps)
    assert chain(photo()).tobytes() == expected.tobytes()
    assert chain.size(32, 24) == expected.size


def test_one_progress_and_a_picture_after_each_step(tasks, monkeypatch):
    monkeypatch.setattr(painter_room, "TILE", 16)
    monkeypatch.setattr(upscale_room, "TILE", 16)
    chain = Chain([(tasks[name], KEYWORDS[name]) for name in KEYWORDS])
    snapshots = list(chain.run(photo()))
    done = [s.done for s in snapshots]
    assert done == sorted(done) and done[0] == 0 and done[-1] == 1 and len(set(done)) > 8
    assert [s.step for s in snapshots] == sorted(s.step for s in snapshots) and {s.steps for s in snapshots} == {3}
    made = [s for s in snapshots if s.image is not None]
    assert [(s.step, s.final, s.image.size) for s in made] == [
        (1, False, (32, 24)),
        (2, False, (32, 24)),
        (3, True, (64, 48)),
    ]
    assert [s.error is None for s in made] == [True, True, False] and made[-1].error > 50
    assert snapshots[-1] is made[-1]


def test_alpha_and_what_came_with_the_picture_go_through(tasks):
    exif = Image.Exif()
    exif[0x0110] = "Camera obscura"
    source = photo("RGBA")
    source.putalpha(Image.linear_gradient("L").resize(source.size))
    source.save(data := io.BytesIO(), "PNG", exif=exif.tobytes())
    made = Chain([(tasks[name], KEYWORDS[name]) for name in KEYWORDS])(data.getvalue())
    assert made.mode == "RGBA" and made.info == image.open(data.getvalue()).info
    assert Image.open(io.BytesIO(image.encode(made, exif=True))).getexif()[0x0110] == "Camera obscura"


def test_seconds_count_every_step_at_its_size(tasks):
    paint, upscale = (tasks["paint"], {}), (tasks["upscale"], {"scale": 4})
    before, after = Chain([paint, upscale]), Chain([upscale, paint])
    assert before.seconds(1000, 800) == pytest.approx(
        tasks["paint"].seconds(1000, 800) + tasks["upscale"].seconds(1000, 800)
    )
    assert after.seconds(1000, 800) == pytest.approx(
        tasks["upscale"].seconds(1000, 800) + tasks["paint"].seconds(4000, 3200)
    )
    assert Chain([(tasks["paint"], {"stroke": 2})]).seconds(1000, 800) < tasks["paint"].seconds(1000, 800) / 3


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ([], "has no steps; give one"),
        (None, r"give \[\(task"),
        ([1], r"give \[\(task"),
        ([("paint", {})], "Step 1 is 'paint', which is no task"),
        ([(print, {})], "which is no task"),
    ],
)
def test_steps_that_make_no_chain_are_refused(steps, sentence):
    with pytest.raises(ChainError, match=sentence):
        Chain(steps)


def test_keywords_that_a_task_does_not_know_are_refused_at_once(tasks):
    with pytest.raises(ChainError, match="Step 2 can't be called so .*'sead'"):
        Chain([(tasks["upscale"], {}), (tasks["paint"], {"sead": 1})])
    with pytest.raises(ChainError, match="Step 1 can't be called so"):
        Chain([(tasks["colorize"], {"strength": 1})])


@pytest.mark.parametrize(
    ("name", "keywords", "error"),
    [
        ("upscale", {"scale": 5}, UpscaleError),
        ("paint", {"stroke": 0}, PainterError),
        ("paint", {"stroke": "wide"}, PainterError),
        ("colorize", {"seed": -1}, ColorizeError),
    ],
)
def test_what_a_task_refuses_is_its_own_sentence(tasks, name, keywords, error):
    with pytest.raises(error):
        Chain([(tasks[name], keywords)])(photo())


def test_sizes_are_refused_before_any_work(tasks, monkeypatch):
    monkeypatch.setattr(Painter, "run", lambda *_, **__: pytest.fail("painted all the same"))
    paint, upscale = (tasks["paint"], {}), (tasks["upscale"], {})
    with pytest.raises(UpscaleError, match="more than the limit of 100,000,000"):
        Chain([paint, upscale])(Image.new("1", (4000, 2000)))
    with pytest.raises(ChainError, match="Step 2 would get 10400 x 8000 pixels, .* enlarge less, or at the end"):
        Chain([upscale, paint])(Image.new("1", (2600, 2000)))
    with pytest.raises(image.ImageError):
        Chain([paint])(b"not a picture")


def test_the_limit_between_steps_is_that_of_pictures_that_come_in(tasks, monkeypatch):
    chain = Chain([(tasks["upscale"], {}), (tasks["paint"], {})])
    monkeypatch.setenv("ARTCORE_MAX_PIXELS", "90000000")
    assert chain.seconds(2600, 2000) > 0
    monkeypatch.setenv("ARTCORE_MAX_PIXELS", "1000")
    with pytest.raises(ChainError, match="Step 2 would get 80 x 80 pixels, more than the limit of 1,000"):
        chain.seconds(20, 20)


def test_a_chain_can_be_left_at_any_moment(tasks):
    chain = Chain([(tasks[name], KEYWORDS[name]) for name in KEYWORDS])
    count = len(list(chain.run(photo())))
    for steps in range(1, count + 1):
        run = chain.run(photo())
        for _ in range(steps):
            next(run)
        with ThreadPoolExecutor(1) as threads:  # the lock is free even while the run stands still
            assert threads.submit(lambda: runtime.lock.acquire(timeout=1) and not runtime.lock.release()).result()
        run.close()
