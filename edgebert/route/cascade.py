"""A cascade: each text is answered at the cheapest place that answers as the full model would.

How far that holds is not a hope but a certificate, tested on texts of the user's own; without one,
or where it is void, every text goes to the full model (docs/routing.md).
"""

import random
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Self

from edgebert.engine import SORTED
from edgebert.errors import InputError, RouteError, StaleCertificateError
from edgebert.learn.learner import Learner
from edgebert.reader import ReadError
from edgebert.results import Routed
from edgebert.route.answering import answer, limits_of
from edgebert.route.auditing import AuditReport, compare_answers, shadow
from edgebert.route.building import Stage, make_legs, make_places, read_stages
from edgebert.route.calibration import Target, split_rows
from edgebert.route.certificate import Certificate
from edgebert.route.certify import Request, certify
from edgebert.route.encoding import decode, encode
from edgebert.route.fitting import fit_route
from edgebert.route.full import FullModel, open_full
from edgebert.route.inputs import check_mix, check_texts, columns_of, require_classes
from edgebert.route.production import AUDIT_RATE, Mode, RouteReport, Watch
from edgebert.route.store import read_file, write_file
from edgebert.route.walking import Route

FIT_SHARE = 0.5  # of the texts given to `calibrate` where `build` was given none


class Cascade:
    """Routes texts. May be shared between threads, but for `calibrate`."""

    def __init__(
        self, route: Route, full: FullModel, certificate: Certificate | None, audit_rate: float
    ) -> None:
        """Join the parts; `build` and `open` make them."""
        if not 0 <= audit_rate <= 1:
            raise InputError(f"audit_rate is {audit_rate}; it must be 0 to 1")
        self._route = route  # with the full model as it was certified
        self._full = full  # as it is now
        self._certificate = certificate
        self._limits = limits_of(route, certificate)
        self._audit_rate = audit_rate
        self._watch = Watch(certificate)
        self._guard = threading.Lock()  # around the watch and the full model's renewal
        self._random = random.Random()

    @classmethod
    def build(
        cls,
        model: Learner | Path | str,
        stages: Sequence[Stage],
        *,
        texts: Sequence[str] = (),
        labels: Sequence[str] | None = None,
        seed: int = 0,
        audit_rate: float = AUDIT_RATE,
    ) -> Self:
        """Put cheaper stages before a full model.

        Args:
            model: the full model: a learner, or the folder of a classifier bundle.
            stages: in order: "static" (the mean of word embeddings), numbers of layers to stop
                after (the bundle is exported with --exits), and folders of smaller bundles;
                "static" and layers belong to the next folder, the last ones to the full model.
            texts: N texts to fit the stages' heads to, such as those the learner learnt; none:
                half of those given to `calibrate`.
            labels: N classes of theirs; None: the full model's own answers serve.
            seed: of the random features.
            audit_rate: share of texts that are also answered in full where they left early.

        Raises:
            BundleError: a bundle cannot be used.
            InputError: the stages are none, or out of order.
            RouteError: a bundle lacks what a stage needs, or the texts are too few.
        """
        full = open_full(model)
        parts = read_stages(full, stages)
        route = Route(make_legs(parts), make_places(parts, full.labels), full, seed)
        given, truth = check_texts(texts), columns_of(full, texts, labels)
        if given:
            route = fit_route(route, given, truth)
        return cls(route, full, None, audit_rate)

    @classmethod
    def open(
        cls,
        path: Path | str,
        model: Learner | Path | str,
        *,
        smaller: Sequence[Path | str] = (),
        audit_rate: float = AUDIT_RATE,
    ) -> Self:
        """Open a cascade's file.

        Args:
            path: the file.
            model: the full model that it was built on.
            smaller: folders of the smaller bundles that it was built on, in order.
            audit_rate: see `build`.

        Raises:
            BundleError: a bundle cannot be used.
            RouteError: the file is damaged, or of another model or other bundles.
        """
        full = open_full(model)
        contents = read_file(Path(path))
        try:
            route, certificate = decode(contents, full, smaller)
        except ReadError as error:
            raise RouteError(f"{path}: {error}") from error
        return cls(route, full, certificate, audit_rate)

    def save(self, path: Path | str) -> None:
        """Write the heads, curves and the certificate to a file; bundles and learner stay apart.

        Raises:
            RouteError: it cannot be written.
        """
        write_file(Path(path), *encode(self._route, self._certificate))

    @property
    def certificate(self) -> Certificate | None:
        """What is promised; None before `calibrate`.

        Raises:
            StaleCertificateError: what the full model answers was changed since.
        """
        if self._certificate is not None and self._current().identity != self._route.full.identity:
            raise StaleCertificateError(
                "the learner learnt or forgot since the cascade was certified, so every text goes "
                "to it; call `calibrate` again, or `build` if its classes changed"
            )
        return self._certificate

    @property
    def mode(self) -> Mode:
        """What is done with texts, and why."""
        certificate = self._certificate
        if certificate is None:
            return Mode.NOT_CALIBRATED
        if self._current().identity != self._route.full.identity:
            return Mode.STALE
        if certificate.thresholds is None:
            return Mode.NOT_CERTIFIED
        if not certificate.worth_it:
            return Mode.NOT_WORTH_IT
        return Mode.ALARM if self._watch.audit.alarm else Mode.ROUTED

    def calibrate(
        self,
        texts: Sequence[str],
        labels: Sequence[str] | None = None,
        *,
        max_harm: float = 0.01,
        confidence: float = 0.95,
        mix: Mapping[str, float] | None = None,
        foreign: Sequence[str] = (),
        max_slip: float = 0.2,
        even_if_slower: bool = False,
        seed: int = 0,
    ) -> Self:
        """Find how far stages may answer, and certify it.

        Args:
            texts: N texts like those that will come, none of which the full model has learnt.
            labels: N classes of theirs: the loss is then an answer that is wrong where the full
                model's is right; None: any answer that is not the full model's.
            max_harm: the share of texts that may be lost.
            confidence: that no more are.
            mix: share of each class among the texts that will come; None: as among these.
            foreign: texts that belong to no class.
            max_slip: share of such texts that may be answered early.
            even_if_slower: answer early though that is not found faster on this machine: for a
                cascade that will run on another.
            seed: of the split into texts that settle the levels and texts that test them.

        Returns:
            Itself.

        Raises:
            InputError: a text, label or number cannot be taken.
            RouteError: the texts are too few to split, or the learner has learnt them.
        """
        for name, value in (
            ("max_harm", max_harm),
            ("confidence", confidence),
            ("max_slip", max_slip),
        ):
            if not 0 < value < 1:
                raise InputError(f"{name} is {value}; it must be above 0 and below 1")
        full = self._current()
        require_classes(self._route.full, full)
        given, truth = check_texts(texts), columns_of(full, texts, labels)
        check_mix(full, mix or {})
        route, used = replace(self._route, full=full), 1.0
        if not route.fitted:
            first, rest = split_rows(len(given), seed, FIT_SHARE)
            some = None if truth is None else truth[first]
            route = fit_route(route, [given[row] for row in first], some)
            given = [given[row] for row in rest]
            truth, used = None if truth is None else truth[rest], 1 - FIT_SHARE
        target = Target(max_harm, confidence, mix, full.labels, max_slip)
        request = Request(given, truth, check_texts(foreign), target, seed, used, even_if_slower)
        route, certificate = certify(route, request)
        with self._guard:
            self._route, self._certificate = route, certificate
            self._limits = limits_of(route, certificate)
            self._watch = Watch(certificate)
        return self

    def classify(self, texts: Iterable[str], *, top_k: int | None = 1) -> list[Routed]:
        """Classify texts.

        Args:
            texts: N of them.
            top_k: how many labels each result holds, best first; None: all.

        Returns:
            N results in the order given, each with its stage. What goes all the way gets the full
            model's own answer.

        Raises:
            InputError: a text cannot be taken; the message names the row.
        """
        return list(self.stream(texts, top_k=top_k))

    def stream(self, texts: Iterable[str], *, top_k: int | None = 1) -> Iterator[Routed]:
        """Classify texts some thousands at a time, in bounded memory; see `classify`."""
        if isinstance(texts, str):
            raise InputError("a single string; give a sequence of texts, such as [text]")
        if top_k is not None and top_k < 1:
            raise InputError(f"top_k is {top_k}; it must be 1 or more, or None for all labels")
        stream, first = iter(texts), 0
        while some := list(islice(stream, SORTED)):
            yield from self._answer(some, first, top_k)
            first += len(some)

    def audit(self, texts: Sequence[str], labels: Sequence[str] | None = None) -> AuditReport:
        """Answer texts both ways and say whether they speak against the certificate.

        Args:
            texts: N of them, not those it was calibrated on.
            labels: N classes of theirs; needed where the certificate counts harm.

        Raises:
            InputError: a text or label cannot be taken.
            RouteError: there is no certificate.
            StaleCertificateError: it is void.
        """
        certificate = self.certificate
        if certificate is None:
            raise RouteError("the cascade is not calibrated; call `calibrate` first")
        given = check_texts(texts)
        columns_of(self._route.full, texts, labels)
        early = answer(self._route, given, 0, self._limits, top_k=1).results
        full = answer(self._route, given, 0, None, top_k=1).results
        return compare_answers(certificate, early, full, labels)

    def report(self) -> RouteReport:
        """Say what is promised and how it has done since it was opened or calibrated."""
        mode = self.mode
        with self._guard:
            return self._watch.report(mode, self._certificate)

    def _answer(self, texts: Sequence[str], first: int, top_k: int | None) -> list[Routed]:
        mode, route, limits = self.mode, self._route, self._limits
        if mode is not Mode.ROUTED:
            limits = None
        if mode in (Mode.STALE, Mode.NOT_CALIBRATED):
            route = replace(route, full=self._current(), full_scope=None)
        found = answer(route, texts, first, limits, top_k=top_k)
        results = found.results
        drawn = [] if limits is None else self._draw(len(texts))
        outcomes = shadow(route, texts, results, drawn)
        with self._guard:
            self._watch.stages.update(result.stage for result in results)
            for p_value in found.evidence:
                self._watch.drift.add(p_value)
            for disagreed in outcomes:
                self._watch.audit.add(disagreed)
        return results

    def _draw(self, count: int) -> list[int]:
        """Draw rows to audit."""
        return [row for row in range(count) if self._random.random() < self._audit_rate]

    def _current(self) -> FullModel:
        """Give the full model as it is now."""
        if not self._full.current and self._full.learner is not None:
            with self._guard:
                self._full = open_full(self._full.learner)
        return self._full
