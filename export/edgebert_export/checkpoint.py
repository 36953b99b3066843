"""Read a checkpoint folder, as `save_pretrained` or sentence-transformers writes it.

Configuration and tensors by the checkpoint's own names; no torch unless the weights are a pickle
(`pytorch_model.bin`), which is then read with `weights_only=True`. What the tensors mean is
`canonical.py`'s, the tokenizer is `tokenizer_files.py`'s.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgebert.bundle import hash_file
from edgebert.errors import MissingExtraError
from edgebert.reader import ReadError, parse_object
from edgebert.results import Floats
from edgebert_export.errors import ExportError

SAFETENSORS = "model.safetensors"
SAFETENSORS_INDEX = "model.safetensors.index.json"
PICKLE = "pytorch_model.bin"
PICKLE_INDEX = "pytorch_model.bin.index.json"
# older TensorFlow conversions name the two vectors of a layer norm so
LEGACY = {".gamma": ".weight", ".beta": ".bias"}

Loader = Callable[[], Floats]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An opened checkpoint: its settings, and its tensors read one at a time when asked for."""

    path: Path
    config: Mapping[str, Any]
    loaders: Mapping[str, Loader]
    weights_sha256: str
    config_sha256: str

    @classmethod
    def open(cls, path: Path | str) -> "Checkpoint":
        """Open a local folder.

        Raises:
            ExportError: not a checkpoint, or one whose files cannot be read.
        """
        folder = Path(path)
        check_folder(folder)
        config = read_json_object(folder / "config.json")
        if config is None:
            raise ExportError(
                f"{folder}: not a checkpoint, it has no config.json; "
                "give a folder as `save_pretrained` writes it"
            )
        files = _weight_files(folder)
        read = _open_pickle if files[0].suffix == ".bin" else _open_safetensors
        loaders: dict[str, Loader] = {}
        for file in files:
            loaders.update(read(file))
        return cls(
            path=folder,
            config=config,
            loaders=loaders,
            weights_sha256=hash_all(*(hash_file(file) for file in files)),
            config_sha256=hash_file(folder / "config.json"),
        )

    def count(self, key: str, *, least: int, default: int | None = None) -> int:
        """Read a whole number of the configuration.

        Raises:
            ExportError: it is absent and has no default, or is not such a number.
        """
        value = self.config.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ExportError(
                f"{self.path}: config.json says {key} = {value!r}, expected a whole number of "
                f"{least} or more"
            )
        return value

    def tensor(self, name: str, shape: tuple[int, ...] | None = None) -> Floats:
        """Read one tensor as float32.

        Raises:
            ExportError: it is missing, of another shape than the configuration says, or holds a
                value that is not finite.
        """
        if name not in self.loaders:
            near = [
                known for known in self.loaders if known.split(".")[-2:] == name.split(".")[-2:]
            ]
            hint = f"; it has {near[0]!r}" if near else ""
            raise ExportError(f"{self.path}: the checkpoint has no tensor {name!r}{hint}")
        value = self.loaders[name]()
        if shape is not None and value.shape != shape:
            raise ExportError(
                f"{self.path}: tensor {name!r} is {value.shape}, config.json says {shape}; "
                "the two are not of the same model"
            )
        if not np.isfinite(value).all():
            raise ExportError(
                f"{self.path}: tensor {name!r} holds NaN or infinity; "
                "the training that wrote it diverged, take an earlier checkpoint"
            )
        return value


def check_folder(path: Path) -> None:
    """Refuse what is no folder.

    Raises:
        ExportError: there is nothing, or a file.
    """
    if path.is_file():
        raise ExportError(f"{path}: is a file; give the folder it stands in")
    if not path.is_dir():
        raise ExportError(
            f"{path}: no such folder; give a checkpoint's folder, as `save_pretrained` writes it"
        )


