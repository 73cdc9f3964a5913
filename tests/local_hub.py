"""A Hub on loopback: the part of the Hugging Face Hub's HTTP protocol that huggingface_hub's client needs.

    with LocalHub() as hub:              # hub.url is the endpoint; a client finds it by HF_ENDPOINT
        hub.fail("/resolve/", status=500)

Repositories live in memory: commits of whole trees, branches, tags, private and gated repositories, uploads
through LFS, downloads by range. Faults can be set on requests by their path; `stop` and `start` take the Hub
down and up on the same port. The users "alice" (hf_alice may write, hf_alice_read may read) and "bob"
(hf_bob) are there.

For hands-on use, `python -m tests.local_hub 8000`. The client must not use Xet: HF_HUB_DISABLE_XET=1.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

TOKENS = {"hf_alice": ("alice", "write"), "hf_alice_read": ("alice", "read"), "hf_bob": ("bob", "write")}
LFS_SUFFIXES = (".safetensors", ".png", ".jpg", ".webp")
LFS_SIZE = 10_000_000  # bytes from which any file goes through LFS
ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES).encode()


@dataclass
class Blob:
    data: bytes
    lfs: bool

    @property
    def oid(self) -> str:
        """Names the content as the real Hub does: SHA-256 for LFS, git's blob SHA-1 otherwise."""
        if self.lfs:
            return hashlib.sha256(self.data).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(self.data) + self.data).hexdigest()


@dataclass
class Commit:
    files: dict[str, Blob]
    parent: str | None
    author: str
    title: str
    message: str = ""
    date: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()))
    salt: str = field(default_factory=lambda: secrets.token_hex(8))  # two equal commits in one second differ

    @property
    def oid(self) -> str:
        tree = sorted((path, blob.oid) for path, blob in self.files.items())
        return hashlib.sha1(
            json.dumps([tree, self.parent, self.author, self.title, self.date, self.salt]).encode()
        ).hexdigest()


@dataclass
class Repository:
    id: str
    private: bool = False
    gated: bool = False
    sdk: str | None = None  # of a Space
    hardware: str = "cpu-basic"  # and that it is to run on
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def add(self, commit: Commit, branch: str) -> str:
        oid = commit.oid
        self.commits[oid] = commit
        self.branches[branch] = oid
        return oid

    def resolve(self, revision: str) -> str:
        for names in (self.branches, self.tags):
            if revision in names:
                return names[revision]
        if revision in self.commits:
            return revision
        raise Answer(404, f"Invalid rev id: {revision}", "RevisionNotFound")


@dataclass
class Fault:
    """What happens to requests whose "METHOD path" matches: an error, a wait in seconds, or a cut after n
    bytes.
    """

    pattern: str
    status: int | None
    stall: float
    cut: int | None
    times: float


class Answer(Exception):
    """An error that the server answers with."""

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {}), **headers}


