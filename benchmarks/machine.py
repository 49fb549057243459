"""What every benchmark says about the machine, and its command line."""

import argparse
import json
from pathlib import Path

import ganlib
from ganlib import backend
from ganlib.files import whole
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


def command(name, default):
    """An option of the command line with the name, the type and the default of a parameter."""
    kind = {"action": "store_true"} if default is False else {"type": type(default)}
    return "--" + name.replace("_", "-"), {"default": default, **kind}


def main(text, measure, arguments=None):
    """Run a benchmark from the command line and write what it found, with the machine, as JSON.

    `text` is its docstring. The keyword-only parameters of `measure` are the options; it yields
    rows, which are written one by one, or returns a dictionary.
    """
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (measure.__kwdefaults__ or {}).items():
        flag, kind = command(name, default)
        parser.add_argument(flag, **kind)
    parser.add_argument("--output", type=Path, help="a JSON file for what was found")
    options = vars(parser.parse_args(arguments))
    output = options.pop("output")
    ganlib.repeatable()
    here = about()  # before the long part: the files may change meanwhile
    print(describe(here))
    found = measure(**options)
    if isinstance(found, dict):
        write(output, {**here, **found})
        return
    rows = []
    for row in found:
        rows.append(row)
        write(output, {**here, "rows": rows})


def write(output, found):
    """Write it as JSON, if there is a file to write; it is never half written."""
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        with whole(output) as part:
            part.write_text(json.dumps(found, indent=1) + "\n")
