"""Write the page with every trick on it, from the committed runs that measured them.

python tools/tricks.py
"""

import json
from pathlib import Path

from ganlib.training.tables import compare

BOOK = Path(__file__).resolve().parent.parent / "book"
PAGE = BOOK / "tricks_table.md"
TEXT = """\
<!-- Written by `make results` from book/results/; edit tools/tricks.py instead. -->

# All tricks on one page

To print and to keep. Every row is one change to a good baseline, trained from five seeds on MNIST:
{doc}`training_tricks` and {doc}`training_doctor` explain it, and {doc}`results` says how to repeat
it. The run is older than the chapter, which no longer has all of its rows. The baseline is a DCGAN
with batch norm, the non-saturating loss, Adam at rates of 0.004 and 0.002 without momentum, and an
average of the generator's weights. Where images are few it has rates of 0.002 and
$\\beta_1 = 0.5$.

- *effect* is the factor by which the row changes the FID: the median of all ratios of one of its
  five trainings to one of the baseline's. Below 1 is better. In brackets is its interval, which
  holds the factor in 97 cases of 100 (`ganlib.lab.compare`). It is in bold where it leaves out 1,
  as it does once in thirty rows that change nothing.
- An interval with 1 in it does not say that the row does nothing. It says between which effects
  five trainings cannot decide.
- The baseline's rates were searched for, and the rows share them: one that needs others is seen at
  the wrong ones.
- These are short trainings of small networks on one data set. Measure again on yours.
- *cost* is its median seconds over those of the baseline. All rows took turns, on two CPU cores
  that had other work too: a tenth more or less means nothing. A GPU has other costs.

"""
ROWS = {
    "labels 0.9 and 0": ("one-sided label smoothing, 0.9 and 0", "salimans2016improved"),
    "labels 0.9 and 0.1": ("two-sided label smoothing, 0.9 and 0.1", "szegedy2016rethinking"),
    "labels 0.8 to 1, and 0": ("noisy labels, 0.8 to 1 for real", ""),
    "one label in 16 flipped": ("one label in 16 flipped, both kinds", ""),
    "instance noise": ("noise of deviation 0.3 on all images", "sonderby2017amortised"),
    "instance noise, fading": ("the same, fading until halfway", "sonderby2017amortised"),
    "Glorot's initialisation": ("Glorot's initialisation", "glorot2010understanding"),
    "orthogonal initialisation": ("orthogonal initialisation", "brock2019large"),
    "beta_1 = 0.5": ("Adam with momentum, $\\beta_1 = 0.5$", "radford2016unsupervised"),
    "beta_1 = 0.9": ("Adam's usual momentum, $\\beta_1 = 0.9$", "kingma2015adam"),
    "rates that fall": ("rates that fall to 0 by a cosine", ""),
    "clipped gradients": ("gradients clipped to length 1", ""),
    "no average": ("*without* the average of the weights", "karras2018progressive"),
    "dropout": ("dropout of 0.3 in the discriminator", ""),
    "weight decay": ("weight decay of 0.1 in the discriminator", ""),
    "D twice as wide": ("discriminator twice as wide", ""),
    "G twice as wide": ("generator twice as wide", ""),
    "no norm": ("*without* batch norm in the discriminator", "ioffe2015batch"),
    "layer norm": ("layer norm in its place", "ba2016layer"),
    "instance norm": ("instance norm in its place", "ulyanov2016instance"),
    "virtual batch norm": ("norm by a fixed batch in its place", ""),
    "spectral norm": ("spectral norm in its place", "miyato2018spectral"),
    "no norm, R1": ("R1 of weight 10 in its place", "mescheder2018which"),
    "no norm, R1 of weight 0.1": ("R1 of weight 0.1 in its place", "mescheder2018which"),
    "no norm, gradient penalty": ("gradient penalty in its place", "gulrajani2017improved"),
    "minibatch deviation": ("minibatch standard deviation", "karras2018progressive"),
    "packs of two": ("packs of two images, half as many logits", ""),
    "G twice as fast": ("generator's rate doubled", "heusel2017gans"),
    "D twice as fast": ("discriminator's rate doubled", "heusel2017gans"),
    "G four times as fast": ("generator's rate four times as high", "heusel2017gans"),
    "D four times as fast": ("discriminator's rate four times as high", "heusel2017gans"),
    "batches of 8": ("batches of 8, as many images", "brock2019large"),
    "batches of 128": ("batches of 128, as many images", "brock2019large"),
    "D updated twice": ("two updates of the discriminator", "goodfellow2014generative"),
    "D updated twice, half the rounds": ("the same, in half the rounds", ""),
}
FEW = {
    "translation, cutout": ("DiffAugment: translation, cutout", "zhao2020differentiable"),
    "rotation, scaling": ("rotation, scaling", ""),
    "contrast": ("DiffAugment: brightness, contrast", "zhao2020differentiable"),
    "noise": ("noise of deviation 0.1", "sonderby2017amortised"),
    "only the real ones": ("only the real ones changed, and it leaks", "karras2020training"),
}
HEADER = "| trick | source | effect on FID | cost |\n| --- | --- | --- | ---: |\n"


def lines(table, rows):
    """Markdown lines of a table whose first variant is the baseline."""
    found = {row["variant"]: row for row in compare(table)}
    if set(found) != set(rows):
        raise ValueError(f"The rows {sorted(set(found) ^ set(rows))} are in one place only.")
    text = ""
    for variant, (words, source) in rows.items():
        row = found[variant]
        effect = f"{row['effect']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
        if not row["low"] <= 1 <= row["high"]:
            effect = f"**{effect}**"
        if row.get("collapsed"):
            trainings = sum(other["variant"] == variant for other in table)
            effect += f", {row['collapsed']} of {trainings} collapsed"
        cited = f"{{cite:t}}`{source}`" if source else "–"
        text += f"| {words} | {cited} | {effect} | {row['cost']:.2f} |\n"
    return text


def read(book, name):
    """The table of a committed run; empty if there is none yet."""
    file = book / "results" / name / "metrics.json"
    return json.loads(file.read_text())["table"] if file.exists() else []


def page(book: Path = BOOK) -> str:
    """The page's text."""
    text = TEXT + "## With all images\n\n" + HEADER
    text += lines(read(book, "training_tricks-mnist"), ROWS)
    groups = {}
    for row in read(book, "training_doctor-mnist"):
        size, name = row["variant"].split(", ", 1)
        groups.setdefault(size, []).append(row | {"variant": name})
    for size, table in groups.items():
        rows = {row["variant"]: FEW[row["variant"]] for row in table if row["variant"] in FEW}
        text += f"\n## With {size} images\n\n" + HEADER + lines(table, rows)
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"Wrote {PAGE.relative_to(BOOK.parent)}.")
