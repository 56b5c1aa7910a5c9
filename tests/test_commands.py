"""The command `padam` starts fast."""

import subprocess
import sys

SLOW_TO_IMPORT = ("kedro", "mlflow", "pytorch_lightning", "sklearn", "matplotlib")


def test_a_scan_waits_for_no_library_that_it_does_not_need() -> None:
    code = f"import sys, padam.commands; print([m for m in {SLOW_TO_IMPORT} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer.stderr


def test_the_command_has_a_version_and_names_its_parts() -> None:
    command = [sys.executable, "-m", "padam"]
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("padam, version ")
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert "scan" in shown.stdout
