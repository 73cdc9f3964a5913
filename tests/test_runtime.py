from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from torch import nn

from artcore import runtime

CPU = torch.device("cpu")
GIB = 2**30


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    """A process that has decided nothing, on a machine whose cache is empty."""
    for name in ("ARTCORE_DTYPE", "ARTCORE_THREADS", "ONEDNN_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ARTCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    runtime._setup.cache_clear()
    yield
    runtime._setup.cache_clear()
    torch.set_num_threads(2)


@pytest.fixture
def timed(monkeypatch):
    """Replaces the stopwatch: `timed.rates` is what it reads, `timed.calls` how often it was asked."""

    class Timed:
        rates = {"fp32": 1e11, "bf16": 8e11}
        calls = 0

        def __call__(self, device):
            self.calls += 1
            return dict(self.rates)

    stopwatch = Timed()
    monkeypatch.setattr(runtime, "_measure", stopwatch)
    return stopwatch


def restart() -> runtime.Runtime:
    runtime._setup.cache_clear()
    return runtime.setup()


def machine(monkeypatch, root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.setattr(runtime, "ROOT", root)


# --- number format ---


@pytest.mark.parametrize(
    ("bf16", "chosen"),
    [(8e11, torch.bfloat16), (1.3e11, torch.bfloat16), (1.2e11, torch.float32), (0.0, torch.float32)],
)
def test_bf16_only_where_clearly_faster(timed, bf16, chosen):
    timed.rates = {"fp32": 1e11, "bf16": bf16}
    run = runtime.setup()
    assert run.dtype is chosen and run.device == CPU
    assert run.flops == (bf16 if chosen is torch.bfloat16 else 1e11)
    assert runtime.seconds(2e11) == pytest.approx(2e11 / run.flops)


def test_decided_once_and_kept_over_a_restart(timed):
    first = runtime.setup()
    assert runtime.setup() is first and timed.calls == 1
    timed.rates = {"fp32": 9e11, "bf16": 1e11}  # a busy minute: another choice, were it made again
    assert restart() == first and timed.calls == 1


def test_a_second_process_decides_the_same_without_timing(timed):
    timed.rates = {"fp32": 1.25e11, "bf16": 7.5e11}  # no stopwatch reads such round figures
    runtime.setup()
    code = "from artcore import runtime; run = runtime.setup(); print(run.dtype, run.flops, run.threads)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["torch.bfloat16", "750000000000.0", str(runtime.setup().threads)]


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_override(timed, monkeypatch, name):
    monkeypatch.setenv("ARTCORE_DTYPE", name)
    assert (runtime.setup().dtype, runtime.setup().flops) == (runtime.DTYPES[name], timed.rates[name])
    monkeypatch.delenv("ARTCORE_DTYPE")
    assert restart().dtype is torch.bfloat16  # the override was not kept as the choice


def test_wrong_override_says_what_to_set(timed, monkeypatch):
    monkeypatch.setenv("ARTCORE_DTYPE", "half")
    with pytest.raises(ValueError, match="'half'; set it to bf16 or fp32"):
        runtime.setup()
    monkeypatch.setenv("ARTCORE_DTYPE", "bf16")
    timed.rates = {"fp32": 1e11, "bf16": 0.0}
    with pytest.raises(ValueError, match="no bf16 convolutions; unset ARTCORE_DTYPE"):
        runtime.setup()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"KEY": 3}', '{"KEY": {"dtype": "fp64", "flops": {}}}', "\x00\xff",
                '{"KEY": {"dtype": "bf16", "flops": {"fp32": 1, "bf16": "fast"}}}',
                '{"KEY": {"dtype": "bf16", "flops": {"fp32": 1, "bf16": NaN}}}'],
)  # fmt: skip
def test_corrupt_cache_is_replaced(timed, content):
    file = Path(os.environ["ARTCORE_CACHE"]) / "runtime.json"
    file.parent.mkdir()
    key = runtime._key(CPU, runtime._threads())
    file.write_text(content.replace("KEY", key), encoding="latin-1")
    assert runtime.setup().dtype is torch.bfloat16 and timed.calls == 1
    assert json.loads(file.read_text())[key] == {"dtype": "bf16", "flops": timed.rates}
    assert sorted(path.name for path in file.parent.iterdir()) == ["runtime.json", "runtime.lock"]


