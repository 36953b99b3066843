"""What `edgebert tune` found on this machine: which engine runs texts of which length.

A small JSON file beside the bundle's folder, never in it, so that the bundle's hashes stay. It
holds for one bundle on one kind of CPU, one number of cores and one set of versions: anywhere else
it is void, and onnxruntime runs all texts, as it does without one. Measuring is `tuning.py`'s.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edgebert.bundle import Bundle
from edgebert.device.cpu import read_cpu
from edgebert.engine_versions import version_of
from edgebert.engines import Range
from edgebert.errors import EdgebertError
from edgebert.manifest import EngineName
from edgebert.reader import Reader, ReadError, parse_object
from edgebert.version import __version__
from edgebert.writing import write_text

SUFFIX = ".tune.json"
FORMAT_VERSION = 1
FILE_BYTES = 1 << 16  # ours have about 2,000; bounds what is read before any check
log = logging.getLogger("edgebert")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a profile holds for; it is void where any of this differs."""

    bundle: str  # its fingerprint
    cpu: str
    cpu_flags: str  # sha256 of them, in order
    cores: int  # worker threads
    versions: Mapping[str, str]  # of edgebert and every engine; "missing" if not installed

    @classmethod
    def read(cls, reader: Reader) -> "Stamp":
        """Read the JSON object."""
        stamp = cls(
            bundle=reader.text("bundle"),
            cpu=reader.text("cpu"),
            cpu_flags=reader.text("cpu_flags"),
            cores=reader.count("cores", least=1),
            versions=reader.pairs("versions"),
        )
        reader.finish()
        return stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What one engine took for texts of one length: the least of the rounds, from strings on."""

    tokens: int
    engine: EngineName
    narrow_ms: float  # a text alone, on one core
    wide_ms: float  # a text alone, on all cores
    many_ms: float  # each of many texts of this length

    @classmethod
    def read(cls, reader: Reader) -> "Timing":
        """Read the JSON object."""
        timing = cls(
            tokens=reader.count("tokens", least=1),
            engine=reader.choice("engine", EngineName),
            narrow_ms=reader.number("narrow_ms"),
            wide_ms=reader.number("wide_ms"),
            many_ms=reader.number("many_ms"),
        )
        reader.finish()
        return timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One profile."""

    stamp: Stamp
    min_cosine: float | None  # what the user asked of an engine's least cosine to fp32
    ranges: tuple[Range, ...]  # in the order of their lengths
    timings: tuple[Timing, ...]  # what the ranges rest on

    @classmethod
    def parse(cls, data: bytes) -> "Profile":
        """Read and check a profile.

        Raises:
            ReadError: a key is missing, unknown or of the wrong type.
        """
        reader = Reader(parse_object(data, "the profile"))
        found = reader.count("format_version", least=1)
        if found != FORMAT_VERSION:
            raise ReadError(f"format {found}, this runtime reads {FORMAT_VERSION}")
        profile = cls(
            stamp=Stamp.read(reader.part("stamp")),
            min_cosine=reader.optional("min_cosine", reader.number),
            ranges=tuple(_read_range(part) for part in reader.parts("ranges")),
            timings=tuple(Timing.read(part) for part in reader.parts("timings")),
        )
        reader.finish()
        ends = [each.up_to for each in profile.ranges]
        if not ends or ends != sorted(set(ends)):
            raise ReadError(f"the ranges end at {ends}, expected one or more, each later")
        return profile

    def to_json(self) -> str:
        """Give the file's text."""
        return json.dumps({"format_version": FORMAT_VERSION, **asdict(self)}, indent=1) + "\n"


def _read_range(reader: Reader) -> Range:
    found = Range(
        up_to=reader.count("up_to", least=1),
        engine=reader.choice("engine", EngineName),
        wide=reader.flag("wide"),
    )
    reader.finish()
    return found


