"""The encoder in C: NumPy's numbers, and the same bits however texts and threads are split."""

import ctypes
import os
import threading
from typing import Any

import numpy as np
import pytest

from edgebert import amx
from edgebert.amx import GROUPS, Configuration, Layer, Weights

if (reason := amx.why_not()) is not None:
    pytest.skip(reason, allow_module_level=True)

BAD_INPUT = 3


class Model:
    """A random model of two layers, in C and in NumPy."""

    def __init__(
        self, hidden: int, heads: int, wide: int, threads: int = 1, **settings: int
    ) -> None:
        rng = np.random.default_rng(hidden + wide)
        self.hidden, self.heads, self.wide = hidden, heads, wide
        self.settings = {"pooling": 0, "normalize": 1, "smoothed": 0} | settings
        self.library = amx._library()
        self.word = rng.integers(-127, 128, (50, hidden), dtype=np.int8)
        self.word_scale = rng.uniform(0.005, 0.02, 50).astype(np.float32)
        self.position = rng.normal(0, 0.5, (300, hidden)).astype(np.float32)
        self.norm = [np.ones(hidden, np.float32), rng.normal(0, 0.1, hidden).astype(np.float32)]
        sizes = {
            "q": (hidden, hidden),
            "k": (hidden, hidden),
            "v": (hidden, hidden),
            "o": (hidden, hidden),
        }
        sizes |= {"f1": (hidden, wide), "f2": (wide, hidden)}
        self.linears: list[dict[str, Any]] = [
            {
                name: (
                    rng.integers(-127, 128, size, dtype=np.int8),
                    rng.uniform(0.5, 1.5, size[1]).astype(np.float32)
                    / np.float32(73 * size[0] ** 0.5),
                    rng.normal(0, 0.1, size[1]).astype(np.float32),
                )
                for name, size in sizes.items()
            }
            for _ in range(2)
        ]
        layers = (Layer * 2)()
        norm = (ctypes.c_void_p * 2)(*[n.ctypes.data for n in self.norm])
        for layer, linears in zip(layers, self.linears, strict=True):
            for name, arrays in linears.items():
                setattr(layer, name, Weights(*[a.ctypes.data for a in arrays]))
            layer.attention_norm = layer.ffn_norm = norm
            layer.wide = wide
        self.multipliers = {
            group: rng.uniform(0.5, 2, wide if group == "f2" else hidden).astype(np.float32)
            for group in GROUPS
            if self.settings["smoothed"]
        }
        for group, by in self.multipliers.items():
            setattr(layers[1], f"{group}_multiplier", by.ctypes.data)
        config = Configuration(
            layers=2,
            hidden=hidden,
            heads=heads,
            vocabulary=50,
            positions=300,
            pooling=self.settings["pooling"],
            normalize=self.settings["normalize"],
            epsilon=1e-12,
            threads=threads,
        )
        config.word, config.word_scale = self.word.ctypes.data, self.word_scale.ctypes.data
        config.position, config.norm = self.position.ctypes.data, norm
        config.layer = ctypes.cast(layers, ctypes.POINTER(Layer))
        self.handle = ctypes.c_void_p()
        assert self.library.eb_open(ctypes.byref(config), ctypes.byref(self.handle)) == 0

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_: object) -> None:
        self.library.eb_close(self.handle)

    def call(self, ids: np.ndarray, starts: list[int], threads: int, out: np.ndarray) -> int:
        """Return what eb_run returns."""
        places, ids = np.array(starts, np.int32), ids.astype(np.int64)
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (ids, places, out)]
        code = self.library.eb_run(
            self.handle, *pointers[:2], len(starts) - 1, threads, pointers[2]
        )
        return int(code)

    def run(self, texts: list[np.ndarray], threads: int = 1) -> np.ndarray:
        """Return the vectors (texts, hidden)."""
        out = np.full((len(texts), self.hidden), np.nan, np.float32)
        starts = [0, *np.cumsum([len(t) for t in texts]).tolist()]
        assert self.call(np.concatenate(texts), starts, threads, out) == 0
        return out

    def normalized(self, x: np.ndarray) -> np.ndarray:
        """Layer norm of rows."""
        x = x - x.mean(1, keepdims=True)
        return x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-12) * self.norm[0] + self.norm[1]

    def expected(self, ids: np.ndarray) -> np.ndarray:
        """Return one text's vector by NumPy, with the same rounding of rows."""
        x = self.normalized(self.word[ids] * self.word_scale[ids, None] + self.position[: len(ids)])
        for number, linears in enumerate(self.linears):
            by = self.multipliers if number == 1 else {}
            q, k, v = [
                linear(x * by.get("qkv", 1), *linears[n])
                .reshape(len(ids), self.heads, -1)
                .swapaxes(0, 1)
                for n in "qkv"
            ]
            scores = q @ k.swapaxes(1, 2) / np.sqrt(q.shape[2])
            weights = np.exp(scores - scores.max(2, keepdims=True))
            mixed = (weights / weights.sum(2, keepdims=True) @ v).swapaxes(0, 1).reshape(x.shape)
            x = self.normalized(x + linear(mixed * by.get("o", 1), *linears["o"]))
            passed = gelu(linear(x * by.get("f1", 1), *linears["f1"]))
            x = self.normalized(x + linear(passed * by.get("f2", 1), *linears["f2"]))
        vector = x[0] if self.settings["pooling"] else x.mean(0)
        length = np.linalg.norm(vector) if self.settings["normalize"] else 1
        return np.asarray(vector / length)


