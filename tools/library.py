"""Sphinx extension: the pages of the library, from its docstrings.

Docstrings are plain text with code between single backticks; to autodoc, which expects
reStructuredText, a star in the text would be a mark. Names of the library, in docstrings and in
chapters, become links to the place that describes them.
"""

import importlib
import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.util import inspect
from sphinx.util.inspect import stringify_signature
from sphinx.util.nodes import make_refnode

CODE = re.compile(r"(`[^`]+`)")
MARK = re.compile(r"[*|\\]|_\b")
NAME = re.compile(r"([A-Za-z_][\w.]*)(?:\(.*\))?", re.DOTALL)  # GAN.fit, or Dataset.batches(64)


def escape(app, what, name, described, options, lines):
    """Take the marks of reStructuredText out of a docstring's text, and leave its code."""
    parts = CODE.split("\n".join(lines))
    parts[::2] = [MARK.sub(r"\\\g<0>", text) for text in parts[::2]]
    lines[:] = "".join(parts).split("\n")


def sign(app, what, name, described, options, signature, returned):
    """A class is called with what its `__init__` takes; Keras's have a `__new__` that takes all."""
    if what == "class":
        signature = stringify_signature(
            inspect.signature(described.__init__, bound_method=True), show_annotation=False
        )
        return ("" if signature in ("()", "(*args, **kwargs)") else signature), None
    return None


def around(node):
    """The name and the module of what the docstring with a node describes, from the inside out."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, addnodes.desc):
            module, name = node[0]["module"], node[0]["fullname"]
            yield from (f"{module}.{name}", module)


def meant(code, objects):
    """The full name of what a piece of code names, None if that is nothing of the library."""
    places, name = list(around(code)), NAME.fullmatch(code.astext())
    full = name and ("." in name[1] or name[1][0].isupper())
    if not name or not (places or "." in name[1]):
        return None  # a chapter has variables of its own, called `check` or `GAN`
    near = [f"{place}.{name[1]}" for place in places if f"{place}.{name[1]}" in objects]
    far = [
        it
        for it, place in objects.items()
        if f".{it}".endswith(f".{name[1]}") and not place.aliased
    ]
    found = near[0] if near else far[0] if full and len(far) == 1 else None
    return found if found not in places[:1] else None


def link(app, doctree, docname):
    """Let every piece of code that names something of the library lead there."""
    objects = app.env.get_domain("py").objects
    for code in list(doctree.findall(nodes.literal)):
        name = meant(code, objects)
        if name and not isinstance(code.parent, nodes.reference | nodes.title):
            parent, place = code.parent, objects[name]
            at = parent.index(code)
            to = place.docname, place.node_id
            parent[at] = make_refnode(app.builder, docname, *to, code, name)


def setup(app):
    """Take part in a build."""
    sys.path.insert(0, str(Path(__file__).parent.parent))  # this ganlib, whichever is installed
    importlib.import_module("ganlib").repeatable()  # keeps the backend's start-up notes quiet
    app.connect("autodoc-process-docstring", escape, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", sign)
    app.connect("doctree-resolved", link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
