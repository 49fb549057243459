"""The first page: its numbers are those of the files, its figure and the logo those of the code."""

import json
import re
from pathlib import Path

import identity
import numpy as np
import status
from PIL import Image
from sources import CHAPTERS, ROOT, TOC, notebook

from ganlib.training.tables import column, compare

BOOK = ROOT / "book"
FEW = ("as they are", "translation, cutout")
PAGE = (BOOK / "intro.md").read_text(encoding="utf-8")


def result(run, file="metrics"):
    return json.loads((BOOK / "results" / run / f"{file}.json").read_text(encoding="utf-8"))


def line(command):
    (found,) = [text for text in PAGE.splitlines() if text.endswith(f"| `{command}` |")]
    return found


def test_dcgan_on_mnist():
    apart = result("dcgan-mnist")["frechet_distance"]
    run = result("dcgan-mnist", "run")
    assert run["hardware"]["cores"] == 2 and not run["hardware"]["gpus"]
    text = line("make run RUN=dcgan-mnist")
    assert f"distance of {apart['trained']:.1f}, " in text
    assert f"real images have {apart['real']:.1f} and noise has {apart['noise']:.1f}" in text
    assert f"{run['seconds'] / 60:.0f} minutes on two CPU cores" in text


def test_the_race():
    trails = json.loads(identity.RACE.read_text(encoding="utf-8"))["trails"]
    recipes = {name: np.transpose(trail) for name, trail in trails.items()}
    seconds, _, apart = recipes["TensorFlow tutorial"]
    best, at = apart.min(), seconds[apart.argmin()]
    seconds, _, apart = recipes["this book"]
    there, quarter = (seconds[apart <= bar][0] for bar in (best, best / 4))
    text = line("benchmarks/time_to_quality.py")
    assert f"after {there:.0f} seconds, {at / there:.0f} times sooner" in text
    assert f"a quarter of that score after {quarter:.0f}." in text
    # what the figure's description says
    assert "from about 700 to below 2 within 480 seconds" in PAGE
    assert 680 < apart[0] < 730 and apart[-1] < 2 and abs(seconds[-1] - 480) < 5
    assert "Keras-GAN ends near 14" in PAGE and round(recipes["Keras-GAN"][2][-1]) == 14
    assert "tutorial stays above 190" in PAGE and best > 190


def test_evaluation_on_mnist():
    scores = result("evaluation-mnist")["scores"]
    ours, real = scores["samples"], scores["real"]
    kid, other = (f"{s['kid']:.2f} ± {s['kid_standard_error']:.2f}" for s in (ours, real))
    text = line("make run RUN=evaluation-mnist")
    assert f"of `dcgan-mnist` a KID of {kid}, and real images {other}." in text
    assert f"recall is that of real images, {ours['recall']:.2f} and {real['recall']:.2f};" in text
    assert f"precision is not, {ours['precision']:.2f} and {real['precision']:.2f}." in text


def test_the_ablation():
    found = result("dcgan-ablation")["frechet_distance_of_ablation"]
    without, rules = found["no batch norm"], found["all the rules"]
    assert len(without) == len(rules) == 5
    text = line("make run RUN=dcgan-ablation")
    assert f"below a distance of {np.floor(min(without)):,.0f}, and two draw black images; " in text
    pictures = np.load(BOOK / "results/dcgan-ablation/ablation.npz")["no batch norm"]
    black = pictures.reshape(5, 4, -1).max(axis=(1, 2)) < 30
    assert sum(black) == 2
    assert f"the five end between {np.floor(min(rules)):.0f} and {np.ceil(max(rules)):.0f}." in text


