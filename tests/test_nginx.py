"""docker/nginx.conf before two real processes, as compose.yaml has them: visitors stay where their pictures are, and
one replica that is killed in mid-run costs nothing but what it was doing."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.hub_server import write_catalog
from tests.replica import Visitor, free_port, png, process, status, until, works

REPO = Path(__file__).resolve().parents[1]
NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
NAMES = ("a", "b")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx-light"),
]

# What the image of nginx has around conf.d/default.conf, with every folder in one that can be removed.
AROUND = """
daemon off; master_process off; pid {0}/pid; error_log {0}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {0}/body; proxy_temp_path {0}/proxy; fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u;
    scgi_temp_path {0}/s;
    include {0}/default.conf;
}}
"""


class Site:
    """Two replicas and nginx."""

    def __init__(self, folder: Path, weights: Path, stack: contextlib.ExitStack) -> None:
        self.folder, self.weights, self.stack = folder, weights, stack
        self.ports = {name: free_port() for name in NAMES}
        self.replicas: dict[str, subprocess.Popen] = {}
        for name in NAMES:
            self.start(name)
        self.url = f"http://127.0.0.1:{free_port()}"
        text = (REPO / "docker" / "nginx.conf").read_text()
        for name in NAMES:
            text = text.replace(f"artcore-{name}:7860", f"127.0.0.1:{self.ports[name]}")
        (folder / "default.conf").write_text(text.replace("listen 80;", f"listen {self.url[7:]};"))
        (folder / "nginx.conf").write_text(AROUND.format(folder))
        started = subprocess.Popen([NGINX, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"])
        stack.callback(lambda: (started.kill(), started.wait()))
        for name in NAMES:
            self.ready(name)
        until(lambda: started.poll() is not None or status(self.url), "nginx answers")
        assert started.poll() is None, (folder / "error.log").read_text()

    def start(self, name: str) -> None:
        given = {"ARTCORE_REPLICA": name, "ARTCORE_WEIGHTS": str(self.weights)}
        given["GRADIO_TEMP_DIR"] = str(self.folder / name)
        self.replicas[name] = self.stack.enter_context(process(self.ports[name], given))

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def ready(self, name: str) -> None:
        until(lambda: status(self.address(name)) == 200, f"replica {name} is ready")

    def visitor(self, name: str) -> Visitor:
        """A new visitor whom nginx sends to that replica; it takes who has less to do, or turns."""
        for _ in range(50):
            visitor = Visitor(self.url)
            self.stack.callback(visitor.http.close)
            if visitor.replica == name:
                return visitor
        raise AssertionError(f"nobody was sent to {name}")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        yield Site(tmp_path_factory.mktemp("site"), write_catalog(tmp_path_factory.mktemp("weights")), stack)


@pytest.fixture
def site(running: Site) -> Site:
    """With both replicas at work, whatever the test before did to them."""
    for name in NAMES:
        if running.replicas[name].poll() is not None:
            running.start(name)
        running.ready(name)
    return running


def test_a_replica_is_killed_in_mid_run(site: Site, tmp_path: Path) -> None:
    small, large = png(tmp_path / "small.png", 96, 64), png(tmp_path / "large.png", 3200, 2400)
    one, other = site.visitor("a"), site.visitor("b")
    assert httpx.get(f"{site.url}/metrics").status_code == 404  # of one replica by chance: not for visitors
    before = one.fetch(one.order(small))
    assert one.replica == "a" and other.replica == "b"  # nobody was sent elsewhere in between

    lost, kept = one.order(large), other.order(large)
    until(lambda: works(site.address("a")), "the job runs")
    site.replicas["a"].kill()
    with pytest.raises((httpx.HTTPError, AssertionError)):
        one.fetch(lost)
    painted = other.fetch(kept)  # the job beside it is none the worse
    assert other.replica == "b"
    assert painted == other.fetch(other.order(large))

    # The visitor whose replica is gone goes on with the other, and stays there; new ones come in.
    assert one.fetch(one.order(small)) == before
    assert one.replica == "b"
    assert site.visitor("b").http.get("/readyz").json()["status"] == "ready"

    site.start("a")  # as compose.yaml's restart does
    site.ready("a")
    until(lambda: Visitor(site.url).replica == "a", "new visitors are sent there again")
    assert one.http.get("/").status_code == 200 and one.replica == "b"


def test_a_replica_is_stopped_in_mid_run(site: Site, tmp_path: Path) -> None:
    """Its job ends and is fetched, while whatever is new goes to the other."""
    small, large = png(tmp_path / "small.png", 96, 64), png(tmp_path / "large.png", 3200, 2400)
    visitor = site.visitor("a")
    job = visitor.order(large)
    until(lambda: works(site.address("a")), "the job runs")
    site.replicas["a"].send_signal(signal.SIGTERM)
    until(lambda: status(site.address("a")) == 503, "the replica is leaving")
    assert {Visitor(site.url).replica for _ in range(4)} == {"b"}
    assert len(visitor.fetch(job)) > 1000
    assert site.replicas["a"].wait(120) == 0

    with contextlib.suppress(httpx.HTTPStatusError):  # the cookie may still say a, which says that it is leaving
        visitor.order(small)
    assert len(visitor.fetch(visitor.order(small))) > 1000
    assert visitor.replica == "b"
