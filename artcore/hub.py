"""Checkpoints: folders and Hub repositories that hold config.json and model.safetensors.

`ArtModel` is the base class of every net in artcore.models. The constructor's arguments are the
configuration, so there is no second place where a net's shape is written down. It is huggingface_hub's mixin
for users and for the model card, and stricter where it loads: the mixin accepts a checkpoint that lacks
tensors and leaves them random, takes defaults for a missing config.json, reads the config and the weights
from two different commits when a push falls between, and turns to pickle. Here each of these is a `HubError`
that says what to do.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import httpx2
import safetensors
import safetensors.torch
import torch
from huggingface_hub import (
    CommitInfo,
    HfApi,
    PyTorchModelHubMixin,
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub import errors as hub_errors
from huggingface_hub.utils import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
    logging,
)
from torch import Tensor, nn

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
CARD = "README.md"
PICTURES = ("*.jpg", "*.png", "*.webp")  # what a card may show
DTYPES = {"float32": torch.float32, "float16": torch.float16}
TIMEOUT = 5.0  # seconds for the Hub's first answer

_CARD_TEMPLATE = """---
{{ card_data }}
---

# {{ name }}

A `{{ name }}` checkpoint of artcore, {{ count }} parameters, stored as {{ dtype }} and loaded as float32.

```python
from {{ module }} import {{ name }}

model = {{ name }}.from_pretrained("{{ repo_id }}")
```

```json
{{ config }}
```
"""


class HubError(ValueError):
    """A checkpoint that can't be loaded, saved or pushed; the message says why, and what to do."""


