"""The kernels for Intel AMX, as their library has them: memory in, memory out.

The only user of the library, which `kernels/encoder.c` is built into where a C compiler was at
hand. Knows no bundle; `session_amx.py` does.
"""

import ctypes
from collections.abc import Mapping, Sequence
from ctypes import POINTER, Structure, byref, c_float, c_int32, c_void_p, sizeof
from functools import cache
from pathlib import Path
from typing import Any
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

from edgebert.device.cpu import read_cpu
from edgebert.errors import InferenceError, MissingExtraError
from edgebert.results import Floats

LIBRARY = Path(__file__).with_name("kernels") / "encoder.so"
NEEDED = frozenset(
    "fma avx2 avx512f avx512bw avx512vl avx512dq avx512_bf16 amx_tile amx_int8 amx_bf16".split()
)
AGAIN = "install edgebert again, or in a checkout run `make kernels`"
HEAD_STEP = 32  # sizes of heads are multiples of it
FAULTS: Mapping[int, str] = {
    1: "the system does not let this process use AMX tiles",
    2: "there is not enough memory",
    3: "a size or an id is out of range",
}
LINEARS = ("q", "k", "v", "o", "f1", "f2")
GROUPS = ("qkv", "o", "f1", "f2")
NORMS = ("attention_norm", "ffn_norm")
Array = NDArray[Any]


class Weights(Structure):
    """A linear in int8: `eb_weights`."""

    _fields_ = [("weight", c_void_p), ("scale", c_void_p), ("bias", c_void_p)]


class Layer(Structure):
    """A layer of the encoder: `eb_layer`."""

    _fields_ = [
        *((f"{group}_multiplier", c_void_p) for group in GROUPS),
        *((linear, Weights) for linear in LINEARS),
        *((norm, c_void_p * 2) for norm in NORMS),
        ("wide", c_int32),
        ("reserved", c_int32),
    ]


class Configuration(Structure):
    """An encoder: `eb_config`."""

    _fields_ = [
        *((size, c_int32) for size in ("layers", "hidden", "heads", "vocabulary", "positions")),
        ("mapped", c_int32),  # of a file: what was packed may be dropped from memory
        ("pooling", c_int32),
        ("normalize", c_int32),
        ("epsilon", c_float),
        ("threads", c_int32),
        *((table, c_void_p) for table in ("word", "word_scale", "position")),
        ("norm", c_void_p * 2),
        ("layer", POINTER(Layer)),
    ]


def why_not() -> str | None:
    """Say why the kernels cannot be used here; None where they can."""
    if not LIBRARY.is_file():
        return (
            "this edgebert was installed without its kernels for AMX; install the wheel for Linux "
            "x86-64, or install from source where a C compiler is"
        )
    missing = sorted(NEEDED - read_cpu().flags)
    return f"this CPU has no {', '.join(missing)}" if missing else None


@cache
def _library() -> ctypes.CDLL:
    reason = why_not()
    if reason is not None:
        raise MissingExtraError(f"engine amx cannot be used: {reason}")
    try:
        library = ctypes.CDLL(str(LIBRARY))
        layout = library.eb_layout()
    except (OSError, AttributeError) as error:
        raise MissingExtraError(f"{LIBRARY}: cannot be loaded ({error}); {AGAIN}") from error
    if layout != sizeof(Configuration) << 16 | sizeof(Layer):
        raise MissingExtraError(f"{LIBRARY}: is of another edgebert; {AGAIN}")
    library.eb_open.argtypes = [POINTER(Configuration), POINTER(c_void_p)]
    library.eb_close.argtypes = [c_void_p]
    library.eb_close.restype = None
    library.eb_run.argtypes = [c_void_p, c_void_p, c_void_p, c_int32, c_int32, c_void_p]
    return library


class Encoder:
    """A packed encoder. May be shared between threads."""

    def __init__(self, configuration: Configuration, keep: Sequence[object]) -> None:
        """Pack an encoder's linears and start the threads it asks for.

        Args:
            configuration: where everything is.
            keep: what holds that memory; it stays as long as the encoder.

        Raises:
            MissingExtraError: the kernels cannot be used here.
            InferenceError: the encoder cannot be packed.
        """
        library, handle = _library(), c_void_p()
        fault = library.eb_open(byref(configuration), byref(handle))
        if fault:
            raise InferenceError(f"the kernels for AMX: {FAULTS[fault]}")
        self._library, self._handle = library, handle
        self._width = int(configuration.hidden)
        self._keep = keep
        # not at the end of the process, where another thread may still run it
        finalize(self, library.eb_close, handle).atexit = False

    def run(self, texts: Sequence[Sequence[int]], threads: int) -> Floats:
        """Encode and pool texts.

        Args:
            texts: the token ids of each.
            threads: 1 to stay on the thread that calls; more: on all of the encoder's, if no
                other run has them. Their number changes no bit.

        Returns:
            (N, H) float32.

        Raises:
            InferenceError: an id or a length is out of the encoder's range.
        """
        ids = np.array([token for text in texts for token in text], np.int64)
        starts = np.zeros(len(texts) + 1, np.int32)
        np.cumsum([len(text) for text in texts], out=starts[1:])
        out = np.empty((len(texts), self._width), np.float32)
        fault = self._library.eb_run(
            self._handle,
            ids.ctypes.data,
            starts.ctypes.data,
            len(texts),
            threads,
            out.ctypes.data,
        )
        if fault:
            raise InferenceError(f"the kernels for AMX: {FAULTS[fault]}")
        return out


def place(array: Array | None) -> int | None:
    """Give the address of an array's memory; None of none."""
    return None if array is None else array.ctypes.data
