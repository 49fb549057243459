"""Losses, penalties and augmentations are looked up by their names."""

import difflib
from collections.abc import Iterable


def known(name: str, names: Iterable[str], what: str) -> str:
    """Return `name` if it is among `names`, or raise a ValueError that suggests the nearest."""
    if name in names:
        return name
    near = difflib.get_close_matches(name.lower(), names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"No {what} is called {name!r}.{hint} There are: {', '.join(names)}.")