class ArtModel(nn.Module, PyTorchModelHubMixin, library_name="artcore", model_card_template=_CARD_TEMPLATE):
    """A net that is saved, loaded and pushed whole. Subclasses write `__init__` and `forward`, nothing else.

    Constructor arguments must be JSON values (numbers, strings, booleans, None) or tuples and dicts of them.
    A list comes back as a tuple, since JSON knows one kind of sequence and nets here are configured with
    tuples.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        model = super().__new__(cls, *args, **kwargs)
        # The mixin records the default in place of an argument that is no JSON value, and would save a net
        # that it can't make again. This records what was given, and `_config` refuses it.
        with contextlib.suppress(TypeError):  # a copy is made without arguments; a wrong call fails later
            bound = inspect.signature(cls.__init__).bind(model, *args, **kwargs)
            bound.apply_defaults()
            model._hub_mixin_config = dict(list(bound.arguments.items())[1:])
        return model

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
    ) -> Self:
        """Loads the net from a folder or from a Hub repository: float32, on the CPU, in eval mode.

        `revision` is a branch, a tag or a commit (default "main"). It is resolved once, so that config and
        weights come from one commit. A full commit that is in the cache asks the Hub nothing. Where the Hub
        can't be reached, the cache answers with what that revision was when it was last loaded. The caller's
        random numbers are left as they were.

        Raises HubError: nothing of that name, or private; no such revision; the Hub is out of reach and the
        cache empty; no config.json; another architecture; an argument that the class does not take; missing,
        unexpected, misshapen or non-finite tensors; a truncated file.
        """
        folder = snapshot(
            source,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
        )
        arguments = cls._arguments(_read_config(folder / CONFIG, source), source)
        tensors = _read_tensors(folder / WEIGHTS, source)
        try:
            with torch.random.fork_rng(devices=[]):  # the constructor draws weights, which are replaced below
                model = cls(**arguments)
        except Exception as error:  # whatever a constructor makes of values that it can't take
            raise HubError(
                f"{CONFIG} of {source} holds values that {cls.__name__} refuses ({error}): correct them, or "
                "load the checkpoint with the version of artcore that made it."
            ) from error
        model.float()
        _check_fit(tensors, model, source)
        model.load_state_dict(tensors, strict=True)
        return model.eval()

    def save_pretrained(self, folder: str | os.PathLike, *, dtype: str = "float32") -> Path:
        """Writes config.json and model.safetensors into `folder`, made if absent; each file is replaced.

        `dtype` "float16" halves the file; loading gives float32 parameters all the same. A README.md that
        lies there is left alone. The same net gives the same bytes. Returns the folder.

        Raises HubError: weights that are NaN or infinite (also once rounded to float16), a constructor
        argument that JSON can't hold, a folder that can't be written.
        """
        if dtype not in DTYPES:
            raise HubError(f"dtype is {dtype!r}: choose one of {', '.join(DTYPES)}.")
        config = json.dumps(self._config(), indent=2) + "\n"
        tensors = {name: _stored(tensor, DTYPES[dtype]) for name, tensor in self.state_dict().items()}
        if bad := _not_finite(tensors):
            which = _some(bad)
            if dtype != "float32" and not _not_finite(self.state_dict()):
                raise HubError(f"{which} exceeds the range of {dtype}: save it with dtype='float32'.")
            raise HubError(
                f"{which} holds NaN or infinite weights, so nothing was saved: go back to an earlier "
                "checkpoint, and train on with a smaller learning rate."
            )
        folder = Path(folder).expanduser()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # The weights first: were the second write never to happen, the old config would not fit them.
            _write(folder / WEIGHTS, safetensors.torch.save(tensors, metadata={"format": "pt"}))
            _write(folder / CONFIG, config.encode())
        except OSError as error:
            raise HubError(f"{folder} can't be written ({error}): choose another folder, or free the disk.") from error
        return folder

    def push_to_hub(
        self,
        repo_id: str,
        *,
        folder: str | os.PathLike | None = None,
        private: bool | None = None,
        token: str | bool | None = None,
        commit_message: str | None = None,
        branch: str | None = None,
        tags: str | Iterable[str] = (),
        dtype: str = "float32",
    ) -> CommitInfo:
        """Uploads the net as one commit and returns it (`.oid` is its hash); makes the repository if absent.

        `folder`: where its README.md (the model card) and the pictures that the card shows lie; they go up in
        the same commit. Without one a short card is written. `branch` is made if absent; each of `tags` is
        set on the new commit and must be new itself. `private` None means public, or what the repository is
        already.

        Raises HubError before anything is uploaded: weights as in save_pretrained, a token that may not
        write, a tag that exists, a repository that is public where `private=True` was asked; and where the
        Hub can't be reached.
        """
        tags = [tags] if isinstance(tags, str) else list(tags)
        with tempfile.TemporaryDirectory() as name, _quiet, sentences(repo_id, branch, push=True):
            upload = Path(name)
            self.save_pretrained(upload, dtype=dtype)
            if folder is not None:
                _copy_card(Path(folder).expanduser(), upload)
            api = HfApi(token=token)
            repo_id = _prepare_repository(api, repo_id, private, tags)
            if not (upload / CARD).exists():
                (upload / CARD).write_text(self._card(repo_id, dtype), encoding="utf-8")
            if branch is not None:
                api.create_branch(repo_id, branch=branch, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repo_id,
                folder_path=upload,
                revision=branch,
                commit_message=commit_message or f"Upload {type(self).__name__}",
            )
            for tag in tags:
                api.create_tag(repo_id, tag=tag, revision=commit.oid)
            return commit

    def _config(self) -> dict[str, Any]:
        """The architecture and every constructor argument, defaults included, in the signature's order."""
        captured = self._hub_mixin_config or {}
        config = {"architecture": type(self).__name__}
        for name in self._parameters_of_init():
            if name not in captured or not _survives_json(captured[name]):
                raise HubError(
                    f"{type(self).__name__} can't be saved, since {CONFIG} can't hold its argument {name!r}: "
                    "give it numbers, strings, or tuples of them."
                )
            config[name] = captured[name]
        return config

    @classmethod
    def _parameters_of_init(cls) -> dict[str, inspect.Parameter]:
        return {k: p for k, p in inspect.signature(cls.__init__).parameters.items() if k != "self"}

    @classmethod
    def _arguments(cls, config: dict[str, Any], source: object) -> dict[str, Any]:
        """The constructor's arguments out of config.json, checked against the class."""
        known = cls._parameters_of_init()
        if (made := config.pop("architecture", None)) != cls.__name__:
            if not isinstance(made, str):
                raise HubError(f"{CONFIG} of {source} names no architecture: it is no checkpoint of artcore.")
            raise HubError(
                f"{source} holds {_article(made)}, not {_article(cls.__name__)}: load it with "
                f"{made}.from_pretrained, or with artcore.load."
            )
        if unknown := [name for name in config if name not in known]:
            raise HubError(
                f"{CONFIG} of {source} sets {_some(unknown)}, which {cls.__name__} does not take: "
                "it was made by a newer artcore, so update artcore, or correct the name."
            )
        # An argument that is absent takes its default: that is how an older checkpoint meets a newer class.
        needed = [n for n, p in known.items() if p.default is p.empty and n not in config]
        if needed:
            raise HubError(f"{CONFIG} of {source} lacks {_some(needed)}: save the checkpoint again with artcore.")
        return {name: _tuples(value) for name, value in config.items()}

    def _card(self, repo_id: str, dtype: str) -> str:
        return self.generate_model_card(
            name=type(self).__name__,
            module=type(self).__module__,
            repo_id=repo_id,
            dtype=dtype,
            count=f"{sum(p.numel() for p in self.parameters()):,}",
            config=json.dumps(self._config(), indent=2),
        ).content


