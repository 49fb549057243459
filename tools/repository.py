"""Write the address of the public repository wherever the book names it.

python tools/repository.py https://github.com/owner/name

The present address is read from _config.yml, so this works any number of times.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ["_config.yml", "pyproject.toml", "CITATION.cff", "*.md", "book/*.*"]
ADDRESS = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")


def present(root=ROOT):
    """The address that _config.yml names."""
    return re.search(r"^  url: (\S+)$", (root / "_config.yml").read_text(), re.MULTILINE)[1]


def rewrite(url, root=ROOT):
    """Replace the present address, and Colab's links to it, in every file that names it."""
    match = ADDRESS.fullmatch(url)
    if match is None:
        raise ValueError(
            f"{url!r} is not the address of a repository: make repository "
            "URL=https://github.com/OWNER/REPOSITORY (Colab opens notebooks from GitHub only)"
        )
    old = ADDRESS.fullmatch(present(root))[1]
    # github.com/OLD is the repository, colab.research.google.com/github/OLD/... a notebook in it.
    pattern = re.compile(rf"\b(github(?:\.com)?/){re.escape(old)}(?![\w-])")
    for path in sorted(path for name in FILES for path in root.glob(name) if path.is_file()):
        text = path.read_text(encoding="utf-8")
        new = pattern.sub(lambda found: found[1] + match[1], text)
        if new != text:
            path.write_text(new, encoding="utf-8")
            print(f"{path.relative_to(root)} now names https://github.com/{match[1]}")


if __name__ == "__main__":
    try:
        rewrite(" ".join(sys.argv[1:]))
    except ValueError as error:
        sys.exit(str(error))
