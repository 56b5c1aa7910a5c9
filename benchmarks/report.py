"""What all benchmarks share: their arguments, how rows look, and the JSON they leave."""

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with `--quick` and `--json PATH`."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--quick", action="store_true", help="end within 90 s on 2 cores")
    arguments.add_argument("--json", type=Path, help="where to write the rows")
    return arguments


def row(measure: str, value: float, unit: str, note: str = "") -> Row:
    """Return one measured value."""
    return {"measure": measure, "value": round(float(value), 4), "unit": unit, "note": note}


def publish(rows: list[Row], path: Path | None, **machine: Any) -> None:
    """Print the rows as a table and, given a path, write them with the machine they ran on."""
    for each in rows:
        print(f"{each['measure']:<42} {each['value']:>11.4g} {each['unit']:<8} {each['note']}")
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": this_machine() | machine, "rows": rows}
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def this_machine() -> dict[str, Any]:
    """Return processor, cores and Python."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": 1,
        "python": platform.python_version(),
    }


def processor() -> str:
    """Return the processor's name, as far as the system tells."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