def test_unwritable_cache_warns_and_goes_on(timed, monkeypatch, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ARTCORE_CACHE", str(tmp_path / "file" / "cache"))  # unwritable for root too
    assert runtime.setup().dtype is torch.bfloat16
    assert "set ARTCORE_CACHE to a folder that can be written" in caplog.text


def test_each_instruction_set_has_its_own_choice(timed, monkeypatch):
    assert runtime.setup().dtype is torch.bfloat16
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    timed.rates = {"fp32": 1e11, "bf16": 2e10}
    assert restart().dtype is torch.float32 and timed.calls == 2
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    assert restart().dtype is torch.bfloat16 and timed.calls == 2


def test_key_names_cpu_torch_and_threads(monkeypatch, tmp_path):
    machine(monkeypatch, tmp_path, {"proc/cpuinfo": "model name\t: Xeon X\nflags\t\t: fpu amx_bf16 avx2\n"})
    key = runtime._key(CPU, 2)
    assert all(part in key for part in ("Xeon X", "amx_bf16", torch.__version__, "2 threads"))
    assert key != runtime._key(CPU, 1)


def test_the_real_stopwatch():
    before = torch.random.get_rng_state()
    rates = runtime._measure(CPU)
    assert 1e8 < rates["fp32"] < 1e14 and set(rates) == {"fp32", "bf16"}
    assert torch.equal(before, torch.random.get_rng_state())


def test_bf16_that_raises_counts_as_none(monkeypatch):
    real = runtime.F.conv2d

    def conv2d(x, *args, **kwargs):
        if x.dtype is torch.bfloat16:
            raise RuntimeError("bf16 path needs the cpu support avx_ne_convert")
        return real(x, *args, **kwargs)

    monkeypatch.setattr(runtime.F, "conv2d", conv2d)
    assert runtime._measure(CPU)["bf16"] == 0.0
    assert runtime.setup().dtype is torch.float32


# --- prepare, threads, malloc ---


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_prepare(timed, monkeypatch, name):
    monkeypatch.setenv("ARTCORE_DTYPE", name)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Dropout())
    assert runtime.prepare(net) is net and not any(m.training for m in net.modules())
    weight = net[0].weight
    assert weight.dtype is runtime.DTYPES[name] and weight.is_contiguous(memory_format=torch.channels_last)
    assert not any(p.requires_grad for p in net.parameters())
    assert net[1].running_mean.dtype is runtime.DTYPES[name]


def quota_v1(path: str, quota: int) -> dict[str, str]:
    top = "sys/fs/cgroup/cpu/cpu.cfs"
    files = {f"{top}_quota_us": f"{quota}\n", f"{top}_period_us": "100000\n"}
    return files | {"proc/self/cgroup": f"3:cpu,cpuacct:{path}\n"}


@pytest.mark.parametrize(
    ("files", "threads"),
    [
        ({}, 4),
        ({"siblings": True}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "300000 100000\n"}, 3),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 4),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "200000 100000\n"}, 2),
        (quota_v1("/docker/1", 200000), 2),
        (quota_v1("/", -1), 4),
    ],
)
def test_threads_are_cores_within_the_quota(monkeypatch, tmp_path, files, threads):
    if files.pop("siblings", False):
        core = "sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
        files = {core.format(n): ("0,2\n", "1,3\n")[n % 2] for n in range(4)}
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    machine(monkeypatch, tmp_path, files)
    assert runtime._threads() == threads


def test_threads_override_reaches_torch_and_worker_threads(timed, monkeypatch):
    monkeypatch.setenv("ARTCORE_THREADS", "1")
    assert runtime.setup().threads == 1
    seen = []
    worker = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    worker.start()
    worker.join()
    assert seen == [1] and torch.get_num_threads() == 1


@pytest.mark.parametrize("wrong", ["0", "-2", "two", "1.5"])
def test_wrong_threads(monkeypatch, wrong):
    monkeypatch.setenv("ARTCORE_THREADS", wrong)
    with pytest.raises(ValueError, match="whole number from 1"):
        runtime.setup()


