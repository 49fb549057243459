"""What every benchmark says about the machine, and where it writes what it found."""

import json
from pathlib import Path

from ganlib import backend
from ganlib.runs import environment


def about():
    """The code, the machine and the versions; taken before a long measurement."""
    return {
        "git": environment.git_state(Path(__file__).parent),
        "hardware": environment.hardware(),
        "versions": environment.versions(backend.NAME),
    }


def describe(about):
    hardware, versions = about["hardware"], dict(about["versions"])
    gpus = ", ".join(hardware["gpus"]) or "no GPU"
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"{hardware['cores']} cores of {hardware['cpu']}, {hardware['memory_gb']:g} GB, {gpus}; "
        f"{packages}"
    )


def write(file, about, **found):
    """Write what was found as JSON; no file, nothing to do."""
    if file:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(json.dumps({**about, **found}, indent=1) + "\n")
