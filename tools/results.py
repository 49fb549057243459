"""Write the page of results: the table that the committed runs make, and what is not in it.

python tools/results.py
"""

from pathlib import Path

from ganlib.runs import results

BOOK = Path(__file__).resolve().parent.parent / "book"
PAGE = BOOK / "results.md"
TEXT = """\
<!-- Written by `make results` from book/results/; edit tools/results.py instead. -->

# Results

Every full run that the chapters show, in one table. It is read from what the runs left in
`book/results/NAME/`: `metrics.json` has the scores, `run.json` how they came about. Nothing is
typed in by hand, and a test compares this page with the files. A result is refused, and the test
fails, when its run did not complete, when the commit whose code ran is unknown or had been changed,
or when its parameters are not those of `book/runs/NAME.yaml` and, for the rest, the defaults of the
chapter.

How to read it:

- A dash stands for what a run did not measure. Nothing is filled in later.
- Only scores with the same data, the same features and the same numbers of images compare. The
  features are those of a small classifier of our own, so no FID or KID here compares with one in a
  paper; {doc}`evaluation` says why.
- *scored* is what was compared with held-out real images. *real* are more real images: no
  generator can be expected to do better.
- *parameters* are the values of the YAML file; all others are the chapter's defaults.
- *seconds* are those of the whole run: every training in the notebook, the scores, the figures.
- *command* repeats the run into `outputs/`, from a clone at the commit in the column *code*.

"""


def page(book: Path = BOOK) -> str:
    """The page's text."""
    text = TEXT + results.markdown(results.table(book))
    missing = results.without_result(book)
    if missing:
        text += "\nDescribed in `book/runs/` but without a committed result, so nothing is claimed "
        text += f"of them here: {', '.join(f'`{name}`' for name in missing)}.\n"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"Wrote {PAGE.relative_to(BOOK.parent)}.")
