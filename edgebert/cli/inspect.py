"""`edgebert inspect`: the manifest for a person, or as JSON for a program."""

import argparse
import sys
from pathlib import Path

from edgebert.bundle import MANIFEST_NAME, Bundle
from edgebert.config import usable_cores
from edgebert.manifest import Manifest
from edgebert.tuned import describe_ranges, read_profile

SUMMARY = """Show what a bundle is, what was proven of it, and that its files are whole."""
EXAMPLE = "edgebert inspect minilm-int8"
SHOWN_LABELS = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, help="the bundle's folder")
    parser.add_argument("--json", action="store_true", help="the manifest as it stands")


def run(arguments: argparse.Namespace) -> int:
    """Open the bundle and print its manifest."""
    bundle = Bundle.open(arguments.bundle)
    if arguments.json:
        sys.stdout.write((bundle.path / MANIFEST_NAME).read_text(encoding="utf-8"))
        return 0
    for key, value in describe(bundle):
        print(f"{key:<14} {value}")
    return 0


def describe(bundle: Bundle) -> list[tuple[str, str]]:
    """Say what a bundle is, one line a fact."""
    manifest = bundle.manifest
    encoder, quantization = manifest.encoder, manifest.quantization
    lines = [
        ("name", manifest.name),
        ("task", manifest.task.value),
        ("model", f"{manifest.architecture} ({manifest.family})"),
        (
            "encoder",
            f"{encoder.layers} layers, {encoder.hidden} wide, {encoder.heads} heads, "
            f"{encoder.vocabulary:,} tokens",
        ),
        ("limit", f"{manifest.max_tokens} tokens a text, special tokens included"),
        ("quantization", f"{quantization.level.value}, {quantization.scales.value} scales"),
    ]
    if quantization.kept_fp32:
        lines.append(("kept fp32", ", ".join(quantization.kept_fp32)))
    if manifest.pooling is not None:
        unit = "unit length" if manifest.pooling.normalize else "not normalized"
        modes = " and ".join(manifest.pooling.modes)
        lines.append(("pooling", f"{modes}, {unit}, {manifest.dimensions} dimensions"))
    if manifest.prompts:
        lines.append(("prompts", ", ".join(manifest.prompts)))
    if manifest.labels:
        shown = ", ".join(manifest.labels[:SHOWN_LABELS])
        more = len(manifest.labels) - SHOWN_LABELS
        lines.append(("labels", shown + (f" and {more} more" if more > 0 else "")))
    if manifest.segments:
        exits = ", ".join(map(str, manifest.exits))
        lines.append(("exits", f"after layers {exits} of {encoder.layers}"))
    lines += _proof(manifest)
    lines += [
        (
            f"on {name.value}",
            f"cosine to fp32 {other.parity.cosine_mean:.5f} mean, {other.parity.cosine_min:.5f} "
            f"least, {other.parity.cpu} CPU",
        )
        for name, other in manifest.alternatives.items()
    ]
    lines += _tuned(bundle)
    lines += [
        ("licence", manifest.source.licence or "not stated by the checkpoint"),
        ("made by", ", ".join(f"{name} {number}" for name, number in manifest.tools.items())),
        ("size", f"{bundle.total_bytes() / 1e6:.1f} MB in {len(manifest.files)} files, all whole"),
        ("fingerprint", bundle.fingerprint),
    ]
    return lines


def _tuned(bundle: Bundle) -> list[tuple[str, str]]:
    profile, reason = read_profile(bundle, usable_cores())
    if profile is not None:
        return [("tuned", describe_ranges(profile.ranges))]
    return [("tuned", f"void here: {reason}")] if reason else []


def _proof(manifest: Manifest) -> list[tuple[str, str]]:
    parity = manifest.parity
    against = "its masked graph" if manifest.quantization.level.value == "fp32" else "fp32"
    agreement = "" if parity.agreement is None else f", {parity.agreement:.2%} same decisions"
    return [
        (
            "parity",
            f"cosine to {against} {parity.cosine_mean:.5f} mean, {parity.cosine_min:.5f} least"
            f"{agreement}",
        ),
        ("measured on", f"{parity.texts} texts ({parity.source}), {parity.cpu} CPU"),
    ]