def stamp_here(bundle: Bundle, cores: int) -> Stamp:
    """Say what a profile made now would hold for."""
    cpu = read_cpu()
    return Stamp(
        bundle=bundle.fingerprint,
        cpu=cpu.model,
        cpu_flags=hashlib.sha256(" ".join(sorted(cpu.flags)).encode()).hexdigest(),
        cores=cores,
        versions={"edgebert": __version__} | {name.value: version_of(name) for name in EngineName},
    )


def profile_path(bundle: Bundle) -> Path:
    """Give the place of a bundle's profile: beside its folder, under its name."""
    folder = bundle.path.absolute()
    folder = folder if folder.name not in ("", "..") else folder.resolve()
    return folder.with_name(folder.name + SUFFIX)


def write_profile(bundle: Bundle, profile: Profile) -> Path:
    """Write a profile beside its bundle, whole or not at all, and give its path.

    Raises:
        EdgebertError: it cannot be written.
    """
    path = profile_path(bundle)
    write_text(path, profile.to_json())
    return path


def read_profile(bundle: Bundle, cores: int) -> tuple[Profile | None, str]:
    """Read the profile of a bundle, if it holds here.

    Returns:
        The profile; or None, and why it does not hold: empty where there is none at all.

    Raises:
        EdgebertError: there is one that cannot be read.
    """
    path = profile_path(bundle)
    try:
        with path.open("rb") as stream:
            data = stream.read(FILE_BYTES + 1)
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        raise EdgebertError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > FILE_BYTES:
        return None, f"it has over {FILE_BYTES:,} bytes"
    try:
        profile = Profile.parse(data)
    except ReadError as error:
        return None, str(error)
    reason = _difference(profile.stamp, stamp_here(bundle, cores))
    reason = reason or _not_in(bundle, profile.ranges)
    return (None, reason) if reason else (profile, "")


def _difference(then: Stamp, now: Stamp) -> str:
    """Say what has changed since a profile was made; empty for nothing."""
    if then.bundle != now.bundle:
        return f"it is of bundle {then.bundle[:12]}..., this is {now.bundle[:12]}..."
    if (then.cpu, then.cpu_flags) != (now.cpu, now.cpu_flags):
        return f"it is of another CPU ({then.cpu}), this is {now.cpu}"
    if then.cores != now.cores:
        return f"it is of {then.cores} cores, here are {now.cores}"
    for name in dict.fromkeys((*now.versions, *then.versions)):
        was, found = then.versions.get(name), now.versions.get(name)
        if was != found:
            return f"it is of {name} {was}, here is {found}"
    return ""


def _not_in(bundle: Bundle, ranges: Sequence[Range]) -> str:
    has = {EngineName.ONNXRUNTIME, *bundle.manifest.alternatives}
    lacking = [each.engine.value for each in ranges if each.engine not in has]
    return f"the bundle has no graph for {lacking[0]}" if lacking else ""


def ranges_here(bundle: Bundle, cores: int) -> tuple[Range, ...]:
    """Give the ranges of a bundle's profile; none, and a line in the log, where it does not hold.

    Raises:
        EdgebertError: there is one that cannot be read.
    """
    profile, reason = read_profile(bundle, cores)
    if profile is None:
        why = f"its profile is void: {reason}" if reason else "it was not tuned here"
        log.warning("%s: %s; onnxruntime runs it, `edgebert tune` measures", bundle.path, why)
        return ()
    return profile.ranges


def describe_ranges(ranges: Sequence[Range]) -> str:
    """Say which engine runs what, such as "onnxruntime up to 24 tokens, then openvino"."""
    parts: list[tuple[str, int]] = []
    for each in ranges:
        if parts and parts[-1][0] == each.engine.value:
            parts.pop()
        parts.append((each.engine.value, each.up_to))
    said = [f"{name} up to {end} tokens" for name, end in parts[:-1]]
    return ", then ".join([*said, parts[-1][0]])