def linear(x: np.ndarray, weight: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Round each row to u8 with its own scale and zero point, and multiply."""
    low, high = np.minimum(x.min(1, keepdims=True), 0), np.maximum(x.max(1, keepdims=True), 0)
    step = (high - low) / 255
    zero = np.rint(-low / step)
    values = np.clip(np.rint(x / step) + zero, 0, 255) - zero
    return np.asarray(values @ weight.astype(np.float64) * step * scale + bias)


def gelu(x: np.ndarray) -> np.ndarray:
    """x times the normal distribution's integral."""
    from math import erf

    return np.asarray(x * (0.5 + 0.5 * np.vectorize(erf)(x / np.sqrt(2))))


def texts_of(*lengths: int) -> list[np.ndarray]:
    """Return random texts of these lengths."""
    rng = np.random.default_rng(5)
    return [rng.integers(0, 50, n) for n in lengths]


@pytest.mark.parametrize(
    ("hidden", "heads", "wide"), [(32, 1, 33), (64, 2, 100), (128, 2, 17), (192, 3, 500)]
)
def test_results_are_those_of_numpy(hidden: int, heads: int, wide: int) -> None:
    with Model(hidden, heads, wide) as model:
        for text in texts_of(1, 2, 15, 17, 33, 70, 129):
            assert model.run([text])[0] @ model.expected(text) > 0.999


@pytest.mark.parametrize("settings", [{"smoothed": 1}, {"pooling": 1}, {"normalize": 0}])
def test_smoothing_and_pooling_are_those_of_numpy(settings: dict[str, int]) -> None:
    with Model(64, 2, 100, **settings) as model:
        for text in texts_of(1, 17, 70):
            found, wanted = model.run([text])[0], model.expected(text)
            assert np.linalg.norm(found - wanted) < 0.04 * np.linalg.norm(wanted)


def test_bits_do_not_depend_on_company_or_threads() -> None:
    texts = texts_of(1, 300, 17, 31, 32, 33, 5, 129)
    with Model(64, 2, 100) as one, Model(64, 2, 100, 2) as two, Model(64, 2, 100, 3) as three:
        alone = np.concatenate([one.run([text]) for text in texts])
        for model in (one, two, three):
            for first in (0, 2, 4):
                np.testing.assert_array_equal(model.run(texts[first:], 3), alone[first:])
            np.testing.assert_array_equal(np.concatenate([model.run([t], 3) for t in texts]), alone)


@pytest.mark.parametrize(
    ("ids", "starts"),
    [
        ([50], [0, 1]),
        ([-1], [0, 1]),
        ([1], [0]),
        ([1], [0, 0]),
        ([1] * 301, [0, 301]),
        ([1], [1, 2]),
    ],
)
def test_refused_inputs_touch_nothing(ids: list[int], starts: list[int]) -> None:
    with Model(32, 1, 33) as model:
        out = np.full((2, 32), 7, np.float32)
        assert model.call(np.array(ids), starts, 1, out) == BAD_INPUT
        assert (out == 7).all()


def test_callers_at_once_get_their_own_results() -> None:
    texts = texts_of(40, 200)
    with Model(64, 2, 100, 2) as model:
        wanted, wrong = [model.run([t]) for t in texts], []

        def call(number: int) -> None:
            for _ in range(30):
                if not (model.run([texts[number]], 2) == wanted[number]).all():
                    wrong.append(number)

        callers = [threading.Thread(target=call, args=(n,)) for n in (0, 1)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert not wrong


def test_a_forked_child_runs() -> None:
    (text,) = texts_of(100)
    with Model(64, 2, 100, 2) as model:
        wanted = model.run([text], 2)
        child = os.fork()
        if not child:
            os._exit(0 if (model.run([text], 2) == wanted).all() else 1)
        assert os.waitpid(child, 0)[1] == 0
