"""Sphinx extension: pages that fit a phone, and read well aloud.

Formulas keep the comma that follows them. Outputs and tables get what `book.css` needs to fold them
into a narrow page. Two labels that contradict what a screen reader reads beside them go. What a
style sheet can do alone is in `book.css`; this is what needs other HTML, for which neither Sphinx
nor the theme has an option.
"""

import itertools
import re

# Attributes that the builders write and a reader who listens is worse off with: a fixed name in
# place of the text "Show code cell output", and a list whose items are none.
LABELS = {
    '<summary aria-label="Toggle hidden content">': "<summary>",
    '<div role="list" class="citation-list">': '<div class="citation-list">',
}

# A link that begins with the space before it: "Solution to<a> Exercise 3.1</a>".
SPACED = re.compile(r"(<a [^>]*>) (?=\S)")

# A formula with what it must not be parted from: to a browser it is a picture, beside which any
# line may end, even before a comma.
FORMULA = re.compile(
    r"([(\[“‘]*)"
    r'(<span class="math notranslate nohighlight">[^<]*</span>)'
    r"((?:-\w+)?(?:’s\b)?[.,;:!?)\]”’]*)"
)

OUTPUT = re.compile(
    r'<div class="(output [^"]*)"(><div class="highlight"><pre>)(.*?)(?=</pre>)', re.DOTALL
)
COLUMNS = re.compile(r"\S {2,}\S")

# The arguments of a function, a line each: Sphinx writes them as descriptions without a term.
ARGUMENTS = re.compile(r'<dl>(\s*<dd><em class="sig-param">.*?)</dl>', re.DOTALL)

TABLE = re.compile(r'<table class="([^"]*)"(.*?</thead>)(.*?)(?=</table>)', re.DOTALL)
TAG = re.compile(r"<[^>]*>")


def keep_together(formula):
    """A formula, in one piece with its punctuation."""
    before, _, after = formula.groups()
    return f'<span class="together">{formula[0]}</span>' if before or after else formula[0]


def line_up(arguments):
    """Arguments, each of which is a line."""
    lines = arguments[1].replace("<dd>", '<span class="argument">')
    return lines.replace("</dd>", "</span>")


def name_prose(output):
    """An output, of class `prose` where nothing in it stands in columns: its lines may wrap."""
    kind, between, text = output.groups()
    if not COLUMNS.search(TAG.sub("", text)):
        kind += " prose"
    return f'<div class="{kind}"{between}{text}'


def longest_word(cell):
    """Its letters; a formula is a word of its symbols, each command one of them."""
    text = TAG.sub("", cell)
    text = re.sub(r"\\\((.*?)\\\)", lambda formula: "".join(formula[1].split()), text)
    text = re.sub(r"[{}^_]", "", re.sub(r"\\[a-z]+", "x", text))
    return max(map(len, text.split()), default=0)


def name_cells(table):
    """A table whose cells know the name of their column; `rows` if it is too wide for a phone.

    A name that is a formula could not be written before its cell: such a table stays one.
    """
    kind, head, rows = table.groups()
    names = re.findall(r"<th[ >].*?</th>", head, re.DOTALL)
    cells = re.findall(r"<td.*?</td>", rows, re.DOTALL)
    columns = [[name, *cells[i :: len(names)]] for i, name in enumerate(names)]
    letters = sum(max(map(longest_word, column)) for column in columns)
    wide = len(names) > 3 and letters > 27 and "math" not in "".join(names)
    if wide and "rows" not in kind.split():
        kind += " rows"
    column = itertools.cycle(TAG.sub("", name).strip() for name in names)
    rows = re.sub(r"<td", lambda _: f'<td data-name="{next(column)}"', rows)
    return f'<table class="{kind}"{head}{rows}'


def mend(app, pagename, templatename, context, doctree):
    """Mend the text of a page."""
    if "body" not in context:
        return
    for old, new in LABELS.items():
        context["body"] = context["body"].replace(old, new)
    for pattern, mended in (
        (SPACED, r" \1"),
        (FORMULA, keep_together),
        (ARGUMENTS, line_up),
        (OUTPUT, name_prose),
        (TABLE, name_cells),
    ):
        context["body"] = pattern.sub(mended, context["body"])


def setup(app):
    """Take part in a build."""
    app.connect("html-page-context", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
