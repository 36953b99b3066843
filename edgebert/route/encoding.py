"""A route as a header and arrays, and back; its bundles and its learner are given again."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgebert.errors import RouteError
from edgebert.reader import Reader, ReadError
from edgebert.route.building import Stage, make_legs, make_places, read_stages
from edgebert.route.certificate import Certificate
from edgebert.route.full import FullModel, scope_of
from edgebert.route.gate import Gate
from edgebert.route.hadamard import Hadamard
from edgebert.route.heads import MOST_FEATURES, PlaceHead
from edgebert.route.inputs import require_classes
from edgebert.route.legs import STATIC, Leg, StaticPlace
from edgebert.route.places import Place
from edgebert.route.scope import Between, Blend, Known, Scope
from edgebert.route.store import Array, Contents, read_file
from edgebert.route.walking import Route


def encode(
    route: Route, certificate: Certificate | None
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Give a route's header and arrays."""
    arrays: dict[str, Array] = {}
    for number, leg in enumerate(route.legs):
        if leg.static is not None:
            arrays[f"words {number}"] = leg.static.weights
    places = [_encode_place(str(row), place, arrays) for row, place in enumerate(route.places)]
    if route.first_scope is not None and isinstance(route.first_scope.scope, Scope):
        scope = route.first_scope.scope
        arrays |= {
            "scope projection": scope.projection,
            "scope offset": scope.offset,
            "scope centres": scope.between.centres,
            "scope shares": scope.between.shares,
            "scope distances": route.first_scope.distances,
        }
    if route.full_scope is not None and isinstance(route.full_scope.scope, Blend):
        arrays["full spreads"] = route.full_scope.scope.spreads
        arrays["full distances"] = route.full_scope.distances
    header = {
        "labels": list(route.full.labels),
        "identity": route.full.identity,
        "legs": [{"bundle": leg.fingerprint, "stages": _stages(leg)} for leg in route.legs],
        "seed": route.seed,
        "places": places,
        "certificate": None if certificate is None else certificate.to_record(),
    }
    return header, arrays


def _stages(leg: Leg) -> list[str]:
    return [STATIC] * (leg.static is not None) + [str(layers) for layers in leg.exits]


def _encode_place(prefix: str, place: Place, arrays: dict[str, Array]) -> dict[str, Any]:
    head = place.head
    if head is not None:
        arrays[f"{prefix} centre"] = head.centre
        arrays[f"{prefix} weights"] = head.weights
        arrays[f"{prefix} bias"] = head.bias
    return {
        "blocks": None if head is None else head.features.blocks,
        "unit": None if head is None else head.unit,
        "gate": None if place.gate is None else asdict(place.gate),
        "sharpness": place.sharpness,
    }


def decode(
    contents: Contents, full: FullModel, smaller: Sequence[Path | str]
) -> tuple[Route, Certificate | None]:
    """Put a route together again.

    Args:
        contents: of the file.
        full: the full model as it is now.
        smaller: folders of the smaller bundles, in order.

    Raises:
        ReadError: the file is not as the format says.
        RouteError: the bundles are not those it was built on, or the model has other classes.
        BundleError: a bundle cannot be used.
    """
    header, arrays = contents.header, dict(contents.arrays)
    labels, identity = header.texts("labels"), header.text("identity")
    bundles, stages = _read_legs(header)
    certified = replace(full, labels=labels, identity=identity)
    require_classes(certified, full)
    if len(smaller) != len(bundles) - 1:
        raise RouteError(
            f"the cascade has {len(bundles) - 1} smaller bundles, {len(smaller)} were given; give "
            "their folders in order"
        )
    asked: list[Stage] = []
    for number, some in enumerate(stages):
        asked += [name if name == STATIC else int(name) for name in some]
        asked += [Path(smaller[number])] if number < len(smaller) else []
    parts = read_stages(full, asked)
    for part, fingerprint in zip(parts, bundles, strict=True):
        if part.bundle.fingerprint != fingerprint:
            raise RouteError(
                f"bundle {part.bundle.path} is {part.bundle.fingerprint[:12]}..., the cascade was "
                f"built on {fingerprint[:12]}...; give the bundles it was built on"
            )
    seed = header.count("seed")
    legs = tuple(_with_words(leg, arrays, row) for row, leg in enumerate(make_legs(parts)))
    places = make_places(parts, labels)
    records = list(header.parts("places"))
    if len(records) != len(places):
        raise ReadError(f"{len(records)} places of {len(places)}")
    places = tuple(
        _read_place(record, str(row), place, arrays, len(labels), seed)
        for row, (record, place) in enumerate(zip(records, places, strict=True))
    )
    certificate = header.optional("certificate", lambda key: Certificate.read(header.part(key)))
    route = Route(legs, places, certified, seed)
    route = _with_scopes(route, full, arrays)
    header.finish()
    if arrays:
        raise ReadError(f"unknown array {min(arrays)!r:.80}")
    return route, certificate


