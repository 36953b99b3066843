"""Which stages a cascade has: what was asked, checked against the bundles, as legs and places."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgebert.bundle import Bundle
from edgebert.config import RuntimeConfig
from edgebert.engine import Engine
from edgebert.errors import InputError, RouteError
from edgebert.manifest import Task
from edgebert.route.full import FullModel
from edgebert.route.legs import STATIC, Leg, StaticPlace
from edgebert.route.places import Place
from edgebert.segments import Segments
from edgebert.word_table import open_word_table

Stage = str | int | Path


@dataclass(frozen=True, slots=True)
class Part:
    """A bundle of a cascade and the early places before its end."""

    bundle: Bundle
    engine: Engine
    prefix: str
    static: bool
    exits: tuple[int, ...]


def read_stages(full: FullModel, stages: Sequence[Stage]) -> list[Part]:
    """Sort stages by the bundle they belong to: places stand before their bundle's folder.

    Args:
        full: the full model, which ends the last part.
        stages: "static", numbers of layers, and folders of smaller bundles, in order.

    Raises:
        InputError: no stage, a stage that is none, or stages out of order.
        RouteError: a bundle lacks what a stage needs.
    """
    if isinstance(stages, str) or not stages:
        raise InputError(
            f"stages are {stages!r}; give a list such as ['static', 2, 4], 'static', a number of "
            "layers or the folder of a smaller bundle each"
        )
    parts: list[Part] = []
    before: list[Stage] = []
    for stage in stages:
        if isinstance(stage, bool) or not isinstance(stage, str | int | Path):
            raise InputError(f"stage {stage!r:.80} is no 'static', number of layers or folder")
        if isinstance(stage, int) or stage == STATIC:
            before.append(stage)
            continue
        bundle = Bundle.open(stage)
        engine = Engine.from_parts(bundle.path, bundle.manifest, RuntimeConfig())
        parts.append(_part(bundle, engine, _prefix(bundle), before))
        before = []
    return [*parts, _part(full.bundle, full.engine, full.prefix, before)]


def _prefix(bundle: Bundle) -> str:
    prompt = bundle.manifest.default_prompt
    return "" if prompt is None else bundle.manifest.prompts[prompt]


def _part(bundle: Bundle, engine: Engine, prefix: str, before: Sequence[Stage]) -> Part:
    manifest = bundle.manifest
    exits = tuple(stage for stage in before if isinstance(stage, int))
    static = len(exits) < len(before)
    if before not in ([STATIC, *exits], [*exits]) or list(exits) != sorted(set(exits)):
        raise InputError(
            f"stages {list(before)!r} of bundle {manifest.name!r} are out of order; 'static' comes "
            "first and once, then numbers of layers, the least first"
        )
    if static and manifest.word_table is None:
        raise RouteError(
            f"bundle {manifest.name!r} does not say where its word embeddings are, so it has no "
            "stage 'static'; export it again, or leave the stage out"
        )
    known = [segment.layers for segment in manifest.segments][:-1]
    missing = [layers for layers in exits if layers not in known]
    if missing:
        wanted = ",".join(map(str, exits))
        raise RouteError(
            f"bundle {manifest.name!r} has no exit after layer {missing[0]} (it has: "
            f"{', '.join(map(str, known)) or 'none'}); export it with --exits {wanted}"
        )
    return Part(bundle, engine, prefix, static, exits)


def make_legs(parts: Sequence[Part]) -> tuple[Leg, ...]:
    """Open what the parts need; words weigh nothing until they are counted."""
    legs, first = [], 0
    for part in parts:
        folder, manifest = part.bundle.path, part.bundle.manifest
        static = None
        if part.static:
            table = open_word_table(folder, manifest)
            static = StaticPlace(table, np.zeros(table.shape[0], np.float32))
        segments = Segments(folder, manifest) if part.exits else None
        of = part.bundle.fingerprint
        legs.append(Leg(part.engine, of, part.prefix, static, segments, part.exits, first))
        first += part.static + len(part.exits) + 1  # its end; of the last leg, the full model
    return tuple(legs)


def make_places(parts: Sequence[Part], labels: Sequence[str]) -> tuple[Place, ...]:
    """Give the early places, not fitted yet.

    Raises:
        RouteError: a smaller bundle is neither for embeddings nor a classifier of these labels.
    """
    places: list[Place] = []
    for part in parts[:-1]:
        of = f"{part.bundle.manifest.name} "
        places += [Place(of + name) for name in _names(part)] + [_end_of(part.bundle, labels)]
    places += [Place(name) for name in _names(parts[-1])]
    names = [place.name for place in places]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RouteError(f"two stages are called {twice!r}; export one bundle with another --name")
    return tuple(places)


def _names(part: Part) -> list[str]:
    return [STATIC] * part.static + [f"exit {layers}" for layers in part.exits]


def _end_of(bundle: Bundle, labels: Sequence[str]) -> Place:
    manifest = bundle.manifest
    if manifest.task is Task.EMBED:
        return Place(manifest.name)
    if manifest.task is not Task.CLASSIFY or sorted(manifest.labels) != sorted(labels):
        raise RouteError(
            f"bundle {manifest.name!r} is for {manifest.task.value!r} with {len(manifest.labels)} "
            f"labels; a stage is for embeddings, or a classifier of the full model's {len(labels)}"
        )
    order = np.array([manifest.labels.index(name) for name in labels])
    return Place(manifest.name, order=order)