def weights() -> Path:
    """The folder of catalog.json and the shipped checkpoints: ARTCORE_WEIGHTS, or weights/ beside artcore/."""
    return Path(os.environ.get("ARTCORE_WEIGHTS") or Path(__file__).resolve().parents[1] / "weights")


def snapshot(
    source: str | os.PathLike,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
) -> Path:
    """The folder with config.json and model.safetensors of a checkpoint: the one given, or the Hub's cache after
    the download of one commit. Arguments and errors as in `ArtModel.from_pretrained`."""
    folder = _as_folder(source)
    if folder is None:
        return _fetch(str(source), revision, token, cache_dir, force_download, local_files_only)[0].parent
    if revision is not None:
        raise HubError(f"{folder} is a folder and has no revision {revision!r}: leave revision out.")
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise HubError(f"{folder} {_lacks(name)}")
    return folder


def architecture(folder: Path) -> str:
    """The class name that a checkpoint's config.json names. Raises HubError where there is none."""
    name = _read_config(folder / CONFIG, folder).get("architecture")
    if not isinstance(name, str):
        raise HubError(f"{CONFIG} of {folder} names no architecture: save the checkpoint again with artcore.")
    return name


# Files


def _as_folder(source: str | os.PathLike) -> Path | None:
    """The folder that `source` means, or None where it is the name of a Hub repository."""
    text = os.fspath(source)
    path = Path(os.path.expanduser(text))
    if text and path.is_dir():
        return path
    if path.is_file():
        raise HubError(f"{source} is a file: give the folder that holds {CONFIG} and {WEIGHTS}.")
    separators = text.count("/") + text.count("\\")
    if isinstance(source, os.PathLike) or text.startswith((".", "/", "~", "\\")) or separators > 1 or not text:
        raise HubError(f"There is no folder {text!r}: check the path, or give a Hub repository like 'name/model'.")
    return None


def _lacks(filename: str) -> str:
    what = "(artcore reads no pickle: no .bin, .pt or .pth)" if filename == WEIGHTS else "and is no checkpoint"
    return f"holds no {filename} {what}: check the name, or save it again with save_pretrained."


