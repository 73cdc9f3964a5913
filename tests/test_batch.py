"""Folders: what is done is skipped, what changed is redone, equal files are painted once; kills and many processes."""

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from artcore import batch, image
from artcore.__main__ import BATCH, main
from artcore.load import load
from artcore.models.stylenet import StyleNet

REPO = Path(__file__).resolve().parents[1]
BAD = b"this is no picture"


@pytest.fixture
def weights(tmp_path, monkeypatch):
    folder = tmp_path / "weights"
    torch.manual_seed(0)
    StyleNet(channels=(4, 4, 4), blocks=1).save_pretrained(folder / "stylenet.vangogh")
    line = {"label": "Van Gogh", "task": "painter", "folder": "stylenet.vangogh"}
    (folder / "catalog.json").write_text(json.dumps({"stylenet.vangogh": line}))
    monkeypatch.setenv("ARTCORE_WEIGHTS", str(folder))
    return folder


def draw(path: Path, seed: int, size: tuple[int, int] = (30, 20)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).save(path)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    for seed, name in enumerate(("a.png", "b.jpg", "more/c.webp")):
        draw(folder / name, seed)
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


class Task:
    """Turns a picture upside down and remembers what it was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, path):
        self.asked.append(path.name)
        return image.open(path).transpose(Image.Transpose.ROTATE_180)


def go(photos, out, options="default", task=None, suffix=None, rank=0):
    """One start of a batch: ({file name: state}, names that were painted)."""
    task = task or Task()
    pairs = batch.pair(photos, out, suffix)
    results = list(batch.run(task, pairs, journal=batch.Journal(out, options, rank)))
    return {result.source.name: result.state for result in results}, getattr(task, "asked", None)


def files(out):
    """The results, the journal left out."""
    return sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file() and batch.JOURNAL not in p.parts)


def row(state, count):
    """Of the report."""
    return f"{state:20} {count:>8}"


def journal(out):
    lines = [line for file in (out / batch.JOURNAL).glob("*.jsonl") for line in file.read_bytes().splitlines()]
    return [json.loads(line) for line in lines]


# --- the list ---------------------------------------------------------------------------------------------


def test_two_inputs_with_one_output_are_refused(photos, out):
    draw(photos / "a.jpg", 5)
    with pytest.raises(batch.BatchError, match="would both become"):
        batch.pair(photos, out, ".png")


def test_hidden_files_are_no_pictures(photos, out):
    for name in ("._a.png", ".thumbnails/a.png", "more/.c.webp"):
        draw(photos / name, 9)
    assert [source.name for source, _ in batch.pair(photos, out)] == ["a.png", "b.jpg", "c.webp"]


# --- the journal ------------------------------------------------------------------------------------------


def test_a_line_says_what_was_made_of_what(photos, out):
    go(photos, out)
    line = journal(out)[0]
    data = (photos / "a.png").read_bytes()
    assert line["source"] == str(photos / "a.png") and line["target"] == "a.png"
    assert (line["size"], line["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert line["options"] == "default" and line["error"] is None and 0 <= line["seconds"] < 60


def test_what_is_done_is_skipped_without_a_look_at_the_picture(photos, out):
    assert go(photos, out)[1] == ["a.png", "b.jpg", "c.webp"]
    states, asked = go(photos, out)
    assert set(states.values()) == {"skipped"} and asked == [] and len(journal(out)) == 3


@pytest.mark.parametrize("change", ["source", "touched", "target gone", "target empty", "options", "other run"])
def test_what_changed_is_redone_and_nothing_else(photos, out, change):
    go(photos, out)
    options, redone = "default", ["a.png"]
    if change == "source":
        draw(photos / "a.png", 77)
    elif change == "touched":  # only its date: the bytes decide
        os.utime(photos / "a.png", (1, 1))
        redone = []
    elif change == "target gone":
        (out / "a.png").unlink()
    elif change == "target empty":
        (out / "a.png").write_bytes(b"")
    elif change == "options":
        options, redone = "other", ["a.png", "b.jpg", "c.webp"]
    else:  # another process of a run in between had the last word: the result is of its options
        shutil.rmtree(photos / "more")
        go(photos, out, "other", rank=1)
        redone = ["a.png", "b.jpg"]
    assert go(photos, out, options)[1] == redone
    assert image.open(out / "a.png").tobytes() == Task()(photos / "a.png").tobytes()


def test_a_picture_that_failed_is_tried_again(photos, out):
    good = (photos / "b.jpg").read_bytes()
    (photos / "b.jpg").write_bytes(BAD)
    assert go(photos, out)[0] == {"a.png": "done", "b.jpg": "failed", "c.webp": "done"}
    assert "b.jpg is not a picture" in journal(out)[1]["error"]
    assert go(photos, out)[0]["b.jpg"] == "failed"
    (photos / "b.jpg").write_bytes(good)
    assert go(photos, out)[0] == {"a.png": "skipped", "b.jpg": "done", "c.webp": "skipped"}


def test_a_line_that_a_kill_cut_short_costs_one_picture(photos, out):
    go(photos, out)
    file = out / batch.JOURNAL / "journal.0.jsonl"
    file.write_bytes(file.read_bytes()[:-20])
    assert go(photos, out)[1] == ["c.webp"]
    assert go(photos, out)[1] == [], "the line after the torn one is whole"


def test_what_is_no_line_is_ignored(photos, out):
    (out / batch.JOURNAL).mkdir(parents=True)
    junk = b'\xff\xfe\n[1]\n{}\n{"target": 1, "time": 2.0}\n{"target": "a.png", "time": "now"}\nnull'
    (out / batch.JOURNAL / "journal.0.jsonl").write_bytes(junk)
    assert go(photos, out)[1] == ["a.png", "b.jpg", "c.webp"]
    assert go(photos, out)[1] == []


def test_a_journal_that_cannot_be_written_stops_the_batch(photos, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(batch.BatchError, match="check that it is there"):
        batch.Journal(tmp_path / "file" / "out", "default")
    log = batch.Journal(tmp_path / "out", "default")
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(batch.BatchError, match="no such file"):
        log.write(batch.Result(photos, tmp_path / "out" / "a.png", "done", 0.1), None)


def test_half_written_files_of_a_killed_run_are_swept_up(photos, out):
    (out / "more").mkdir(parents=True)
    old, fresh = out / "more" / ".0123.part", out / ".4567.part"
    old.write_bytes(BAD), fresh.write_bytes(BAD)
    os.utime(old, (1, 1))
    go(photos, out)
    assert not old.exists() and fresh.exists(), "a fresh one may belong to a run that is alive"


def test_ten_thousand_pictures_are_taken_up_again(photos, out):
    """Of which 9998 are done: listed, recognised by their content, split and reported."""
    count = 10_000
    (out / batch.JOURNAL).mkdir(parents=True)
    for n in range(100):
        for folder in (photos, out):
            (folder / f"many/{n:02}").mkdir(parents=True)
    lines = []
    for n in range(count):
        name, data = f"{n % 100:02}/{n:05}.png", b"%d" % n
        for folder, kept in ((photos / "many", data), (out / "many", b"made")):
            (folder / name).write_bytes(kept)
        known = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "options": "default", "error": None}
        lines.append(json.dumps({"target": f"many/{name}", "time": float(n), **known}))
    (out / batch.JOURNAL / "journal.0.jsonl").write_text("\n".join(lines[: count // 2]) + "\n")
    (out / batch.JOURNAL / "journal.1.jsonl").write_text("\n".join(lines[count // 2 : -2]) + "\n")
    for n in (count - 2, count - 1):
        draw(photos / f"many/{n % 100:02}/{n:05}.png", n)
    task = Task()
    pairs = batch.pair(photos, out)
    results = list(batch.run(task, pairs, journal=batch.Journal(out, "default")))
    assert sum(map(len, batch._alike(pairs))) == len(pairs) == count + 3
    table = batch.report([results], 1.0)
    assert row("done", 5) in table and row("skipped", count - 2) in table
    assert sorted(task.asked) == ["09998.png", "09999.png", "a.png", "b.jpg", "c.webp"]


# --- equal files, faults ----------------------------------------------------------------------------------


def test_equal_files_are_painted_once_and_copied(photos, out):
    shutil.copy(photos / "a.png", photos / "more" / "twin.png")
    shutil.copy(photos / "a.png", photos / "z.png")
    states, asked = go(photos, out)
    assert asked == ["a.png", "b.jpg", "c.webp"] and states["twin.png"] == states["z.png"] == "duplicate"
    assert (out / "more/twin.png").read_bytes() == (out / "z.png").read_bytes() == (out / "a.png").read_bytes()
    assert not list(out.rglob("*.part"))
    (out / "z.png").unlink()
    assert go(photos, out)[0]["z.png"] == "duplicate", "also of one that an earlier run painted"


def test_equal_files_of_other_formats_are_no_duplicates(photos, out):
    shutil.copy(photos / "a.png", photos / "a2.webp")  # a PNG by its bytes, whatever its name says
    states, _ = go(photos, out)
    assert states["a2.webp"] == "done"
    assert Image.open(out / "a.png").format == "PNG" and Image.open(out / "a2.webp").format == "WEBP"


@pytest.mark.parametrize("fault", [MemoryError(), RuntimeError("out of memory"), KeyError("x"), OSError(5, "No luck")])
def test_no_fault_of_one_picture_stops_the_rest(photos, out, fault):
    def task(path):
        if path.name == "b.jpg":
            raise fault
        return image.open(path)

    assert go(photos, out, task=task)[0] == {"a.png": "done", "b.jpg": "failed", "c.webp": "done"}
    assert journal(out)[1]["error"].endswith((".", "!")) and files(out) == ["a.png", "more/c.webp"]


def test_a_file_that_vanishes_or_a_target_that_is_in_the_way_is_one_failure(photos, out):
    (out / "b.jpg" / "folder").mkdir(parents=True)
    pairs = batch.pair(photos, out)
    (photos / "a.png").unlink()
    results = list(batch.run(Task(), pairs, journal=batch.Journal(out, "default")))
    assert [r.state for r in results] == ["failed", "failed", "done"]
    assert "a.png can't be used (no such file" in results[0].error and "b.jpg can't be written" in results[1].error


def test_names_that_are_no_text_are_logged(tmp_path, out):
    name = os.fsdecode(b"caf\xe9.png")
    try:
        draw(tmp_path / "photos" / name, 0)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (result,) = batch.run(Task(), batch.pair(tmp_path / "photos", out), journal=batch.Journal(out, "x"))
    assert result.state == "done" and "caf\\udce9.png" in str(result).encode().decode()
    assert go(tmp_path / "photos", out, "x")[1] == []


# --- options ----------------------------------------------------------------------------------------------


def test_the_fingerprint_knows_weights_options_and_the_content_of_files(tmp_path):
    net = StyleNet(channels=(4, 4, 4), blocks=1)
    (tmp_path / "mask.png").write_bytes(b"1")
    one = batch.fingerprint(net, strength=1.0, mask=tmp_path / "mask.png")
    assert one == batch.fingerprint(net, mask=tmp_path / "mask.png", strength=1.0)
    (tmp_path / "moved.png").write_bytes(b"1")
    assert one == batch.fingerprint(net, strength=1.0, mask=tmp_path / "moved.png"), "where it lies is no matter"
    (tmp_path / "mask.png").write_bytes(b"2")
    assert one != batch.fingerprint(net, strength=1.0, mask=tmp_path / "mask.png")
    assert one != batch.fingerprint(net, strength=0.9, mask=tmp_path / "moved.png")
    with torch.no_grad():
        next(net.parameters()).view(-1)[0] += 1
    assert one != batch.fingerprint(net, strength=1.0, mask=tmp_path / "moved.png")


def test_the_fingerprint_is_the_same_in_either_number_format():
    net = StyleNet(channels=(4, 4, 4), blocks=1)
    wide = batch.fingerprint(net)
    assert batch.fingerprint(net.to(torch.bfloat16, memory_format=torch.channels_last)) == wide


# --- the shell --------------------------------------------------------------------------------------------


def test_a_folder_equals_the_library_bit_for_bit_and_repeats_the_tree(weights, photos, out, capsys):
    assert main(["batch", "paint", str(photos), str(out), "--strength", "1.2", "--seed", "7", "--format", "png"]) == 0
    assert files(out) == ["a.png", "b.png", "more/c.png"]
    painter = load("stylenet.vangogh")
    for name, result in (("a.png", "a.png"), ("b.jpg", "b.png"), ("more/c.webp", "more/c.png")):
        assert Image.open(out / result).tobytes() == painter(photos / name, strength=1.2, seed=7).tobytes()
    printed = capsys.readouterr().out
    assert re.search(rf"\[2/3\] {re.escape(str(out / 'b.png'))}: \d+\.\d\d s\n", printed)
    assert row("done", 3) in printed
    assert "pictures per minute" in printed and "median seconds" in printed


def test_paint_on_a_folder_is_the_same_batch(weights, photos, out, capsys):
    assert main(["paint", str(photos), str(out), "--seed", "3"]) == 0
    assert main(["batch", "paint", str(photos), str(out), "--seed", "3"]) == 0
    assert row("skipped", 3) in capsys.readouterr().out
    assert main(["batch", "paint", str(photos), str(out), "--seed", "4", "--quality", "80"]) == 0
    assert row("done", 3) in capsys.readouterr().out


def test_another_task_is_one_line_and_its_pictures_count_by_content(photos, tmp_path, out, capsys, monkeypatch):
    """As `style` needs it: paintings between the input and the output, an option, no flag said twice."""

    def flags(parser):
        parser.add_argument("paintings", type=Path, nargs="+")
        parser.add_argument("--weight", type=float, default=0.5)

    def mix(args):
        paintings = [image.open(path) for path in args.paintings]
        return lambda path: Image.blend(image.open(path), paintings[-1].resize((30, 20)), args.weight), []

    monkeypatch.setitem(BATCH, "mix", (flags, mix))
    for seed in (10, 11):
        draw(tmp_path / f"{seed}.png", seed)
    words = ["batch", "mix", str(photos), str(tmp_path / "10.png"), str(tmp_path / "11.png"), str(out)]
    for more, state in ((["--quality", "70"], "done"), (["--quality", "70"], "skipped"), (["--weight", "1"], "done")):
        assert main([*words, *more]) == 0
        assert row(state, 3) in capsys.readouterr().out
    assert image.open(out / "a.png").tobytes() == image.open(tmp_path / "11.png").tobytes()
    draw(tmp_path / "11.png", 12)
    assert main([*words, "--weight", "1"]) == 0
    assert row("done", 3) in capsys.readouterr().out
    (tmp_path / "10.png").rename(tmp_path / "gone.png")
    monkeypatch.setitem(BATCH, "mix", (flags, lambda args: (Task(), [])))
    assert main([*words, "--weight", "1"]) == 2, "one sentence, not one for every picture"
    assert "10.png can't be used (no such file" in capsys.readouterr().err


def test_other_weights_of_the_same_name_redo_everything(weights, photos, out, capsys):
    assert main(["batch", "paint", str(photos), str(out)]) == 0
    torch.manual_seed(1)
    StyleNet(channels=(4, 4, 4), blocks=1).save_pretrained(weights / "stylenet.vangogh")
    assert main(["batch", "paint", str(photos), str(out)]) == 0
    assert row("skipped", 0) in capsys.readouterr().out


def test_bad_files_are_named_in_the_report_and_the_status_is_one(weights, photos, out, capsys):
    (photos / "bad.jpg").write_bytes(BAD)
    assert main(["batch", "paint", str(photos), str(out)]) == 1
    assert files(out) == ["a.png", "b.jpg", "more/c.webp"]
    printed = capsys.readouterr()
    assert "bad.jpg is not a picture" in printed.err
    report = printed.out[printed.out.index("done  ") :]
    assert row("failed", 1) in report and f"failed: {photos / 'bad.jpg'}: bad.jpg is not" in report


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["nothing", "out"], "There is no file or folder nothing"),
        (["{photos}", "{photos}/b.jpg"], "has to be one too"),
        (["{photos}", "{photos}"], "filled with its own results"),
        (["{empty}", "{empty}/out"], "holds no pictures"),
        (["{photos}", "{empty}", "--style", "picasso"], "no style 'picasso'"),
    ],
)
def test_a_command_that_makes_no_sense_exits_with_two_and_a_sentence(weights, photos, tmp_path, capsys, argv, sentence):
    (tmp_path / "empty").mkdir()
    argv = [a.format(photos=photos, empty=tmp_path / "empty") for a in argv]
    assert main(["batch", "paint", *argv]) == 2
    assert sentence in capsys.readouterr().err


def test_results_inside_the_input_folder_are_not_painted_again(weights, photos, capsys):
    for _ in range(2):
        assert main(["batch", "paint", str(photos), str(photos / "painted")]) == 0
    assert files(photos / "painted") == ["a.png", "b.jpg", "more/c.webp"]
    assert row("skipped", 3) in capsys.readouterr().out


def test_ctrl_c_says_how_to_go_on(weights, photos, out, capsys, monkeypatch):
    def stop(*args, **words):
        raise KeyboardInterrupt

    save = image.save
    monkeypatch.setattr(
        image, "save", lambda picture, path, **words: (stop if path.name == "b.jpg" else save)(picture, path, **words)
    )
    assert main(["batch", "paint", str(photos), str(out)]) == 130
    assert "goes on from here" in capsys.readouterr().err
    monkeypatch.undo()
    assert len(journal(out)) == 1


# --- kills and many processes -----------------------------------------------------------------------------


def command(photos, out, *launcher):
    return [sys.executable, *launcher, "-m", "artcore", "batch", "paint", str(photos), str(out)]


TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.fixture
def environment(weights):
    return {**os.environ, "ARTCORE_WEIGHTS": str(weights), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPO)}


def wait_for(condition, process, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"ended too early: {process.communicate()}"
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def lines_now(out):
    return [line for file in out.glob(f"{batch.JOURNAL}/*.jsonl") for line in file.read_bytes().splitlines()]


@pytest.mark.slow
def test_kill_9_loses_at_most_the_picture_in_work(photos, out, environment):
    for n in range(30):
        draw(photos / f"many/{n:02}.png", n, (400, 300))
    process = subprocess.Popen(
        command(photos, out), env=environment, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        wait_for(lambda: len(lines_now(out)) >= 10, process)
    finally:
        process.kill()
        process.communicate()
    finished = len(journal(out))
    there = [name for name in files(out) if not name.endswith(".part")]
    assert 10 <= finished <= len(there) <= finished + 1 < 33
    for name in there:  # whole, each of them
        Image.open(out / name).load()
    again = subprocess.run(command(photos, out), env=environment, cwd=REPO, capture_output=True, text=True, timeout=240)
    assert again.returncode == 0, again.stderr
    assert row("skipped", finished) in again.stdout and row("done", 33 - finished) in again.stdout, again.stdout
    assert len([name for name in files(out) if not name.endswith(".part")]) == 33


def read_two(photos, out, environment, *launcher):
    """The folder by two processes, a bad file and equal files in it; then again by one."""
    (photos / "bad.jpg").write_bytes(BAD)
    for n in range(12):
        draw(photos / f"many/{n:02}.png", n % 9, (64, 48))
    for n in range(4):  # of one size, and equal in pairs
        draw(photos / f"flat/{n}.bmp", n % 2, (64, 48))
    done = subprocess.run(
        command(photos, out, *launcher), env=environment, cwd=REPO, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("pictures per minute") == 1, "the first process alone reports"
    for state, count in (("done", 14), ("duplicate", 5), ("failed", 1)):
        assert row(state, count) in done.stdout, done.stdout
    assert "bad.jpg is not a picture" in done.stderr
    written = [file.read_text().count("\n") for file in sorted((out / batch.JOURNAL).glob("*.jsonl"))]
    assert len(written) == 2 and sum(written) == 20 and min(written) >= 6, "both worked, none twice"
    assert "[process 1 " in done.stdout and len(files(out)) == 19
    table = done.stdout[done.stdout.index(" all ") :].splitlines()
    assert table[0].split() == ["all", "process", "0", "process", "1"]
    for state, line in zip(batch.STATES, table[1:], strict=False):
        name, *counts = line.split()
        assert name == state and int(counts[0]) == int(counts[1]) + int(counts[2]), line
    assert sum(int(line.split()[2]) for line in table[1:5]) in written

    (photos / "bad.jpg").unlink()
    again = subprocess.run(command(photos, out), env=environment, cwd=REPO, capture_output=True, text=True, timeout=240)
    assert again.returncode == 0 and row("skipped", 19) in again.stdout, again.stdout + again.stderr
    painter = load("stylenet.vangogh")
    for name in ("many/00.png", "many/11.png", "flat/3.bmp"):
        difference = np.int16(image.open(out / name)) - np.int16(painter(photos / name))
        assert np.abs(difference).max() <= 1, "threads may change the order of a sum, nothing else"


@pytest.mark.slow
def test_two_processes_by_torchrun_share_a_folder(weights, photos, out, environment):
    read_two(photos, out, environment, *TWO)


@pytest.mark.slow
def test_two_processes_by_accelerate_launch_share_a_folder(weights, photos, out, environment):
    """--multi_gpu is accelerate's word for "through torchrun"; without a GPU the processes take CPUs and gloo."""
    launch = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1")
    launch += ("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0")
    read_two(photos, out, environment, *launch)


