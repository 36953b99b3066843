"""What a run prints at its end: a line a row, to see that all went well. The page has the rest."""

from bench.kept import Result


def show(results: Result) -> None:
    """Print each row in short, as the last round has it."""
    for name, model in results["models"].items():
        print(f"\n{name}, {model['texts']} texts")
        for key, row in model["rows"].items():
            if "failed" in row:
                print(f"{key:24} {row['failed']}")
                continue
            last = row["turns"][-1]
            p50 = " ".join(f"{v['p50']:8.2f}" for v in last.get("latency", {}).values())
            rate = model["texts"] / last["pass_s"] if "pass_s" in last else 0
            cosine = row.get("cosine")
            close = f"  cos {cosine['mean']:.4f} {cosine['min']:.4f}" if cosine else ""
            print(
                f"{key:24} ms {p50}  request {last.get('request_ms', 0):7.1f} ms"
                f"  {rate:7.1f} texts/s (batch {row.get('batch', '-')})"
                f"  first {last['first_s']:5.2f} s  {last['rss_mb']:5.0f} MB{close}"
            )