def _read_config(path: Path, source: object) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HubError(f"{CONFIG} of {source} can't be read ({error}): {_again(path)}.") from error
    if not isinstance(config, dict):
        raise HubError(f"{CONFIG} of {source} is not a JSON object: {_again(path)}.")
    return config


def _read_tensors(path: Path, source: object) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        with contextlib.suppress(OSError), path.open("rb") as file:
            if file.read(12) == b"version http":
                raise HubError(f"{WEIGHTS} of {source} is a Git LFS pointer: run `git lfs pull` there.") from error
        raise HubError(
            f"{WEIGHTS} of {source} is truncated or no safetensors file ({error}): {_again(path)}."
        ) from error


def _again(path: Path) -> str:
    """What to do about a broken file, which depends on whether the Hub's cache or a person put it there."""
    cached = path.parent.parent.name == "snapshots"
    return "download it again with force_download=True" if cached else "copy or save the checkpoint again"


def _check_fit(tensors: dict[str, Tensor], model: nn.Module, source: object) -> None:
    """Raises HubError unless the file holds exactly the tensors of the net, of its shapes and kinds."""
    wanted = model.state_dict()
    missing = [name for name in wanted if name not in tensors]
    unexpected = [name for name in tensors if name not in wanted]
    if missing or unexpected:
        parts = [f"it lacks {_some(missing)}"] * bool(missing) + [f"it has {_some(unexpected)} too"] * bool(unexpected)
        raise HubError(
            f"{WEIGHTS} of {source} does not fit {type(model).__name__}: {' and '.join(parts)}; "
            "load it with the version of artcore that made it, or save it again with this one."
        )
    for name, tensor in wanted.items():
        found = tensors[name]
        if found.shape != tensor.shape or found.is_floating_point() != tensor.is_floating_point():
            raise HubError(
                f"{WEIGHTS} of {source} does not fit its {CONFIG}: {name} is {_kind(found)} in the file and "
                f"{_kind(tensor)} in the net; both files must come from one save, so copy or save them again."
            )
    if bad := _not_finite(tensors):
        raise HubError(f"{WEIGHTS} of {source} holds NaN or infinite weights in {_some(bad)}: use another checkpoint.")


