"""The rules of a game, losses, penalties, terms and augmentations: found by name, and saved."""

import difflib
from collections.abc import Iterable
from typing import Any, Self


class Rule:
    """What a saved GAN needs of its rules: each keeps its arguments under their names."""

    def get_config(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "seed_generator"}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)


def known(name: str, names: Iterable[str], what: str) -> str:
    """Return `name` if it is among `names`, or raise a ValueError that suggests the nearest."""
    if name in names:
        return name
    near = difflib.get_close_matches(name.lower(), names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"No {what} is called {name!r}.{hint} There are: {', '.join(names)}.")
