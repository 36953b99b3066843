"""Parts that the pages of results share: tables, the machine, and whether others disturbed it.

A page whose words are written by hand has what is made between `<!-- made: NAME -->` and
`<!-- end -->`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.runner import NOISE

DOCS = Path(__file__).parents[1] / "docs"
MADE = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(page: str, make: Callable[[str], str]) -> str:
    """Make anew what is made on a page, by its names."""
    return MADE.sub(lambda found: found[1] + make(found[2]) + found[3], page)


def write_files(files: Mapping[Path, str]) -> None:
    """Write pages and pictures, and print their names."""
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
        print(path.name)


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Write a table."""
    rule = ["---"] * len(heads)
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, rule, *lines]) + "\n"


def machine(result: Mapping[str, Any]) -> str:
    """Say what a result was measured on and when, and whether it is whole."""
    found = result["machine"]
    quick = " A quick run, which says only that everything works." if result.get("quick") else ""
    rounds = f"rounds: {result['rounds']}; " if "rounds" in result else ""
    broken = " **The run broke off; some rounds are missing.**" * (not result.get("finished", True))
    return (
        f"{found['cpu']} ({', '.join(found['flags'])}), {found['cores']} cores, "
        f"{found['memory_gb']:g} GB, {found['kernel']}, Python {found['python']}; "
        f"{rounds}{result['made'][:10]}.{quick}{broken}\n"
    )


def noise(count: int, turns: int) -> str:
    """Say in how many turns other processes disturbed the machine."""
    if not count:
        return f" Nothing else used over {NOISE:.0%} of the machine in any of {turns} turns."
    return (
        f" **In {count} of {turns} turns other processes used over {NOISE:.0%} of the machine: "
        "do not trust these figures.**"
    )
