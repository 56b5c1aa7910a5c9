"""`python -m benchmarks [--all | PART …] [--quick]`: run parts, keep results, render the page.

`--model FOLDER` and `--nisqa nisqa.tar` are handed to the parts that take them.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PAGE = HERE.parent / "docs" / "benchmarks.md"
SHARED = {"report", "sample_titles", "scan_process", "workers"}
TAKE = {"model": {"detection", "onsets"}, "nisqa": {"detection", "embedding"}}
NEED_A_MODEL = {"onsets"}
PARTS = sorted(
    path.stem
    for path in HERE.glob("*.py")
    if not path.stem.startswith("_") and path.stem not in SHARED
)


def main() -> None:
    """Run the parts asked for, one after the other, and write docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--all", action="store_true", help="every part")
    parser.add_argument("--quick", action="store_true", help="each part within 90 s")
    parser.add_argument("--model", type=Path, help=f"a trained model, for {sorted(TAKE['model'])}")
    parser.add_argument("--nisqa", type=Path, help=f"nisqa.tar, for {sorted(TAKE['nisqa'])}")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.parts) - set(PARTS)):
        parser.error(f"no benchmark {unknown}; there are {', '.join(PARTS)}")
    parts = PARTS if arguments.all else arguments.parts
    if not arguments.model and (without := NEED_A_MODEL & set(parts)):
        print(f"left out, since there is no --model: {', '.join(sorted(without))}")
        parts = [part for part in parts if part not in without]
        if not parts:
            return
    for part in parts:
        print(f"\n== {part}", flush=True)
        command = [
            sys.executable,
            str(HERE / f"{part}.py"),
            "--json",
            str(RESULTS / f"{part}.json"),
        ]
        command += ["--quick"] * arguments.quick
        for option, takers in TAKE.items():
            if part in takers and (value := getattr(arguments, option)):
                command += [f"--{option}", str(value)]
        subprocess.run(command, check=True)
    PAGE.write_text(page(), encoding="utf-8")
    print(f"\n{PAGE}")


def page() -> str:
    """Return the page of the last results."""
    lines = [
        "# Benchmarks",
        "",
        "Rendered from `benchmarks/results` by `make bench`. Ours and the alternative run in turn "
        "in one run; a ratio above 1 says how many times cheaper ours is.",
    ]
    for path in sorted(RESULTS.glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        machine = ", ".join(f"{name} {value}" for name, value in document["machine"].items())
        lines += ["", f"## {path.stem.replace('_', ' ')}", "", machine, ""]
        lines += ["| measure | value | unit | note |", "|---|---|---|---|"]
        lines += [
            f"| `{row['measure']}` | {row['value']:.4g} | {row['unit']} | {row['note']} |"
            for row in document["rows"]
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