@pytest.mark.skipif(runtime._glibc() is None, reason="malloc thresholds exist in glibc only")
def test_freed_memory_stays_in_worker_threads_and_is_given_back_on_demand():
    code = """
import threading, torch
from artcore import runtime
runtime.tune_malloc()
torch.set_num_threads(1)
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
def work():
    before = resident()
    x = torch.ones(100 * 2**18)
    del x
    kept = resident() - before
    runtime.release_memory()
    print(kept > 90 * 2**20, resident() - before < 20 * 2**20)
worker = threading.Thread(target=work)
worker.start()
worker.join()
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["True", "True"]


def test_lock_is_reentrant_and_excludes_other_threads():
    with runtime.lock, runtime.lock:
        seen = []
        worker = threading.Thread(target=lambda: seen.append(runtime.lock.acquire(timeout=0.01)))
        worker.start()
        worker.join()
    assert seen == [False]


# --- memory ---


def meminfo(free: int) -> dict[str, str]:
    return {"proc/meminfo": f"MemTotal: 99999999 kB\nMemAvailable: {(free + runtime.RESERVE) // 1024} kB\n"}


def test_refusal_names_a_size_that_then_passes(timed, monkeypatch, tmp_path):
    machine(monkeypatch, tmp_path, meminfo(3_100_000_000))
    with pytest.raises(runtime.TooLarge) as refused:
        runtime.check_memory(12000, 9000, 48)
    assert str(refused.value) == (
        "A picture of 12000 x 9000 needs about 5.2 GB and 3.1 GB is free; use at most 9200 x 6900."
    )
    runtime.check_memory(9200, 6900, 48)


@pytest.mark.parametrize("size", [(12000, 9000), (300, 40000), (5000, 3), (3, 5000), (7, 7), (9999, 1)])
@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.01])
def test_the_size_named_fits_and_keeps_the_aspect(timed, size, share):
    width, height = size
    pixels = max(1, int(width * height * share))
    w, h = runtime._largest(width, height, pixels)
    assert 1 <= w <= width and 1 <= h <= height and w * h <= pixels
    assert (w >= h) == (width >= height) or w == h == 1
    if min(w, h) > 10:
        assert w / h == pytest.approx(width / height, rel=0.1)
        assert w * h > 0.75 * pixels


def test_nothing_fits(timed, monkeypatch, tmp_path):
    machine(monkeypatch, tmp_path, meminfo(0))
    with pytest.raises(runtime.TooLarge, match="close other programs"):
        runtime.check_memory(1, 1, 48)


def cgroup(limit: str, used: int, cache: int, v1: bool = False) -> dict[str, str]:
    if v1:
        top, names, stat = "sys/fs/cgroup/memory", ("limit_in_bytes", "usage_in_bytes"), "total_inactive_file"
        files = {"proc/self/cgroup": "4:memory:/docker/1\n"}
    else:
        top, names, stat = "sys/fs/cgroup/app", ("max", "current"), "inactive_file"
        files = {"proc/self/cgroup": "0::/app/worker\n"}
    contents = (f"{limit}\n", f"{used}\n")
    files |= {f"{top}/memory.{name}": text for name, text in zip(names, contents, strict=True)}
    return files | {f"{top}/memory.stat": f"anon 1\n{stat} {cache}\n"}


@pytest.mark.parametrize("v1", [False, True])
def test_control_group_limits_count(timed, monkeypatch, tmp_path, v1):
    machine(monkeypatch, tmp_path, meminfo(8 * GIB) | cgroup(str(2 * GIB), GIB, GIB // 2, v1))
    assert runtime._free_memory() == 2 * GIB - GIB + GIB // 2 - runtime.RESERVE


@pytest.mark.parametrize(("limit", "v1"), [("max", False), (str(2**63 - 4096), True)])
def test_control_group_without_a_limit(timed, monkeypatch, tmp_path, limit, v1):
    machine(monkeypatch, tmp_path, meminfo(8 * GIB) | cgroup(limit, GIB, 0, v1))
    assert runtime._free_memory() == pytest.approx(8 * GIB, abs=1024)


def test_own_freed_memory_is_given_back_before_a_refusal(timed, monkeypatch, tmp_path):
    machine(monkeypatch, tmp_path, meminfo(GIB))
    monkeypatch.setattr(runtime, "release_memory", lambda: machine(monkeypatch, tmp_path, meminfo(4 * GIB)))
    runtime.check_memory(1000, 1000, 2000)


def test_unknown_memory_refuses_nothing(timed, monkeypatch, tmp_path):
    machine(monkeypatch, tmp_path, {})
    runtime.check_memory(10**6, 10**6, 48)


def test_every_format_that_runs_is_really_timed(monkeypatch):
    monkeypatch.setattr(runtime, "HEIGHT", 16)
    monkeypatch.setattr(runtime, "WIDTH", 16)
    assert all(rate > 0 for rate in runtime._measure(torch.device("cpu")).values())
