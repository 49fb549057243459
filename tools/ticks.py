"""Sphinx extension: checks that do not drown the text.

The checks that a cell ends with, or consists of, are shown as what they found, a line with a tick
for each claim; the lines unfold the code. Which statements these are, the source says.
"""

import ast

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

TICK = "✓ "


class Ticks(nodes.Element):
    """The ticked claims of a cell, a `Claims`, with the code that made them."""


class Claims(nodes.Element):
    """Lines, each an inline text."""


def only_checks(statements):
    """Whether statements do nothing but call `check`, perhaps in a loop or under a condition."""
    return all(
        isinstance(it, ast.Expr)
        and isinstance(it.value, ast.Call)
        and ast.unparse(it.value.func) == "check"
        or isinstance(it, ast.For | ast.If)
        and only_checks(it.body + it.orelse)
        for it in statements
    )


def split_source(source):
    """The source before the checks that it ends with, and these, with the comments above them."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # a magic
        return source, ""
    lines, start = source.splitlines(), len(source.splitlines())
    while statements and only_checks(statements[-1:]):
        start = statements.pop().lineno - 1
        while start and lines[start - 1].startswith("#"):
            start -= 1
    return "\n".join(lines[:start]).rstrip(), "\n".join(lines[start:])


def split_output(text):
    """What is printed before the ticked lines that it ends with, and these."""
    lines = text.splitlines()
    start = len(lines)
    while start and lines[start - 1].startswith(TICK):
        start -= 1
    return "\n".join(lines[:start]), lines[start:]


def with_text(block, text):
    """A block like another, of another text."""
    other = block.deepcopy()
    other.rawsource, other[:] = text, [nodes.Text(text)]
    return other


class FoldChecks(SphinxPostTransform):
    """Part the checks from the cells that end with them."""

    default_priority = 150
    formats = ("html",)

    def run(self, **kwargs):
        for cell in list(self.document.findall(nodes.container)):
            if cell.get("nb_element") == "cell_code" and not cell.get("hide_mode"):
                fold(cell)


def fold(cell):
    """Put the checks that a cell ends with, and their ticks, below the rest of it."""
    if len(cell) != 2 or not isinstance(cell[1][-1], nodes.literal_block):
        return
    (given, shown), printed = cell.children, cell[1][-1]
    code, checks = split_source(given.astext())
    rest, ticks = split_output(printed.astext())
    if not checks or not ticks:
        return
    folded = given.deepcopy()
    for source, text in ((given, code), (folded, checks)):
        source[:] = [with_text(source[0], text)] if text else []
    shown[-1:] = [with_text(printed, rest)] if rest else []
    claims = Claims("", *map(claim, ticks))
    cell[:] = [part for part in (given, shown) if part.children] + [Ticks("", claims, folded)]


def claim(line):
    """The line of a claim, with its tick in a place of its own."""
    tick = nodes.inline("", TICK, classes=["tick"])
    return nodes.inline("", "", tick, nodes.Text(line.removeprefix(TICK) + "\n"))


def tags(start, end):
    """What writes a node as an element of HTML."""
    return (lambda self, node: self.body.append(start), lambda self, node: self.body.append(end))


def setup(app):
    """Take part in a build."""
    app.add_post_transform(FoldChecks)
    app.add_node(Ticks, html=tags('<details class="ticks">', "</details>\n"))
    app.add_node(Claims, html=tags("<summary>", "</summary>\n"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