def test_the_table_of_losses():
    def whole_table(score):
        return {name: row[score] for name, row in result("wgan_lsgan-mnist")["table"].items()}

    table = whole_table("fid")
    ours, plain = table.pop("Wasserstein, GP"), table["non-saturating"]
    assert len(table) + 1 == 9
    assert all(np.greater(row, ours).all() for row in table.values())
    text = line("make run RUN=wgan_lsgan-mnist")
    assert f"every seed: {min(ours):.1f} to {max(ours):.1f}, " in text
    assert f"alone has {min(plain):.1f} to {max(plain):.1f}." in text
    seconds = {name: np.median(row) for name, row in whole_table("seconds").items()}
    more = seconds["Wasserstein, GP"] / seconds["non-saturating"]
    assert f"five updates in a round, and takes {more:.1f} times as long" in text


def test_the_losses_at_rates_of_their_own():
    def span(run, key):
        table = sorted(result(run)[key], key=lambda row: row["variant"] != "non-saturating")
        (row,) = (row for row in compare(table) if row["variant"] == "Wasserstein, GP")
        return row["low"], row["high"]

    three, five = "wgan_lsgan-searched", "wgan_lsgan-wider"
    assert [len(result(run)["grid"]) for run in (three, five)] == [3, 5]
    factors = "by {:.2f} to {:.2f} after as "
    updates, time = factors + "many updates", factors + "much time"
    text = line(f"make run RUN={three}")
    assert updates.format(*span(three, "equal_updates")) in text
    assert time.format(*span(three, "equal_time")) in text
    text = line(f"make run RUN={five}")
    assert updates.format(*span(five, "equal_updates")) in text
    low, high = span(five, "equal_time")
    assert low < 1 < high and "after as much time it cannot be told" in text


def test_conditional_on_mnist():
    table = dict(result("conditional-mnist")["table"])
    without = [np.mean(run["coverage"]) for run in table.pop("no label")]
    told = [run for runs in table.values() for run in runs]
    right, covered = (np.mean([run[key] for run in told], 1) for key in ("accuracy", "coverage"))
    assert len(table) == 5
    text = line("make run RUN=conditional-mnist")
    assert f"in {100 * right.min():.0f} to {100 * right.max():.0f} of 100 samples" in text
    assert f"is {covered.min():.2f} to {covered.max():.2f}; without the label" in text
    assert f"it is {min(without):.2f} to {max(without):.2f}." in text


def test_biggan_on_mnist():
    scores, run = result("biggan-mnist"), result("biggan-mnist", "run")
    assert run["hardware"]["cores"] == 2 and not run["hardware"]["gpus"]
    text = line("make run RUN=biggan-mnist")
    assert f"in {1000 * scores['obeyed']:.0f} of 1,000 samples" in text
    assert f"with a precision of {scores['precision']:.2f} " in text
    assert f"and a recall of {scores['recall']:.2f}," in text
    assert f"after {run['seconds'] / 60:.0f} minutes on two CPU cores" in text
    assert f"right about {1000 * scores['judge_right']:.0f} of 1,000 real digits" in text


def test_the_ladder():
    ladder = result("biggan-ladder-mnist")["ladder"]
    assert len(ladder) - 1 == 10
    bottom, top = ladder["conditional DCGAN"], ladder["twice the batch"]
    ends = [[run["fid"] for run in runs] for runs in (bottom, top)]
    assert [len(end) for end in ends] == [3, 3] and np.all(np.less(ends[1], ends[0]))
    work = [np.median([run["seconds"] for run in runs]) for runs in (bottom, top)]
    text = line("make run RUN=biggan-ladder-mnist")
    (least, most), (best, worst) = ((min(end), max(end)) for end in ends)
    assert f"from between {least:.1f} and {most:.1f} to between {best:.1f} and {worst:.1f}" in text
    assert f"for {work[1] / work[0]:.1f} times the work." in text


def test_the_translator():
    table = result("unpaired-typefaces")["unpaired"]
    made, untouched = table["made"], table["sources"]
    text = line("make run RUN=unpaired-typefaces")
    taken, same = (100 * made[name] for name in ("on the target's side", "in the source's class"))
    assert f"the other's in {taken:.0f} of 100 cases, and for the same digit in {same:.0f}." in text
    assert f"a pixel is then {made['distance']:.2f} from" in text
    assert f"untranslated it is {untouched['distance']:.2f} from it." in text


