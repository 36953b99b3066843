"""Compile the encoder's kernels while the wheel is built, where they can run.

``edgebert/kernels/encoder.c`` becomes ``encoder.so`` on Linux x86-64 with a C compiler that knows
AMX (GCC 11 or clang 12 and later). Anywhere else the wheel is pure Python and all but that engine
works: the build says so in one line. ``EDGEBERT_KERNELS=require`` makes that line an error,
``EDGEBERT_KERNELS=none`` leaves the kernels out. ``CC`` names the compiler, else cc, gcc and
clang are tried. In a checkout, ``python hatch_build.py`` compiles the kernels and nothing else.

Left out: whether this machine's CPU can run them, which is asked when they are loaded. Compiling
needs no hatchling; only the hook at the end does. https://hatch.pypa.io/latest/plugins/build-hook
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # compiling in a checkout, or under test
    BuildHookInterface = object

ROOT = Path(__file__).parent
SOURCE = "edgebert/kernels/encoder.c"
LIBRARY = "edgebert/kernels/encoder.so"
PLATFORM = "linux-x86_64"
# what the code uses is named, nothing is taken from the machine that compiles
FLAGS = (
    "-O3 -std=gnu11 -fPIC -shared -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512bf16 "
    "-mamx-tile -mamx-int8 -mamx-bf16 -mfma -mavx2 -mtune=sapphirerapids"
).split()
LIBRARIES = ["-lm", "-lpthread"]
CHOICES = ("auto", "require", "none")
MAX_COMPILE_S = 600  # it takes seconds; a compiler that waits for input would wait for ever


class KernelsError(RuntimeError):
    """The kernels cannot be compiled here, or ``EDGEBERT_KERNELS`` is no word of ``CHOICES``."""


def prepare(
    root: Path, scratch: Path, version: str, build_data: dict[str, Any], environ: Mapping[str, str]
) -> str:
    """Compile the kernels for a wheel and tell hatchling of them.

    An editable wheel has its library beside the source, compiled only when it is out of date; one
    that is not wanted, or cannot be brought up to date and so would not match the Python beside
    it, is deleted.

    Args:
        root: the project's folder.
        scratch: an empty folder for the library of a standard wheel, kept until that is written.
        version: hatchling's word for the kind of wheel, "standard" or "editable".
        build_data: hatchling's; a standard wheel with kernels gets their file and its tag.
        environ: ``EDGEBERT_KERNELS``, ``CC`` and ``PATH`` are read.

    Returns:
        One line that says what was done.

    Raises:
        KernelsError: the kernels are required and cannot be had, or the choice is unknown.
    """
    choice = environ.get("EDGEBERT_KERNELS") or "auto"
    if choice not in CHOICES:
        raise KernelsError(
            f"EDGEBERT_KERNELS is {choice!r}, expected one of {', '.join(CHOICES)}; "
            "unset it for auto"
        )
    editable = version == "editable"
    library = root / LIBRARY if editable else scratch / Path(LIBRARY).name
    try:
        if choice == "none":
            raise KernelsError("EDGEBERT_KERNELS is none")
        if editable and is_current(root, library):
            return f"{LIBRARY} is up to date"
        compiler = compile_kernels(root / SOURCE, library, environ)
    except KernelsError as error:
        if choice == "require":
            raise
        library.unlink(missing_ok=True)
        return f"without the kernels for AMX: {error}"
    if not editable:
        build_data["force_include"][str(library)] = LIBRARY
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{PLATFORM.replace('-', '_')}"  # no ABI: ctypes loads it
    return f"{LIBRARY} compiled by {compiler}"


def is_current(root: Path, library: Path) -> bool:
    """Whether ``library`` is newer than its sources and than the flags in this file."""
    if not library.is_file():
        return False
    inputs = [*(root / SOURCE).parent.glob("*.[ch]"), Path(__file__)]
    return all(path.stat().st_mtime_ns < library.stat().st_mtime_ns for path in inputs)


def compile_kernels(source: Path, library: Path, environ: Mapping[str, str]) -> str:
    """Compile ``source`` to ``library``, which appears whole or not at all.

    The same source and compiler give the same bytes, wherever they stand.

    Returns:
        The compiler that did it: the first of ``CC``, or else of cc, gcc and clang, that could.

    Raises:
        KernelsError: another platform, no compiler, or none that could; names each one's complaint.
    """
    found = sysconfig.get_platform()
    if found != PLATFORM:
        raise KernelsError(f"they are for {PLATFORM}, this is {found}")
    named = [environ["CC"]] if environ.get("CC") else ["cc", "gcc", "clang"]
    complaints = []
    for name in named:
        command = shlex.split(name)
        if shutil.which(command[0], path=environ.get("PATH")) is None:
            complaints.append(f"{name} is not on PATH")
            continue
        complaint = _try(command, source, library, environ)
        if complaint is None:
            return name
        complaints.append(f"{name}: {complaint}")
    raise KernelsError(
        f"no C compiler could build them ({'; '.join(complaints)}); install GCC 11 or clang 12"
    )


def _try(command: list[str], source: Path, library: Path, environ: Mapping[str, str]) -> str | None:
    """Compile with one compiler; give its complaint in a line, or None when it could."""
    with tempfile.TemporaryDirectory(dir=library.parent, prefix=".encoder-") as folder:
        made = Path(folder).resolve() / library.name
        arguments = [*command, *FLAGS, source.name, "-o", str(made), *LIBRARIES]
        try:
            done = subprocess.run(
                arguments,
                cwd=source.parent,  # so that no path of this machine gets into the file
                env={**environ, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=MAX_COMPILE_S,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode != 0:
            lines = done.stderr.splitlines() or [f"exit code {done.returncode}, nothing said"]
            return next((line for line in lines if "error" in line), lines[-1]).strip()
        if not made.is_file():
            return "exit code 0, but no library written"
        made.replace(library)
        return None


class KernelsHook(BuildHookInterface):  # type: ignore[misc]  # hatchling need not be installed
    """What hatchling calls around a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the wheel's files are gathered."""
        self.scratch = tempfile.TemporaryDirectory()
        root = Path(self.root)
        said = prepare(root, Path(self.scratch.name), version, build_data, os.environ)
        self.app.display_info(f"edgebert: {said}")

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Delete the library once the wheel has it."""
        self.scratch.cleanup()


def main() -> int:
    """Compile the kernels of this checkout and print where they are."""
    try:
        compile_kernels(ROOT / SOURCE, ROOT / LIBRARY, os.environ)
    except KernelsError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{ROOT / LIBRARY}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