class LocalHub:
    def __init__(self, port: int = 0) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.objects: dict[str, bytes] = {}  # what LFS holds, by SHA-256
        self.uploads: dict[str, str] = {}  # secret of an upload address -> SHA-256
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str, str | None]] = []  # method, path, Range
        self.lock = threading.RLock()
        self._port = port
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self.stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), _Handler)
        self._server.daemon_threads = True
        self._server.hub = self
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Connections are refused from here on; repositories are kept for the next `start`."""
        if self._server is not None:
            self.stopping.set()
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> LocalHub:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def fail(
        self,
        pattern: str,
        *,
        status: int | None = None,
        stall: float = 0.0,
        cut: int | None = None,
        times: float = float("inf"),
    ) -> None:
        """The next `times` requests whose "METHOD /path" matches the regular expression go wrong."""
        self.faults.append(Fault(pattern, status, stall, cut, times))

    def heal(self) -> None:
        self.faults.clear()

    def fault_for(self, request: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.pattern, request):
                    fault.times -= 1
                    return fault
        return None


REPO = r"/api/(?P<kind>model|dataset|space)s/(?P<id>[^/]+/[^/]+)"
GIT = r"/(?:(?P<kind>dataset|space)s/)?(?P<id>[^/]+/[^/]+?)"
ROUTES: list[tuple[str, re.Pattern, str]] = []


def route(method: str, pattern: str):
    def add(function):
        ROUTES.append((method, re.compile(pattern), function.__name__))
        return function

    return add


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: LocalHub
    kind: str
    repo: Repository

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        self.close_connection = True  # no connection outlives `stop`
        self.hub = self.server.hub
        split = urlsplit(self.path)
        self.query = parse_qs(split.query)
        # Read before anything is refused: a client that is still sending takes an early answer for a broken
        # line.
        self.body = self._read()
        with self.hub.lock:
            self.hub.requests.append((self.command, unquote(split.path), self.headers.get("Range")))
        fault = self.hub.fault_for(f"{self.command} {unquote(split.path)}")
        self.cut = fault.cut if fault else None
        try:
            if fault and fault.stall and self.hub.stopping.wait(fault.stall):
                return
            if fault and fault.status:
                raise Answer(fault.status, "Made to fail")
            self._authenticate()
            for method, pattern, name in ROUTES:
                # Matched before unquoting: a revision such as refs%2Fpr%2F1 is one part of the path.
                if method == self.command and (match := pattern.fullmatch(split.path)):
                    groups = {k: unquote(v) if v else v for k, v in match.groupdict().items()}
                    self.kind = groups.pop("kind", None) or "model"
                    with self.hub.lock:
                        if "id" in groups:
                            self.repo = self._repository(groups.pop("id"))
                        send = getattr(self, name)(**groups)
                    return send()
            raise Answer(404, f"No such route: {self.command} {split.path}")
        except Answer as answer:
            self._send(answer.status, json.dumps({"error": str(answer)}).encode(), **answer.headers)
        except ConnectionError:
            pass

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _send(self, status: int, data: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": len(data),
            **headers,
        }.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data if self.cut is None else data[: self.cut])

    def _json(self, value: object):
        return lambda: self._send(200, json.dumps(value).encode())

    # Who may do what

    def _authenticate(self) -> None:
        given = self.headers.get("Authorization")
        self.user, self.role = None, None
        if given is not None:
            if given.removeprefix("Bearer ") not in TOKENS:
                raise Answer(401, "Invalid credentials in Authorization header")
            self.user, self.role = TOKENS[given.removeprefix("Bearer ")]

    def _repository(self, id: str) -> Repository:
        repo = self.hub.repositories.get((self.kind, id))
        if repo is None or repo.private and self.user != id.split("/")[0]:
            # The real Hub hides what exists from anonymous visitors (401), and from others (404).
            raise Answer(404 if self.user else 401, "Repository not found", "RepoNotFound")
        return repo

    def _may_write(self, owner: str) -> None:
        if self.user is None:
            raise Answer(401, "Log in to write", "RepoNotFound")
        if self.role != "write" or self.user != owner:
            raise Answer(403, f"You don't have the rights to write to {owner}")

    def _writable(self) -> Repository:
        self._may_write(self.repo.id.split("/")[0])
        return self.repo

    # Repositories

    @route("GET", "/api/whoami-v2")
    def whoami(self):
        if self.user is None:
            raise Answer(401, "Not logged in")
        role = {"accessToken": {"displayName": "test", "role": self.role}}
        return self._json(
            {"type": "user", "name": self.user, "fullname": self.user, "orgs": [], "auth": role}
        )

    @route("POST", "/api/repos/create")
    def create(self):
        ask = json.loads(self.body)
        kind, owner = ask.get("type") or "model", ask.get("organization") or self.user
        self._may_write(owner)
        if kind == "space" and ask.get("sdk") not in ("gradio", "docker", "static"):
            raise Answer(400, '"sdk" must be one of gradio, docker, static')
        id = f"{owner}/{ask['name']}"
        url = f"{self.hub.url}/{'' if kind == 'model' else kind + 's/'}{id}"
        if (kind, id) in self.hub.repositories:
            return lambda: self._send(
                409, json.dumps({"error": "You already created this repo", "url": url}).encode()
            )
        repo = self.hub.repositories[kind, id] = Repository(
            id,
            private=ask.get("visibility") == "private",
            sdk=ask.get("sdk"),
            hardware=ask.get("hardware", "cpu-basic"),
        )
        repo.add(Commit({".gitattributes": Blob(ATTRIBUTES, False)}, None, owner, "initial commit"), "main")
        return self._json({"url": url, "name": id})

    @route("DELETE", "/api/repos/delete")
    def delete(self):
        ask = json.loads(self.body)
        self.kind, owner = ask.get("type") or "model", ask.get("organization") or self.user
        repo = self._repository(f"{owner}/{ask['name']}")
        self._may_write(owner)
        del self.hub.repositories[self.kind, repo.id]
        return self._json({})

    @route("PUT", REPO + "/settings")
    def settings(self):
        ask = json.loads(self.body)
        self._writable().private = ask.get("private", ask.get("visibility") == "private")
        if "gated" in ask:
            self.repo.gated = bool(ask["gated"])
        return self._json({})

    @route("GET", REPO + "/runtime")
    def runtime(self):
        return self._json({"stage": "BUILDING", "hardware": {"current": None, "requested": self.repo.hardware}})

    @route("POST", REPO + "/hardware")
    def request_hardware(self):
        self._writable().hardware = json.loads(self.body)["flavor"]
        return self.runtime()

    @route("GET", REPO)
    @route("GET", REPO + "/revision/(?P<revision>[^/]+)")
    def info(self, revision: str = "main"):
        repo, sha = self.repo, self.repo.resolve(revision)
        siblings = [{"rfilename": path} for path in sorted(repo.commits[sha].files)]
        return self._json(
            {
                "id": repo.id,
                "modelId": repo.id,
                "sha": sha,
                "private": repo.private,
                "tags": [],
                "gated": "auto" if repo.gated else False,
                "siblings": siblings,
            }
        )

    @route("GET", REPO + "/tree/(?P<revision>[^/]+)(?:/(?P<path>.*))?")
    def tree(self, revision: str, path: str | None):
        files = self.repo.commits[self.repo.resolve(revision)].files
        return self._json(
            [_entry(p, b) for p, b in sorted(files.items()) if not path or p.startswith(path + "/")]
        )

    @route("POST", REPO + "/paths-info/(?P<revision>[^/]+)")
    def paths_info(self, revision: str):
        files = self.repo.commits[self.repo.resolve(revision)].files
        return self._json(
            [_entry(p, files[p]) for p in parse_qs(self.body.decode()).get("paths", []) if p in files]
        )

    @route("GET", REPO + "/commits/(?P<revision>[^/]+)")
    def commits(self, revision: str):
        history, sha = [], self.repo.resolve(revision)
        while sha is not None:
            c = self.repo.commits[sha]
            history.append(
                {
                    "id": sha,
                    "title": c.title,
                    "message": c.message,
                    "date": c.date,
                    "authors": [{"user": c.author}],
                }
            )
            sha = c.parent
        return self._json(history)

    @route("GET", REPO + "/refs")
    def refs(self):
        def listed(names: dict[str, str], kind: str) -> list[dict]:
            return [{"name": n, "ref": f"refs/{kind}/{n}", "targetCommit": sha} for n, sha in names.items()]

        heads, tags = listed(self.repo.branches, "heads"), listed(self.repo.tags, "tags")
        return self._json({"branches": heads, "tags": tags, "converts": []})

    @route("POST", REPO + "/tag/(?P<name>[^/]+)")
    def tag(self, name: str):  # the name in the path is the revision, the new tag is in the body
        tag = json.loads(self.body)["tag"]
        if tag in self._writable().tags:
            raise Answer(409, f"Tag reference exists already: {tag}")
        self.repo.tags[tag] = self.repo.resolve(name)
        return self._json({})

    @route("DELETE", REPO + "/tag/(?P<name>[^/]+)")
    def untag(self, name: str):
        if self._writable().tags.pop(name, None) is None:
            raise Answer(404, f"No tag {name}", "RevisionNotFound")
        return self._json({})

    @route("POST", REPO + "/branch/(?P<name>[^/]+)")
    def branch(self, name: str):
        if name in self._writable().branches:
            raise Answer(409, f"Reference already exists: {name}")
        start = json.loads(self.body or b"{}").get("startingPoint", "main")
        self.repo.branches[name] = self.repo.resolve(start)
        return self._json({})

    # Uploads: ask which files go through LFS, put those, then commit

    @route("POST", "/api/validate-yaml")
    def validate_yaml(self):
        asked = json.loads(self.body)
        head = re.match(r"---\n(.*?)\n---", asked["content"], re.DOTALL)
        bad = head and re.search(r"^license: *(?!mit|apache-2.0|cc0-1.0|other)\S+$", head[1], re.MULTILINE)
        errors = [{"message": '"license" must be one of mit, apache-2.0, cc0-1.0, other'}] if bad else []
        if asked.get("repoType") == "space":
            short = re.search(r"^short_description: *(.*)$", head[1] if head else "", re.MULTILINE)
            if short and len(short[1]) > 60:
                errors.append({"message": '"short_description" length must be less than or equal to 60 characters'})
            if not head or not re.search(r"^sdk: ", head[1], re.MULTILINE):
                errors.append({"message": '"sdk" is required'})
        answer = json.dumps({"errors": errors, "warnings": []}).encode()
        return lambda: self._send(400 if errors else 200, answer)

    @route("POST", REPO + "/preupload/(?P<revision>[^/]+)")
    def preupload(self, revision: str):
        repo = self._writable()
        files = repo.commits[repo.resolve(revision)].files
        answers = []
        for file in json.loads(self.body)["files"]:
            path, lfs = file["path"], file["path"].endswith(LFS_SUFFIXES) or file["size"] >= LFS_SIZE
            oid = files[path].oid if path in files else None
            answers.append(
                {"path": path, "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False, "oid": oid}
            )
        return self._json({"files": answers})

    @route("POST", GIT + r"\.git/info/lfs/objects/batch")
    def lfs_batch(self):
        self._writable()
        answers = []
        for wanted in json.loads(self.body)["objects"]:
            answer = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.hub.objects:
                secret = secrets.token_hex(16)
                self.hub.uploads[secret] = wanted["oid"]
                address = f"{self.hub.url}/lfs/{secret}"
                answer["actions"] = {
                    "upload": {"href": address, "header": {}},
                    "verify": {"href": address, "header": {}},
                }
            answers.append(answer)
        return self._json({"transfer": "basic", "objects": answers})

    @route("PUT", "/lfs/(?P<secret>[0-9a-f]+)")
    def lfs_put(self, secret: str):
        oid = hashlib.sha256(self.body).hexdigest()
        if self.hub.uploads.get(secret) != oid:
            raise Answer(400, "The content is not what was announced")
        self.hub.objects[oid] = self.body
        return self._json({})

    @route("POST", "/lfs/(?P<secret>[0-9a-f]+)")
    def lfs_verify(self, secret: str):
        ask = json.loads(self.body)
        if len(self.hub.objects.get(ask["oid"], b"")) != ask["size"]:
            raise Answer(404, "The object was not uploaded")
        return self._json({})

    @route("POST", REPO + "/commit/(?P<revision>[^/]+)")
    def commit(self, revision: str):
        repo = self._writable()
        if revision not in repo.branches:
            raise Answer(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        parent = repo.branches[revision]
        files, header = dict(repo.commits[parent].files), {}
        for line in self.body.splitlines():
            item = json.loads(line)
            value = item["value"]
            match item["key"]:
                case "header":
                    header = value
                    if value.get("parentCommit", parent) != parent:
                        raise Answer(412, "A commit has happened since")
                case "file":
                    files[value["path"]] = Blob(base64.b64decode(value["content"]), lfs=False)
                case "lfsFile":
                    if value["oid"] not in self.hub.objects:
                        raise Answer(400, f"{value['path']} was not uploaded")
                    files[value["path"]] = Blob(self.hub.objects[value["oid"]], lfs=True)
                case "deletedFile":
                    del files[value["path"]]
                case "deletedFolder":
                    files = {
                        p: b for p, b in files.items() if not p.startswith(value["path"].rstrip("/") + "/")
                    }
        oid = repo.add(
            Commit(files, parent, self.user, header["summary"], header.get("description", "")), revision
        )
        return self._json({"commitOid": oid, "commitUrl": f"{self.hub.url}/{repo.id}/commit/{oid}"})

    # Downloads

    @route("HEAD", GIT + "/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
    @route("GET", GIT + "/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
    def resolve(self, revision: str, path: str):
        if self.repo.gated and self.user != self.repo.id.split("/")[0]:
            raise Answer(403 if self.user else 401, "Access to this model is restricted", "GatedRepo")
        sha = self.repo.resolve(revision)
        blob = self.repo.commits[sha].files.get(path)
        if blob is None:
            raise Answer(404, "Entry not found", "EntryNotFound", X_Repo_Commit=sha)
        headers = {
            "Content_Type": "application/octet-stream",
            "X_Repo_Commit": sha,
            "ETag": f'"{blob.oid}"',
            "Accept_Ranges": "bytes",
        }
        if blob.lfs:
            headers |= {"X_Linked_Etag": f'"{blob.oid}"', "X_Linked_Size": str(len(blob.data))}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            return lambda: self._send(200, blob.data, **headers)
        first, last = int(asked[1]), min(int(asked[2] or len(blob.data) - 1), len(blob.data) - 1)
        if first > last:
            raise Answer(416, "Range not satisfiable", Content_Range=f"bytes */{len(blob.data)}")
        headers["Content_Range"] = f"bytes {first}-{last}/{len(blob.data)}"
        return lambda: self._send(206, blob.data[first : last + 1], **headers)


def _entry(path: str, blob: Blob) -> dict:
    size = len(blob.data)
    lfs = {"lfs": {"oid": blob.oid, "size": size, "pointerSize": 134}} if blob.lfs else {}
    return {"type": "file", "path": path, "size": size, "oid": blob.oid[:40], **lfs}


@pytest.fixture
def local_hub(tmp_path, monkeypatch) -> Iterator[LocalHub]:
    """A fresh Hub that the real client in this process talks to, with an empty cache and nobody logged in."""
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with LocalHub() as hub:
        # The client read its environment when it was imported, so its constants are set instead.
        settings = {
            "ENDPOINT": hub.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "hub-cache"),
            "HF_TOKEN_PATH": str(tmp_path / "no-token"),
            "HF_HUB_OFFLINE": False,
            "HF_HUB_DISABLE_XET": True,
        }
        for name, value in settings.items():
            monkeypatch.setattr(constants, name, value)
        close_session()  # the next one reads NO_PROXY
        yield hub
    close_session()


if __name__ == "__main__":
    served = LocalHub(int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
    served.start()
    variables = f"HF_ENDPOINT={served.url} HF_HUB_DISABLE_XET=1 HF_HUB_DISABLE_TELEMETRY=1 HF_TOKEN=hf_alice"
    print("export", variables, flush=True)  # noqa: T201
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        served.stop()