def read_certificate(path: Path) -> Certificate | None:
    """Read the certificate of a cascade's file, whatever it was built on.

    Raises:
        RouteError: no such file, or it is damaged.
    """
    header = read_file(path).header
    try:
        return header.optional("certificate", lambda key: Certificate.read(header.part(key)))
    except ReadError as error:
        raise RouteError(f"{path}: {error}") from error


def _read_legs(header: Reader) -> tuple[list[str], list[tuple[str, ...]]]:
    bundles, stages = [], []
    for leg in header.parts("legs"):
        bundles.append(leg.text("bundle"))
        stages.append(leg.texts("stages"))
        leg.finish()
    wrong = [name for some in stages for name in some if name != STATIC and not name.isdecimal()]
    if not bundles or wrong:
        raise ReadError(f"legs hold a stage {wrong[:1]!r:.80}, or there is none")
    return bundles, stages


def _with_words(leg: Leg, arrays: dict[str, Array], number: int) -> Leg:
    if leg.static is None:
        return leg
    weights = _take(arrays, f"words {number}", leg.static.weights.shape, np.float32)
    return replace(leg, static=StaticPlace(leg.static.table, weights))


def _read_place(
    record: Reader,
    prefix: str,
    place: Place,
    arrays: dict[str, Array],
    classes: int,
    seed: int,
) -> Place:
    blocks = record.optional("blocks", lambda key: record.count(key, least=1))
    unit = record.optional("unit", record.number)
    gate = record.optional("gate", lambda key: _read_gate(record.part(key)))
    sharpness = record.number("sharpness")
    record.finish()
    head = None
    if blocks is not None and unit is not None:
        centre = _take(arrays, f"{prefix} centre", (None,), np.float32)
        features = Hadamard(len(centre), blocks, seed)
        if not len(centre) or not 0 < features.width <= max(MOST_FEATURES, features.size):
            raise ReadError(f"place {prefix} has {features.width:,} features")
        weights = _take(arrays, f"{prefix} weights", (features.width, classes), np.float32)
        bias = _take(arrays, f"{prefix} bias", (classes,), np.float32)
        head = PlaceHead(features, centre, weights, bias, unit)
    return replace(place, head=head, gate=gate, sharpness=sharpness)


def _read_gate(reader: Reader) -> Gate:
    gate = Gate(reader.number("intercept"), reader.number("slope"))
    reader.finish()
    return gate


def _with_scopes(route: Route, full: FullModel, arrays: dict[str, Array]) -> Route:
    first, last = None, None
    if "scope projection" in arrays:
        projection = _take(arrays, "scope projection", (None, None), np.float32)
        width = projection.shape[1]
        offset = _take(arrays, "scope offset", (width,), np.float32)
        between = Between(
            _take(arrays, "scope centres", (width, None), np.float32),
            _take(arrays, "scope shares", (width,), np.float32),
        )
        distances = _take(arrays, "scope distances", (None,), np.float64)
        first = Known(Scope(projection, offset, between), distances)
    if "full distances" in arrays:
        distances = _take(arrays, "full distances", (None,), np.float64)
        spreads = _take(arrays, "full spreads", (2,), np.float64)
        of = scope_of(full)
        last = None if of is None else Known(replace(of, spreads=spreads), distances)
    return replace(route, first_scope=first, full_scope=last)


def _take(
    arrays: dict[str, Array], name: str, shape: tuple[int | None, ...], kind: type[Any]
) -> Array:
    """Take an array of this type and shape; None: any length."""
    array = arrays.pop(name, None)
    if array is None:
        raise ReadError(f"array {name!r} is missing")
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, found) for found, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits or array.dtype != kind or not np.isfinite(array).all():
        raise ReadError(f"array {name!r} is {array.dtype} of {array.shape}, or not finite")
    return array
