"""The book in a browser that has no network: what a reader sees, finds and can press."""

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest
from sources import CHAPTERS, PAGES, ROOT

AXE = (ROOT / "tests" / "vendor" / "axe.min.js").read_text(encoding="utf-8")
GENERATED = ["search", "genindex"]
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PATIENCE = 180_000  # ms: a page with 1,600 formulas, on a busy machine

READY = """async () => {
    if (window.MathJax?.startup) await MathJax.startup.promise;
    const images = [...document.images];
    for (const image of images) image.loading = "eager";
    await Promise.allSettled(images.map((image) => image.decode()));
    await document.fonts.ready;
}"""
TRANSFERRED = """["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type))
    .reduce((sum, entry) => sum + entry.transferSize, 0)"""
# Thousands of coloured words in code, the same in every chapter, and MathJax's own markup: axe-core
# would look at each of them for minutes.
FLATTEN = """(selector) => document.querySelectorAll(selector)
    .forEach((e) => e.replaceChildren(e.textContent))"""
# Unfold every solution, every hidden cell and every list of ticks, and say which of them do not.
UNFOLD = """() => {
    const shown = (e) => e.checkVisibility({visibilityProperty: true}) && e.offsetHeight > 0;
    const wrong = [];
    for (const e of document.querySelectorAll("div.solution")) {
        const [inside, title] = ["section", ".admonition-title"].map((it) => e.querySelector(it));
        const before = !shown(inside) && e.offsetHeight < title.offsetHeight + 5;
        e.querySelector("button.toggle-button").click();
        if (!before || !shown(inside)) wrong.push(e.textContent);
    }
    for (const e of document.querySelectorAll("details.hide, details.ticks")) {
        const inside = e.querySelector("pre") ?? e.lastElementChild;
        const before = !shown(inside);
        e.querySelector("summary").click();
        if (!before || !shown(inside)) wrong.push(e.textContent);
    }
    return wrong;
}"""
SET_THEME = """(theme) => Object.assign(document.documentElement.dataset, {mode: theme, theme})"""