def read_json_object(path: Path) -> dict[str, Any] | None:
    """Read a JSON object of a checkpoint; None where there is no such file."""
    try:
        return parse_object(path.read_bytes(), path.name)
    except FileNotFoundError:
        return None
    except (ReadError, OSError) as error:
        raise ExportError(f"{path}: {error}") from error


def hash_all(*digests: str) -> str:
    """Give the one hash of one file, or the hash of several files' hashes, in hex."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _weight_files(folder: Path) -> list[Path]:
    for single, index in ((SAFETENSORS, SAFETENSORS_INDEX), (PICKLE, PICKLE_INDEX)):
        if (folder / single).is_file():
            return [folder / single]
        shards = read_json_object(folder / index)
        if shards is not None:
            return _shards(folder, index, shards)
    others = sorted(path.name for path in folder.iterdir() if path.suffix in (".h5", ".msgpack"))
    hint = f"; it has {others[0]}, which edgebert does not read" if others else ""
    raise ExportError(
        f"{folder}: no weights: expected {SAFETENSORS}, {SAFETENSORS_INDEX} or {PICKLE}{hint}"
    )


def _shards(folder: Path, index: str, content: Mapping[str, Any]) -> list[Path]:
    weight_map = content.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ExportError(f"{folder / index}: has no 'weight_map'")
    names = sorted({str(name) for name in weight_map.values()})
    for name in names:
        if Path(name).name != name or not (folder / name).is_file():
            raise ExportError(f"{folder / index}: names {name!r}, which is not in the folder")
    return [folder / name for name in names]


def _open_safetensors(path: Path) -> dict[str, Loader]:
    try:
        import ml_dtypes  # noqa: F401  (comes with onnx; teaches numpy bfloat16)
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise MissingExtraError('export needs `pip install "edgebert[export]"`') from error
    try:
        archive: Any = safe_open(path, framework="numpy")
        names = list(archive.keys())
    except (SafetensorError, OSError) as error:
        raise ExportError(
            f"{path}: damaged or cut short ({error}); download or save it again"
        ) from error

    def loader(name: str) -> Loader:
        def load() -> Floats:
            try:
                return np.ascontiguousarray(archive.get_tensor(name), dtype=np.float32)
            except (SafetensorError, TypeError, ValueError) as error:
                raise ExportError(f"{path}: tensor {name!r} cannot be read ({error})") from error

        return load

    return {modern_name(name): loader(name) for name in names}


def _open_pickle(path: Path) -> dict[str, Loader]:
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(
            f"{path}: weights in a pickle need torch to be read (`pip install torch`); or save "
            "them once as safetensors where torch is: "
            "`model.save_pretrained(folder, safe_serialization=True)`"
        ) from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises pickle, zip and runtime errors of many kinds
        reason = next(iter(str(error).splitlines()), type(error).__name__)  # torch says a page
        raise ExportError(f"{path}: damaged, or not plain weights ({reason})") from error
    if not isinstance(state, dict):
        kind = type(state).__name__
        raise ExportError(f"{path}: damaged, or not plain weights (a {kind}, not tensors by name)")
    return {
        modern_name(name): partial(_as_floats, value)
        for name, value in state.items()
        if hasattr(value, "float")
    }


def _as_floats(value: Any) -> Floats:
    return np.ascontiguousarray(value.float().numpy())


def modern_name(name: str) -> str:
    """Give today's name of a tensor that an old conversion named otherwise."""
    for old, new in LEGACY.items():
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def licence_of(folder: Path) -> str | None:
    """Read the licence that a checkpoint's model card states in its front matter."""
    try:
        lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    if not lines or lines[0].strip() != "---":
        return None
    for line in lines[1:]:
        if line.strip() == "---":
            return None
        key, _, value = line.partition(":")
        if key.strip() in ("license", "licence"):
            return value.strip().strip("\"'") or None
    return None


def dump_json(value: object) -> bytes:
    """Write JSON the same way everywhere: the same value gives the same bytes."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
