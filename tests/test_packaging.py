"""The kernels are compiled where they can be, and are missed nowhere else.

The build hook's functions are called without hatchling, which the tests do not install; what a
compiler does wrong is done by small scripts on a PATH of their own.
"""

import ctypes
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import pytest

import hatch_build
from hatch_build import FLAGS, LIBRARIES, LIBRARY, PLATFORM, ROOT, SOURCE, KernelsError

SOURCES = {path.relative_to(ROOT).as_posix() for path in (ROOT / SOURCE).parent.glob("*.[ch]")}

on_platform = pytest.mark.skipif(
    sysconfig.get_platform() != PLATFORM, reason=f"the kernels are for {PLATFORM}"
)


@pytest.fixture
def compiler() -> str:
    """A C compiler that knows AMX; without one there is nothing to test."""
    for name in ("cc", "gcc", "clang"):
        found = shutil.which(name)
        probe = [name, *FLAGS, "-x", "c", os.devnull, "-fsyntax-only"]
        if found and subprocess.run(probe, capture_output=True).returncode == 0:
            return found
    pytest.skip("no C compiler here that knows AMX")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the kernels' source and nothing compiled, and an empty scratch beside it."""
    root = tmp_path / "checkout"
    (root / SOURCE).parent.mkdir(parents=True)
    for name in SOURCES:
        shutil.copy(ROOT / name, root / name)
    (tmp_path / "scratch").mkdir()
    return root


@pytest.fixture
def build_data() -> dict[str, Any]:
    """What hatchling gives a hook, as far as it is used."""
    return {"pure_python": True, "force_include": {}}


def prepare(
    checkout: Path, build_data: dict[str, Any], version: str = "standard", **environ: str
) -> str:
    scratch = checkout.parent / "scratch"
    return hatch_build.prepare(checkout, scratch, version, build_data, {**os.environ, **environ})


