"""`edgebert doctor`: what this machine offers, and whether a bundle fits it."""

import argparse
import dataclasses
import json
from pathlib import Path

from edgebert.bundle import Bundle
from edgebert.device.doctor import Finding, examine, examine_bundle, read_machine

SUMMARY = """Say what this machine offers: CPU, cores, memory, versions, the path that int8 takes
here; and, given a bundle, whether it fits. Exit 1 if something will not work."""
EXAMPLE = "edgebert doctor minilm-int8"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", type=Path, nargs="?", help="a bundle's folder")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Examine and print."""
    machine = read_machine()
    findings = examine(machine)
    if arguments.bundle is not None:
        findings += examine_bundle(Bundle.open(arguments.bundle), machine)
    if arguments.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=1))
    else:
        _show(findings)
    return 1 if any(finding.verdict == "bad" for finding in findings) else 0


def _show(findings: list[Finding]) -> None:
    for finding in findings:
        print(f"{finding.verdict:<5} {finding.what:<14} {finding.found}")
        if finding.advice:
            print(f"      {'':<14} {finding.advice}")