class Quiet(SimpleHTTPRequestHandler):
    """A plain file server that keeps its log to itself."""

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server(site):
    handler = functools.partial(Quiet, directory=site)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def open_page(browser, server):
    """Open a page in a fresh context and note what a reader should never see."""
    contexts = []

    def open_page(name, viewport=WIDE, **options):
        context = browser.new_context(viewport=viewport, color_scheme="light", **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.complaints = []

        def note(text):
            page.complaints.append(text)

        page.on("pageerror", lambda error: note(str(error)))
        page.on("console", lambda said: said.type in ("error", "warning") and note(said.text))
        page.on("response", lambda it: it.status >= 400 and note(f"{it.status} {it.url}"))
        page.on("requestfailed", lambda it: note(f"failed: {it.url}"))
        here = (server, "data:", "blob:")
        page.on("request", lambda it: it.url.startswith(here) or note(f"elsewhere: {it.url}"))
        page.goto(f"{server}/{name}.html")
        page.evaluate(READY)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module", params=PAGES + GENERATED)
def visit(request, open_page):
    """One page of the book on a wide screen, opened once for the tests that only look at it."""
    page = open_page(request.param)
    page.add_style_tag(content="* { transition: none !important }")  # or half a change is met
    yield SimpleNamespace(name=request.param, page=page, ask=page.evaluate)
    page.context.close()


@pytest.fixture
def phone(visit):
    """The same page on a narrow screen."""
    visit.page.set_viewport_size(PHONE)
    return visit


# -------------------------------------------------------------------------------- every page


def test_it_loads_without_a_network_or_a_complaint(visit):
    assert visit.page.complaints == []


def test_it_is_small(visit):
    limit = 1.5e6 if visit.name == PAGES[0] else 4e6
    assert visit.ask(TRANSFERRED) < limit


def test_mathematics_is_rendered(visit):
    written = visit.ask("document.querySelectorAll('.math').length")
    assert written or visit.name.removeprefix("book/") not in CHAPTERS
    unrendered = """[...document.querySelectorAll(".math")]
        .filter((e) => !e.querySelector("mjx-container") || e.querySelector("mjx-merror"))
        .map((e) => e.textContent)"""
    assert visit.ask(unrendered) == []
    if written:
        fonts = "[...document.fonts].filter((f) => /MJX/.test(f.family) && f.status === 'loaded')"
        assert visit.ask(f"{fonts}.length") > 0
        assert visit.ask("document.querySelector('mjx-container').offsetHeight") > 0


def test_images_are_there(visit):
    missing = "[...document.images].filter((i) => !i.complete || !i.naturalWidth).map((i) => i.src)"
    assert visit.ask(missing) == []
    empty = """[...document.querySelectorAll("i[class*=fa-], svg[data-icon]")]
        .filter((e) => !e.querySelector("path")?.getAttribute("d")).map((e) => e.outerHTML)"""
    assert visit.ask(empty) == []


def test_its_links_lead_somewhere(visit, site, server):
    links = "[...document.querySelectorAll('a[href]')].map((a) => [a.href, a.href.split('#')[1]])"
    ids = set(visit.ask("[...document.querySelectorAll('[id]')].map((e) => e.id)"))
    here = visit.page.url.split("#")[0]
    for link, fragment in visit.ask(links):
        if link.startswith(server):
            assert (site / unquote(urlsplit(link).path[1:])).is_file(), link
            if fragment and link.split("#")[0] == here:
                assert unquote(fragment) in ids, link


def test_its_solutions_unfold(visit):
    """All at once, by script; then the first of each kind to and fro, as a reader does it."""
    page = visit.page
    assert visit.ask(UNFOLD) == []
    for solution in page.locator("div.solution").all()[:1]:
        inside = solution.locator("section").first
        for visible in (False, True):
            solution.locator("button.toggle-button").click()
            assert inside.is_visible() == visible
    for ticks in page.locator("details.ticks").all()[:1]:
        code = ticks.locator("pre")
        for visible in (False, True):
            ticks.locator("summary").press("Enter")
            assert code.is_visible() == visible
    wide = """[...document.querySelectorAll("pre")]
        .every((e) => e.tabIndex === 0 || e.scrollWidth <= e.clientWidth)"""
    page.wait_for_function(wide)  # the keyboard reaches what has to be scrolled


def test_code_fits_its_column(visit):
    """Lines of 80 characters do, on a wide screen."""
    wide = """[...document.querySelectorAll(".cell_input pre")]
        .filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.textContent.slice(0, 80))"""
    assert visit.ask(wide) == []


def test_nothing_scrolls_sideways_on_a_phone(phone):
    assert phone.ask("document.documentElement.scrollWidth") <= 390


def test_formulas_keep_their_commas_on_a_phone(phone):
    alone = """[...document.querySelectorAll("span.math")]
        .filter((e) => !e.closest(".together") && /^[.,;:]/.test(e.nextSibling?.data ?? ""))
        .map((e) => e.textContent)"""
    assert phone.ask(alone) == []
    parted = """[...document.querySelectorAll(".together")].filter((e) => {
        const after = document.createRange();
        after.selectNodeContents(e.lastChild);
        const sign = after.getBoundingClientRect();
        const formula = e.querySelector(".math").getBoundingClientRect();
        return e.lastChild.data && (sign.top >= formula.bottom || sign.left < formula.right - 1);
    }).map((e) => e.textContent)"""
    assert phone.ask(parted) == []


def test_formulas_and_tables_fit_a_phone(phone):
    """No formula is cut at the edge of its box, in the unfolded solutions neither."""
    cut = """[...document.querySelectorAll("mjx-math, table")].filter((e) => {
        const box = e.closest("mjx-container[display], p, li, .pst-scrollable-table-container")
            ?? document.body;
        const [inner, outer] = [e.getBoundingClientRect(), box.getBoundingClientRect()];
        return e.offsetParent && inner.right > outer.right + 3;
    }).map((e) => e.textContent.slice(0, 200))"""
    assert phone.ask(cut) == []


def test_figures_can_be_read_on_a_phone(phone):
    """A wide one keeps its labels legible and scrolls, with the keyboard too; its caption stays."""
    page = phone.page
    figures = page.locator(".bd-article figure:visible:has(img)").all()
    for figure in figures:
        image, caption = figure.locator("img"), figure.locator("figcaption")
        drawn = image.evaluate("image => image.naturalWidth")
        half = figure.evaluate("figure => figure.closest('.sd-row') !== null")
        assert image.bounding_box()["width"] >= min(drawn, 300 if half else 570)
        page.wait_for_function(
            "figure => figure.scrollWidth <= figure.clientWidth || figure.tabIndex === 0",
            arg=figure.element_handle(),
        )
        figure.evaluate("figure => figure.scrollLeft = 1000")
        assert caption.bounding_box()["x"] >= 0
        assert caption.bounding_box()["width"] <= 390


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everybody_can_read_it(visit, theme):
    """No violation that axe-core calls serious or critical; in the dark, only colours differ."""
    visit.page.set_viewport_size(WIDE)
    visit.page.mouse.move(0, 0)  # where it rests, a formula would show the link to itself
    visit.ask(SET_THEME, theme)
    visit.ask(AXE)
    visit.ask(
        FLATTEN, ".highlight pre, mjx-container" if visit.name != PAGES[1] else "mjx-container"
    )
    rules = "" if theme == "light" else ", runOnly: ['color-contrast']"
    found = visit.ask(f"axe.run({{resultTypes: ['violations']{rules}}})")
    visit.ask(SET_THEME, "light")
    assert [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found["violations"]
        for node in rule["nodes"]
        if rule["impact"] in ("serious", "critical")
    ] == []


# ------------------------------------------------------------------------------- what one does


def test_the_search_finds_a_term(open_page):
    page = open_page(PAGES[0])
    page.keyboard.press("Control+k")
    page.locator("#pst-search-dialog input[type=search]").fill("Kantorovich")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a")
    assert "book/transport.html" in page.locator("#search-results li a").first.get_attribute("href")
    assert page.complaints == []


def test_the_theme_is_the_readers_choice_and_stays(open_page):
    page = open_page(PAGES[0])
    background = "getComputedStyle(document.body).backgroundColor"
    seen = {page.evaluate("document.documentElement.dataset.theme"): page.evaluate(background)}
    for _ in range(3):
        page.locator(".theme-switch-button:visible").click()
        seen[page.evaluate("document.documentElement.dataset.theme")] = page.evaluate(background)
    assert set(seen) == {"light", "dark"} and seen["light"] != seen["dark"]
    while page.evaluate("document.documentElement.dataset.theme") != "dark":
        page.locator(".theme-switch-button:visible").click()
    page.goto(page.url.replace("intro", "references"))
    assert page.evaluate(background) == seen["dark"]
    assert page.complaints == []


def test_the_menu_opens_on_a_phone(open_page):
    page = open_page("book/references", PHONE)
    menu = page.locator("nav.bd-links:visible")
    assert menu.count() == 0
    page.locator("button.primary-toggle").click()
    menu.wait_for()
    menu.get_by_text("GAN lab").click()
    page.wait_for_url("**/gan_lab.html")
    assert page.complaints == []


def test_code_can_be_copied(open_page):
    page = open_page("book/dcgan", permissions=["clipboard-read", "clipboard-write"])
    cell = page.locator("div.cell_input").first
    cell.hover()
    cell.locator("button.copybtn").click()
    page.wait_for_function("async () => (await navigator.clipboard.readText()).length > 0")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.split() == cell.locator("pre").inner_text().split()


def test_the_gan_lab_trains_in_its_page(open_page):
    page = open_page("book/gan_lab")
    assert page.is_hidden("#gan-lab-still")
    page.click('[data-lab="run"]')
    page.wait_for_function("ganlab.page.game().rounds >= 20")
    page.click('[data-lab="run"]')
    assert "modes covered" in page.inner_text('[data-lab="status"]')
    assert page.complaints == []


@pytest.mark.parametrize(
    "page,name,control,picture",
    [
        ("latent_explorer", "explorer", "direction", "sample"),
        ("photographs", "explorer", "direction", "sample"),
        ("translator", "translator", "example", "returned"),
        ("alphabet", "alphabet", "radius", "sheet"),
    ],
)
def test_a_trained_network_draws_in_its_page(open_page, page, name, control, picture):
    page = open_page(f"book/{page}")
    page.wait_for_function(f"gan{name}.page")
    assert page.is_hidden('figure[id$="-still"]')
    drawn = f"""async () => {{
        await gan{name}.page.idle();
        return document.querySelector('[data-{name}="{picture}"]').toDataURL();
    }}"""
    first = page.evaluate(drawn)
    moved = page.locator(f'[data-{name}="{control}"]').first
    if control in ("direction", "radius"):
        moved.fill("2")
    else:
        moved.click()
    assert page.evaluate(drawn) != first
    assert page.complaints == []


def test_only_four_pages_load_tensorflow(site):
    loading = {path.stem for path in site.rglob("*.html") if "tfjs/" in path.read_text("utf-8")}
    assert loading == {"latent_explorer", "photographs", "translator", "alphabet"}


def test_without_javascript_it_can_still_be_read(open_page, browser, server):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{server}/book/dcgan.html")
    assert page.is_visible("article h1")
    assert page.locator("div.solution section").first.is_visible()
    context.close()