def script(folder: Path, name: str, text: str) -> str:
    """Write a program that stands for a compiler; give the PATH that has it alone."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)
    return str(folder)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@on_platform
def test_without_a_compiler_the_wheel_is_pure_and_says_so(
    checkout: Path, build_data: dict[str, Any], tmp_path: Path
) -> None:
    said = prepare(checkout, build_data, CC="", PATH=str(tmp_path))
    assert said == (
        "without the kernels for AMX: no C compiler could build them (cc is not on PATH; "
        "gcc is not on PATH; clang is not on PATH); install GCC 11 or clang 12"
    )
    assert build_data == {"pure_python": True, "force_include": {}}
    assert files(tmp_path) == {f"checkout/{name}" for name in SOURCES}


@on_platform
def test_with_a_compiler_the_library_is_in_a_wheel_for_the_platform(
    checkout: Path, build_data: dict[str, Any], compiler: str
) -> None:
    assert prepare(checkout, build_data, CC=compiler) == f"{LIBRARY} compiled by {compiler}"
    [(made, inside)] = build_data.pop("force_include").items()
    assert inside == LIBRARY
    assert build_data == {"pure_python": False, "tag": "py3-none-linux_x86_64"}
    assert Path(made).stat().st_mode & 0o444 == 0o444
    ctypes.CDLL(made)  # an OSError where a symbol is missing
    assert files(checkout) == SOURCES, "a wheel leaves nothing in the checkout"


@on_platform
@pytest.mark.parametrize(
    ("behaviour", "complaint"),
    [
        ("echo 'note' >&2; echo 'cc: error: unknown -mamx-tile' >&2; exit 1", "unknown -mamx-tile"),
        ("exit 3", "exit code 3, nothing said"),
        ("exit 0", "exit code 0, but no library written"),
        ("printf '\\377broken\\n' >&2; exit 1", "broken"),
    ],
)
def test_a_broken_compiler_is_a_message_and_where_kernels_are_required_an_error(
    checkout: Path, build_data: dict[str, Any], tmp_path: Path, behaviour: str, complaint: str
) -> None:
    path = script(tmp_path / "bin", "gcc", behaviour)
    said = prepare(checkout, build_data, CC="", PATH=path)
    assert said.startswith("without the kernels for AMX: ") and complaint in said
    assert "\n" not in said
    assert build_data == {"pure_python": True, "force_include": {}}
    with pytest.raises(KernelsError, match=complaint):
        prepare(checkout, build_data, CC="", PATH=path, EDGEBERT_KERNELS="require")
    assert files(checkout) == SOURCES
    assert files(tmp_path / "scratch") == set()


@on_platform
def test_the_next_compiler_is_tried_but_not_where_cc_names_one(
    checkout: Path, build_data: dict[str, Any], tmp_path: Path, compiler: str
) -> None:
    script(tmp_path / "bin", "cc", "exit 1")
    path = script(tmp_path / "bin", "gcc", f'PATH="{os.environ["PATH"]}" exec {compiler} "$@"')
    said = prepare(checkout, build_data, CC="cc", PATH=path)
    assert "(cc: exit code 1, nothing said)" in said
    assert prepare(checkout, build_data, CC="", PATH=path) == f"{LIBRARY} compiled by gcc"


def test_none_leaves_the_kernels_out(checkout: Path, build_data: dict[str, Any]) -> None:
    said = prepare(checkout, build_data, EDGEBERT_KERNELS="none")
    assert said == "without the kernels for AMX: EDGEBERT_KERNELS is none"
    assert build_data == {"pure_python": True, "force_include": {}}
    (checkout / LIBRARY).touch()
    assert prepare(checkout, build_data, "editable", EDGEBERT_KERNELS="none") == said
    assert files(checkout) == SOURCES


def test_an_unknown_choice_is_an_error(checkout: Path, build_data: dict[str, Any]) -> None:
    with pytest.raises(KernelsError, match="'yes', expected one of auto, require, none"):
        prepare(checkout, build_data, EDGEBERT_KERNELS="yes")


def test_another_platform_gets_a_pure_wheel(
    checkout: Path, build_data: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysconfig, "get_platform", lambda: "macosx-14.0-arm64")
    said = prepare(checkout, build_data)
    assert said.endswith("they are for linux-x86_64, this is macosx-14.0-arm64")
    assert build_data == {"pure_python": True, "force_include": {}}


@on_platform
def test_an_editable_wheel_has_its_library_beside_the_source_and_compiles_a_newer_one(
    checkout: Path, build_data: dict[str, Any], tmp_path: Path, compiler: str
) -> None:
    library = checkout / LIBRARY
    assert "compiled by" in prepare(checkout, build_data, "editable", CC=compiler)
    assert files(checkout) == SOURCES | {LIBRARY}
    assert build_data == {"pure_python": True, "force_include": {}}, "its wheel holds a path only"
    first = library.stat().st_ino
    assert prepare(checkout, build_data, "editable", CC=compiler) == f"{LIBRARY} is up to date"
    assert library.stat().st_ino == first
    header = min(SOURCES)
    assert header.endswith(".h")
    os.utime(checkout / header, ns=(0, library.stat().st_mtime_ns + 1))
    assert "compiled by" in prepare(checkout, build_data, "editable", CC=compiler)
    os.utime(checkout / SOURCE, ns=(0, library.stat().st_mtime_ns + 1))
    said = prepare(checkout, build_data, "editable", CC="", PATH=str(tmp_path))
    assert said.startswith("without the kernels") and not library.exists(), "a stale one is deleted"


@on_platform
def test_the_same_source_gives_the_same_bytes_wherever_it_stands(
    checkout: Path, tmp_path: Path, compiler: str
) -> None:
    here = {**os.environ, "CC": compiler}
    hatch_build.compile_kernels(checkout / SOURCE, tmp_path / "one.so", here)
    hatch_build.compile_kernels(ROOT / SOURCE, tmp_path / "scratch" / "two.so", here)
    one = (tmp_path / "one.so").read_bytes()
    assert one == (tmp_path / "scratch" / "two.so").read_bytes()
    assert str(tmp_path).encode() not in one


@on_platform
def test_the_source_compiles_without_warnings(tmp_path: Path, compiler: str) -> None:
    strict = ["-Wall", "-Wextra", "-Werror", str(ROOT / SOURCE), "-o", str(tmp_path / "strict.so")]
    done = subprocess.run([compiler, *FLAGS, *strict, *LIBRARIES], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@on_platform
def test_the_file_run_as_a_program_compiles_and_prints_where(
    checkout: Path, tmp_path: Path, compiler: str
) -> None:
    program = shutil.copy(ROOT / "hatch_build.py", checkout)

    def run(cc: str) -> "subprocess.CompletedProcess[str]":
        environ = {**os.environ, "CC": cc}
        command = [sys.executable, program]
        return subprocess.run(command, env=environ, capture_output=True, text=True)

    missing = run(str(tmp_path / "missing"))
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("error: no C compiler could build them")
    done = run(compiler)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{checkout / LIBRARY}\n", "")
    assert (checkout / LIBRARY).is_file()


def test_the_sdist_has_what_the_build_needs_and_no_library() -> None:
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    sdist = built["targets"]["sdist"]
    assert {"/edgebert", "/hatch_build.py"} <= set(sdist["include"])
    assert sdist["exclude"] == built["targets"]["wheel"]["exclude"] == ["*.so"]
    assert built["targets"]["wheel"]["hooks"]["custom"]["path"] == "hatch_build.py"