def _stored(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """A contiguous copy on the CPU, of its own memory, as safetensors needs it; counters stay integers."""
    dtype = dtype if tensor.is_floating_point() else tensor.dtype
    return tensor.detach().to("cpu", dtype, copy=True, memory_format=torch.contiguous_format)


def _not_finite(tensors: dict[str, Tensor]) -> list[str]:
    return [name for name, t in tensors.items() if t.is_floating_point() and not torch.isfinite(t).all()]


def _write(path: Path, data: bytes) -> None:
    """Writes the file under another name, then renames it, so that nobody ever reads half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _copy_card(folder: Path, upload: Path) -> None:
    if not folder.is_dir():
        raise HubError(f"There is no folder {str(folder)!r} to take the model card from: check the path.")
    for pattern in (CARD, *(f"**/{p}" for p in PICTURES)):
        for file in folder.glob(pattern):
            target = upload / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


def _tuples(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_tuples(v) for v in value)
    return {k: _tuples(v) for k, v in value.items()} if isinstance(value, dict) else value


def _survives_json(value: Any) -> bool:
    try:
        return _tuples(json.loads(json.dumps(value, allow_nan=False))) == _tuples(value)
    except (TypeError, ValueError):
        return False


def _article(name: str) -> str:
    return f"{'an' if name[:1] in 'AEIOU' else 'a'} {name}"


def _some(names: list[str]) -> str:
    """Up to three of the names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _kind(tensor: Tensor) -> str:
    return f"{'x'.join(map(str, tensor.shape)) or 'one number'} {str(tensor.dtype).removeprefix('torch.')}"


# The Hub


def _fetch(
    repo_id: str,
    revision: str | None,
    token: str | bool | None,
    cache_dir: str | Path | None,
    force: bool,
    local_files_only: bool,
) -> tuple[Path, Path]:
    """Paths of config.json and model.safetensors in the Hub's cache, both of one commit."""
    revision = revision or "main"
    pinned = re.fullmatch("[0-9a-f]{40}", revision) is not None
    with _quiet, sentences(repo_id, revision):
        cached = _cached(repo_id, revision, cache_dir)
        if local_files_only or constants.is_offline_mode():
            if cached is None:
                raise HubError(
                    f"{repo_id} at {revision} is not in the cache, and the Hub may not be asked "
                    "(HF_HUB_OFFLINE or local_files_only is set): load it once while online, or use a folder."
                )
            return cached
        if cached is not None and pinned and not force:
            return cached
        try:
            # One short question before any download: huggingface_hub itself retries for 23 s per file where
            # the Hub is down. The cache is the answer to a Hub that is out of order, never to one that says
            # no.
            commit = _ask(repo_id, CONFIG, revision, token)
            _ask(repo_id, WEIGHTS, commit, token)
        except (httpx2.TransportError, hub_errors.HfHubHTTPError) as error:
            down = isinstance(error, httpx2.TransportError) or error.response.status_code >= 500
            if cached is not None and down and not force:
                return cached
            raise
        config, weights = (
            Path(hf_hub_download(repo_id, f, revision=commit, token=token, cache_dir=cache_dir, force_download=force))
            for f in (CONFIG, WEIGHTS)
        )
        if not pinned:
            # The cache learns what the revision means only when both files are there: an update that was
            # interrupted leaves the last whole checkpoint usable offline.
            with contextlib.suppress(OSError):  # a read-only cache
                ref = config.parents[2] / "refs" / revision
                ref.parent.mkdir(parents=True, exist_ok=True)
                _write(ref, commit.encode())
        return config, weights


def _cached(repo_id: str, revision: str, cache_dir: str | Path | None) -> tuple[Path, Path] | None:
    paths = [try_to_load_from_cache(repo_id, f, cache_dir=cache_dir, revision=revision) for f in (CONFIG, WEIGHTS)]
    return (Path(paths[0]), Path(paths[1])) if all(isinstance(p, str) for p in paths) else None


def _ask(repo_id: str, filename: str, revision: str, token: str | bool | None) -> str:
    """The commit that holds the file; one request, no retry."""
    url = hf_hub_url(repo_id, filename, revision=revision)
    try:
        commit = get_hf_file_metadata(url, token=token, timeout=TIMEOUT).commit_hash
    except hub_errors.RemoteEntryNotFoundError as error:
        raise HubError(f"{repo_id} at {revision} {_lacks(filename)}") from error
    if commit is None:
        raise HubError(f"{constants.ENDPOINT} does not answer like a Hub: check HF_ENDPOINT and the proxy.")
    return commit


def _prepare_repository(api: HfApi, repo_id: str, private: bool | None, tags: list[str]) -> str:
    """Makes the repository unless it is there, and refuses what would only fail after the upload."""
    if "/" not in repo_id:
        repo_id = f"{api.whoami()['name']}/{repo_id}"
    try:
        info = api.model_info(repo_id, timeout=TIMEOUT)
    except hub_errors.RepositoryNotFoundError:
        return api.create_repo(repo_id, private=private).repo_id
    if private is not None and private != info.private:
        is_now, asked = ("private", "public") if info.private else ("public", "private")
        raise HubError(
            f"{repo_id} exists and is {is_now}, not {asked}: change that in its settings on the Hub, or "
            "leave private out."
        )
    if tags and (taken := [t.name for t in api.list_repo_refs(repo_id).tags if t.name in tags]):
        raise HubError(f"{repo_id} already has the tag {_some(taken)}: choose another, or delete it on the Hub.")
    return repo_id


@contextlib.contextmanager
def sentences(repo_id: str, revision: str | None = None, *, push: bool = False) -> Iterator[None]:
    """Turns what huggingface_hub and the network raise about a repository, or a push to it, into HubError."""
    try:
        yield
    except HubError:
        raise
    except Exception as error:
        # An upload that fails in a worker arrives as a RuntimeError around the reason.
        reason = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
        sentence = _sentence(reason, repo_id, revision, push)
        if sentence is None:
            raise
        raise HubError(sentence) from error


def _sentence(error: BaseException, repo_id: str, revision: str | None, push: bool) -> str | None:
    name = repo_id
    login = "log in with `hf auth login`, or pass token"
    # What a load has besides the Hub.
    uncached, folder = ("", "") if push else (f", and {name} is not in the cache", ", or give a folder")
    match error:
        case hub_errors.HFValidationError():
            return f"{name!r} is neither a folder nor a repository of the Hub: write it like 'name/model'."
        case hub_errors.GatedRepoError():
            return f"{name} is gated: ask for access on its page on the Hub, then {login}."
        case hub_errors.RepositoryNotFoundError() if push:
            return f"{name} can't be pushed to without a login: {login} that may write."
        case hub_errors.RepositoryNotFoundError():
            return f"{name} is no folder, and no public model of the Hub: check the name, or {login}."
        case hub_errors.RevisionNotFoundError():
            return f"{name} has no branch, tag or commit {revision!r}: check its versions on the Hub."
        case hub_errors.LocalTokenNotFoundError():
            return f"{name} was to be reached with a saved token, and there is none: {login}."
        case hub_errors.HfHubHTTPError():
            code = error.response.status_code
            if code == 401:
                return f"The Hub does not accept the token for {name}: {login} that is valid."
            if code == 403:
                return f"The token may not do that with {name}: {login} that has the right (write, to push)."
            if code == 409:
                return f"The name {name} is taken, and this login can't see it: choose another name."
            if code == 429:
                return f"The Hub refuses {name} after too many requests: try again in some minutes."
            if code >= 500:
                return f"The Hub is out of order ({code}){uncached}: try later{folder}."
            return f"The Hub refuses {name} ({code}, {error.server_message}): correct that, and try again."
        case hub_errors.OfflineModeIsEnabled():
            return f"The Hub may not be asked about {name}: unset HF_HUB_OFFLINE{folder}."
        case httpx2.TransportError():
            return (
                f"The Hub at {constants.ENDPOINT} can't be reached or broke off{uncached}: check the "
                f"connection and try again{folder}."
            )
        case hub_errors.LocalEntryNotFoundError():  # it went down between the first answer and the download
            return f"The Hub at {constants.ENDPOINT} went out of reach while {name} was loaded: try again."
        case OSError() if "Consistency check failed" in str(error):
            return f"The download of {name} broke off: try again."
        case OSError():
            return f"{name} can't be stored ({error}): free the disk, or set HF_HOME to a writable folder."
        case json.JSONDecodeError():
            return f"{constants.ENDPOINT} does not answer like a Hub: check HF_ENDPOINT and the proxy."
        case ValueError() if "README.md" in str(error):
            return f"The Hub refuses the card of {name} ({' '.join(str(error).split())}): correct its head."
    return None


class _Quiet:
    """Silences huggingface_hub's progress bars and log; counts, since one switch serves all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0

    def __enter__(self) -> None:
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                self._level = logging.get_verbosity()
                logging.set_verbosity_error()
                # HF_HUB_DISABLE_PROGRESS_BARS=0 is a wish to see them, which code may not overrule.
                self._bars = constants.HF_HUB_DISABLE_PROGRESS_BARS is None and not are_progress_bars_disabled()
                if self._bars:
                    disable_progress_bars()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                logging.set_verbosity(self._level)
                if self._bars:
                    enable_progress_bars()


_quiet = _Quiet()
