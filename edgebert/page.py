"""A report as one HTML file: its own style and figures, no script, nothing fetched.

One column on a phone; tables scroll within themselves. Every text from outside is escaped.
"""

from collections.abc import Mapping, Sequence
from html import escape

STYLE = """
:root{color-scheme:light dark;--ink:#1d2329;--dim:#5b6770;--paper:#fff;--shade:#f3f5f7;
--rule:#dde2e7;--ours:#0b6e4f;--wrong:#c84630}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaee;--dim:#9aa5b1;--paper:#14181c;
--shade:#1d2329;--rule:#333c45;--ours:#3fb68b;--wrong:#ef7a66}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
h1,p,th:first-child,td:first-child{overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.25;margin:.5rem 0}
h2{font-size:1.15rem;margin:2rem 0 .5rem}
p{margin:.4rem 0}.dim{color:var(--dim)}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .4rem;text-align:right;border-bottom:1px solid var(--rule)}
td{white-space:nowrap}
th{white-space:normal;vertical-align:bottom}
th:first-child,td:first-child{text-align:left;white-space:normal;min-width:7rem}
th{color:var(--dim);font-weight:600}
.fill{width:30%}meter{width:100%}
summary{cursor:pointer;padding:.4rem 0}
figure{display:inline-block;width:28rem;max-width:100%;margin:.5rem 0;vertical-align:top}
figcaption{color:var(--dim);font-size:.9rem}
svg{width:100%;height:auto;display:block}
.t{font:12px system-ui,sans-serif;fill:var(--ink)}.small{font-size:10px}.strong{font-weight:600}
.grid{stroke:var(--rule)}.diagonal{stroke:var(--dim);stroke-dasharray:4 4}
.bar{stroke:var(--ours);stroke-width:6;stroke-opacity:.35;stroke-linecap:round}
.thin{stroke:var(--ours);stroke-opacity:.5}
.dot{fill:var(--ours);stroke:var(--ours)}.soft{fill-opacity:.5}.open{fill:var(--paper)}
.front{fill:none;stroke:var(--ours);stroke-dasharray:3 3}
.hit{fill:var(--ours)}.miss{fill:var(--wrong)}.paper{fill:var(--shade)}
"""


def page(title: str, parts: Sequence[str]) -> str:
    """Put parts into a whole document."""
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            *parts,
            "</body></html>\n",
        ]
    )


def section(title: str, parts: Sequence[str]) -> str:
    """Put parts under a heading."""
    return "\n".join([f"<section><h2>{escape(title)}</h2>", *parts, "</section>"])


def paragraph(text: str, *, dim: bool = False) -> str:
    """Write a paragraph."""
    kind = ' class="dim"' if dim else ""
    return f"<p{kind}>{escape(text)}</p>"


def folded(summary: str, part: str) -> str:
    """Put a long part under a line that opens it."""
    return f"<details><summary>{escape(summary)}</summary>{part}</details>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows; the first column is what the others are about."""
    lines = ["<tr>", *(f"<th>{escape(cell)}</th>" for cell in head), "</tr>"]
    for row in rows:
        lines += ["<tr>", *(f"<td>{_breakable(cell)}</td>" for cell in row), "</tr>"]
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def bars(title: str, counts: Mapping[str, int]) -> str:
    """Lay out counts as lines with a bar each."""
    most = max(counts.values(), default=1) or 1
    rows = "".join(
        f"<tr><td>{_breakable(name)}</td><td>{count:,}</td>"
        f'<td class="fill"><meter max="{most}" value="{count}"></meter></td></tr>'
        for name, count in counts.items()
    )
    head = f"<tr><th>{escape(title)}</th><th>rows</th><th></th></tr>"
    return f'<div class="wide"><table>{head}{rows}</table></div>'


def _breakable(cell: str) -> str:
    """Escape a cell, and let a name of several words be broken between them."""
    return escape(cell).replace("_", "_<wbr>")


def figure(svg: str, caption: str) -> str:
    """Put a drawing over its caption."""
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"