@pytest.mark.slow
def test_a_killed_process_ends_the_launch_and_the_next_goes_on(photos, out, environment):
    for n in range(40):
        draw(photos / f"many/{n:02}.png", n, (400, 300))
    second = out / batch.JOURNAL / "journal.1.jsonl"
    process = subprocess.Popen(
        command(photos, out, *TWO), env=environment, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        wait_for(lambda: second.is_file() and second.read_bytes().count(b"\n") >= 5, process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if not children.is_file():
            pytest.skip("this kernel does not list children")
        os.kill(int(children.read_text().split()[-1]), signal.SIGKILL)
        process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode != 0
    finished = len(journal(out))
    again = subprocess.run(command(photos, out), env=environment, cwd=REPO, capture_output=True, text=True, timeout=240)
    assert again.returncode == 0, again.stderr
    assert row("skipped", finished) in again.stdout and row("done", 43 - finished) in again.stdout, again.stdout


def test_one_process_needs_no_accelerate(monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    crew = batch.Crew()
    assert (crew.rank, crew.count, crew.share([1, 2]), crew.gather([3])) == (0, 1, [1, 2], [[3]])
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(batch.BatchError, match="install it"):
        batch.Crew()


def test_accelerate_that_starts_one_process_in_place_of_two_is_told(monkeypatch, caplog):
    """By what accelerate itself would give to the process, without starting it."""
    from accelerate.commands import launch
    from accelerate.utils.launch import prepare_simple_launcher_cmd_env

    parser = launch.launch_command_parser()
    for count, told in (("2", 1), ("1", 0)):
        words = ["--num_processes", count, "--mixed_precision", "no", "--dynamo_backend", "no", "--num_machines", "1"]
        args = parser.parse_args([*words, "-m", "artcore", "batch"], argparse.Namespace(use_cpu=False))
        _, given = prepare_simple_launcher_cmd_env(args)
        with monkeypatch.context() as patch:
            for name in given.keys() - os.environ.keys():
                patch.setenv(name, given[name])
            caplog.clear()
            assert batch.Crew().count == 1
        assert [record.getMessage() for record in caplog.records].count(batch.ALONE) == told, (count, given)


def test_files_of_the_same_bytes_go_to_one_process(photos, out):
    shutil.copy(photos / "a.png", photos / "z.png")
    for n in range(4):
        draw(photos / f"{n}.bmp", n % 2)
    groups = [[source.name for source, _ in group] for group in batch._alike(batch.pair(photos, out))]
    assert sorted(map(sorted, groups)) == [
        ["0.bmp", "2.bmp"],
        ["1.bmp", "3.bmp"],
        ["a.png", "z.png"],
        ["b.jpg"],
        ["c.webp"],
    ]


@pytest.fixture
def hosts():
    """Two machines on one wire, as far as the network can tell: what runs a command on each, and its address."""
    tag, made = f"{os.getpid() % 0xFFFF:x}", []

    def ip(*words):
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"network namespaces can't be made here: {done.stderr.strip() or 'ip failed'}")

    if shutil.which("ip") is None:
        pytest.skip("network namespaces need the command ip")
    try:
        for side in "ab":
            ip("netns", "add", f"artcore-{tag}-{side}")
            made.append(f"artcore-{tag}-{side}")
        ip("link", "add", f"a{tag}", "netns", made[0], "type", "veth", "peer", "name", f"b{tag}", "netns", made[1])
        for number, (host, side) in enumerate(zip(made, "ab", strict=True), 1):
            ip("-n", host, "addr", "add", f"10.77.0.{number}/24", "dev", f"{side}{tag}")
            ip("-n", host, "link", "set", f"{side}{tag}", "up")
            ip("-n", host, "link", "set", "lo", "up")
        yield [
            (["ip", "netns", "exec", host], f"10.77.0.{number}", f"{side}{tag}")
            for number, (host, side) in enumerate(zip(made, "ab", strict=True), 1)
        ]
    finally:
        for host in made:
            subprocess.run(["ip", "netns", "del", host], check=False)


@pytest.mark.slow
def test_two_machines_share_a_folder(photos, out, environment, hosts):
    for n in range(8):
        draw(photos / f"many/{n:02}.png", n, (64, 48))
    running = []
    try:
        for number, (inside, _, device) in enumerate(hosts):
            launch = (
                "-m",
                "torch.distributed.run",
                "--nnodes",
                "2",
                "--nproc-per-node",
                "1",
                "--node-rank",
                str(number),
            )
            launch += ("--master-addr", hosts[0][1], "--master-port", "29400")
            words = [*inside, *command(photos, out, *launch)]
            network = {**environment, "GLOO_SOCKET_IFNAME": device}  # of several networks, gloo must know which
            running.append(
                subprocess.Popen(words, env=network, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            )
        printed = [process.communicate(timeout=240)[0].decode() for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert [process.returncode for process in running] == [0, 0], "\n".join(printed)
    assert row("done", 11) in printed[0] and "pictures per minute" not in printed[1]
    written = [file.read_text().count("\n") for file in sorted((out / batch.JOURNAL).glob("*.jsonl"))]
    assert sorted(written) == [5, 6] and len(files(out)) == 11
