"""`./dev bench [NAME ...]`: runs benchmarks and prints one JSON object a line.

    {"name": ..., "value": ..., "unit": ..., "detail": {...}}

The load client is a process of its own (load.py). Names stay the same over time.
"""

from __future__ import annotations

import argparse
import json
import sys

from benchmarks import api, node, scheduler, simulation

BENCHMARKS = {
    **api.BENCHMARKS,
    **node.BENCHMARKS,
    **scheduler.BENCHMARKS,
    **simulation.BENCHMARKS,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    names = parser.parse_args().names or list(BENCHMARKS)
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"there is no benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    failed = False
    done: set[str] = set()
    for name in names:
        if name in done:
            continue
        try:
            for result in BENCHMARKS[name]():
                done.add(result["name"])
                print(json.dumps(result), flush=True)
        except (RuntimeError, OSError) as error:
            failed = True
            print(f"{name}: {error}", file=sys.stderr, flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