def test_the_tricks():
    table = result("training_tricks-mnist")["table"]
    rows = compare(table)
    worse, better = (sum(test(row) for row in rows) for test in (above_one, below_one))
    text = line("make run RUN=training_tricks-mnist")
    assert f"Of {len(rows)} changes" in text and f" {worse} raise the distance" in text
    assert better == 0 and "none lowers it" in text
    assert f"of {column(table, 'beta_1 = 0.9', 'fid').min():.0f} or more" in text
    assert f"the baseline has {column(table, 'baseline', 'fid').max():.1f} or less" in text


def above_one(row):
    return row["low"] > 1


def below_one(row):
    return row["high"] < 1


def test_few_images():
    table = result("training_doctor-mnist")["table"]
    few, changed = (column(table, f"50, {name}", "fid") for name in FEW)
    text = line("make run RUN=training_doctor-mnist")
    assert f"from between {few.min():.0f} and {few.max():.0f} to between" in text
    assert f"between {changed.min():.0f} and {changed.max():.0f}. With 500" in text
    many, changed = (column(table, f"500, {name}", "fid") for name in FEW)
    assert many.max() < changed.min()


def chapters_in(text):
    return set(re.findall(r"{doc}`(?:[\w ]+ <)?(\w+)", text)) & set(CHAPTERS)


def test_every_chapter_is_on_the_map():
    """With its time, and with what its own box says must be read first."""
    assert status.with_times(PAGE) == PAGE, "run `make results`"
    before = {}
    for chapter in CHAPTERS:
        (row,) = re.findall(rf"(?m)^\| {{doc}}`{chapter}` \|(.*)", PAGE)
        took, _, first = row.removesuffix(" |").split(" | ")
        assert re.fullmatch(r" (under )?\d\d s", took)
        assert chapters_in(first) <= set(before)
        before[chapter] = chapters_in(first).union(*(before[name] for name in chapters_in(first)))
        box = "\n".join(cell.source for cell in notebook(chapter).cells[:2])
        needed = chapters_in(re.search(r"Prerequisites\n: (.*?)\. ?", box)[1])
        assert chapters_in(first) <= needed <= before[chapter]


def test_the_map_has_the_parts_of_the_book():
    """Their chapters, in their order; the README has the same order."""
    _, *parts = PAGE[PAGE.index("## The chapters") : PAGE.index("Symbols are in")].split("\n### ")
    on_the_map = {part.splitlines()[0]: re.findall(r"(?m)^\| {doc}`(\w+)`", part) for part in parts}
    names = {it["caption"]: [Path(p["file"]).name for p in it["chapters"]] for it in TOC["parts"]}
    numbered = [it["caption"] for it in TOC["parts"] if it.get("numbered")]
    assert list(on_the_map) == numbered
    assert on_the_map == {caption: names[caption] for caption in numbered}
    readme = (BOOK.parent / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^\| \[(\w+)\]\(book/", readme) == CHAPTERS


def test_the_logo_is_the_one_the_code_draws():
    assert (BOOK / "_static" / "logo.svg").read_text(encoding="utf-8") == identity.logo()


def test_the_figures_show_the_committed_race_and_samples():
    digits = identity.digits()
    assert digits.shape == (100, identity.SIDE, identity.SIDE)
    assert np.ptp(digits, axis=(1, 2)).min() > 200  # one digit in every cell, cut where it begins
    assert digits[:, [0, -1]].mean() < 5
    drawn = np.asarray(Image.open(BOOK / "_static" / "digits.png"))
    assert np.array_equal(drawn, identity.drawn_digits())
    for figure in (drawn, np.asarray(Image.open(BOOK / "_static" / "race.png"))):
        transparent = figure[..., 3] == 0
        assert figure.shape[2] == 4 and transparent.mean() > 0.5  # for both themes
