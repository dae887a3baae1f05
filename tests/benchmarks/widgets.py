"""Three widgets show the same events: `python -m tests.benchmarks.widgets [--size N] [--repeat N] [--json]`.

One real server has N events of one year in eight lanes. `<timeline-view>` draws its `/v1/chart`; vis-timeline and
TimelineJS3, from npm, draw what `timeline export` writes for them. All in one browser, in turns, each on a fresh page.

CPU is the main thread's, in ticks of that thread (`TaskDuration` of CDP's Performance domain with `timeDomain`
`threadTicks`), which a busy machine blurs far less than a clock. "Ready" is from the empty page until the widget says
that it is ready and the page has come to rest; "zoom" is one step in (half the window; for TimelineJS3 the step of its
button), without animation where that can be chosen. TimelineJS3 is given no more than 2,000 events.

Others are shown as their documentation starts them, with no option but these: vis-timeline is measured as high as it
likes and, because that puts every item into the document, once more in 700 pixels with clusters. Of a date that is not
sure, they are told what our exports tell them. `<timeline-view>` is measured alone and around the list of 50 events
that the service's pages have in it, which is what readers without JavaScript see.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.table import Table
from widget_harness import WATCH, fill, serving
from widgets import PACKAGES, fetch

from timeline.bench.figures import Series, machine

SIZES = (100, 1_000, 10_000)
ALONE = "<timeline-view>"
READY, ZOOM, NODES = 300, 100, 1_500
"""What `<timeline-view>` may take at 10,000 events: milliseconds, milliseconds, elements."""

PATIENCE = 600_000
"""Milliseconds a widget may take to be ready."""

KEYS, TABS = 60, 15
"""Keys that are pressed, and how many of them to get from the start of the page to an event."""

REST, IDLE = 400, 0.008
"""A page rests when it uses less than so many seconds of its main thread in so many milliseconds."""

TALLEST_TIMELINEJS = 2_000
WHY = ("TimelineJS3 makes a slide of every event at once, some 27 nodes each, and needs half a minute for 5,000: "
       f"it is measured up to {TALLEST_TIMELINEJS:,}.")

HEAD = '<!doctype html><html lang=en><meta charset=utf-8><title>Benchmark</title><link rel=icon href="data:,">'
VIS = "vis-timeline/standalone/umd/vis-timeline-graph2d.min.js"
TIMELINEJS = "@knight-lab/timelinejs/dist/js/timeline.js"
TIMELINEJS_CSS = "@knight-lab/timelinejs/dist/css/timeline.css"

VIS_PAGE = (f"{HEAD}<script src=/bench/{VIS}></script><div id=widget></div><script>"
            "fetch('/bench/data').then(r => r.json()).then(({{items, groups}}) => {{"
            "window.tl = new vis.Timeline(document.getElementById('widget'), new vis.DataSet(items), "
            "new vis.DataSet(groups), {options}); tl.on('changed', () => {{window.ready = true}}) }})</script>")
TIMELINEJS_PAGE = (f"{HEAD}<link rel=stylesheet href=/bench/{TIMELINEJS_CSS}><script src=/bench/{TIMELINEJS}></script>"
                   "<div id=widget style='height:700px'></div><script>"
                   "fetch('/bench/data').then(r => r.json()).then(data => {"
                   "window.tl = new TL.Timeline('widget', data);"
                   "tl.on('ready', () => {window.ready = true}) })</script>")
OURS_PAGE = (f"{HEAD}<script type=module src=/timeline-view.js></script>"
             "<timeline-view id=widget src=/v1/chart>{list}</timeline-view>")

COUNT = """() => { const count = (root) => [...root.querySelectorAll('*')].reduce(([elements, nodes], each) => {
  const [e, n] = each.shadowRoot ? count(each.shadowRoot) : [0, 0];
  return [elements + 1 + e, nodes + each.childNodes.length + n]; }, [0, root.childNodes.length]);
  return count(document); }"""
"""The elements, and all nodes with texts and comments, of the document and of the shadow trees in it."""

MARKS = """(selector) => (document.getElementById('widget').shadowRoot ?? document).querySelectorAll(selector).length"""
"""The events, and counts of events, that are drawn."""

HERE = """(selector) => { let a = document.activeElement; while (a?.shadowRoot?.activeElement)
  a = a.shadowRoot.activeElement; const mark = a?.closest(`${selector}, .tl-slide`);
  if (mark) return mark.dataset.eventId || mark.ariaLabel || mark.id.replace(/-marker$/, '') || mark.textContent;
  const slide = window.tl?.current_id; window.first ??= slide; return slide === window.first ? null : slide; }"""
"""What has the focus; of TimelineJS3, whose arrows move no focus, also the slide that they brought up."""


class Widget(NamedTuple):
    """One row of the table."""

    name: str
    html: str
    ready: str
    zoom: str
    marks: str
    files: tuple[str, ...] = ()
    data: str = ""
    most: int | None = None


VIS_MARKS = ".vis-item:not(.vis-line, .vis-dot, .vis-cluster-line, .vis-cluster-dot)"
CLUSTERED = "{height: '700px', verticalScroll: true, cluster: {}}"
OTHERS = (
    Widget("vis-timeline", VIS_PAGE.format(options="{}"), "window.ready", "tl.zoomIn(1, {animation: false})",
           VIS_MARKS, (VIS,), "vis"),
    Widget("vis-timeline, clustered", VIS_PAGE.format(options=CLUSTERED), "window.ready",
           "tl.zoomIn(1, {animation: false})", VIS_MARKS, (VIS,), "vis"),
    Widget("TimelineJS3", TIMELINEJS_PAGE, "window.ready", "tl.zoomIn()", ".tl-timemarker",
           (TIMELINEJS, TIMELINEJS_CSS), "timelinejs", TALLEST_TIMELINEJS),
)


def ours(page: str) -> list[Widget]:
    """Give our rows: the element alone, and around the list that the service's own page has in it."""
    inside = page.partition("<timeline-view")[2].partition(">")[2].partition("</timeline-view>")[0]
    return [Widget(name, OURS_PAGE.replace("{list}", each),
                   "document.getElementById('widget').shadowRoot?.getElementById('count')?.textContent",
                   "document.getElementById('widget').shadowRoot.getElementById('in').click()", "[role=gridcell]")
            for name, each in ((ALONE, ""), (f"{ALONE} around a list", inside))]


@dataclass
class Row:
    """What was found out about one widget with so many events: milliseconds of CPU, counts, and bytes."""

    widget: str
    size: int
    ready: Series
    zoom: Series
    elements: int
    nodes: int
    reached: int
    visible: int
    text: int
    foreign: int
    bytes: int

    @property
    def keyboard(self) -> float:
        """The share of the visible marks that so many keys reached."""
        return self.reached / self.visible if self.visible else 1.0


class Bench:
    """One server, one browser, and what each widget asks for."""

    def __init__(self, browser: Any, server: str, modules: Path, data: dict[str, bytes]) -> None:
        """Show pages that look as if this server had sent them."""
        self._browser, self._server, self._modules, self._data = browser, server, modules, data

    def cpu(self, widget: Widget) -> tuple[float, float]:
        """Give the milliseconds of main thread until it was ready, and for one step of zoom."""
        with self._browser.new_context(viewport={"width": 1280, "height": 800}) as context:
            page = self._page(context, widget)
            spent = self._meter(page)
            page.goto(f"{self._server}/bench/empty")
            start = spent()
            self._open(page, widget)
            ready = rest(page, spent)
            page.evaluate(widget.zoom)
            return (ready - start) * 1000, (rest(page, spent) - ready) * 1000

    def counts(self, widget: Widget) -> dict[str, int]:
        """Count what it holds, what keys reach, whom it asks, and the bytes of its scripts and styles (gzip -9)."""
        with self._browser.new_context(viewport={"width": 1280, "height": 800}) as context:
            page, foreign, sent = self._page(context, widget), [], []
            page.on("response", lambda answer: answer.request.resource_type in {"script", "stylesheet"}
                    and sent.append(answer))
            page.on("request", lambda request: request.url.startswith((self._server, "data:", "blob:"))
                    or foreign.append(request.url))
            self._open(page, widget)
            rest(page, self._meter(page))
            (elements, nodes), visible = page.evaluate(COUNT), page.evaluate(MARKS, widget.marks)
            keys = len(reached(page, widget.marks))
            return {"elements": elements, "nodes": nodes, "reached": keys, "visible": visible, "foreign": len(foreign),
                    "bytes": sum(len(gzip.compress(answer.body(), 9)) for answer in sent if answer.ok)}

    def text(self, widget: Widget) -> int:
        """Give the characters that a reader without JavaScript sees of the events."""
        with self._browser.new_context(java_script_enabled=False) as context:
            page = self._page(context, widget)
            page.goto(f"{self._server}/bench/")
            return len(page.locator("#widget").inner_text())

    def _page(self, context: Any, widget: Widget) -> Any:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.add_init_script(WATCH)
        page.route(lambda url: not url.startswith((self._server, "data:", "blob:")), lambda route: route.abort())
        page.route(f"{self._server}/bench/**", partial(self._answer, widget))
        return page

    def _answer(self, widget: Widget, route: Any) -> None:
        path = route.request.url.removeprefix(f"{self._server}/bench/").partition("?")[0]
        if path in {"", "empty"}:
            route.fulfill(body=HEAD if path else widget.html, content_type="text/html")
        elif path == "data":
            route.fulfill(body=self._data[widget.data], content_type="application/json")
        elif (self._modules / path).is_file():
            route.fulfill(path=self._modules / path)
        else:
            route.fulfill(status=404)

    def _open(self, page: Any, widget: Widget) -> None:
        page.goto(f"{self._server}/bench/")
        page.wait_for_function(widget.ready)

    @staticmethod
    def _meter(page: Any) -> Any:
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})

        def spent() -> float:
            found = session.send("Performance.getMetrics")["metrics"]
            return next(each["value"] for each in found if each["name"] == "TaskDuration")

        return spent


def rest(page: Any, spent: Any) -> float:
    """Wait until nothing is being asked and next to nothing done; give the seconds spent until then."""
    before, deadline = -1.0, time.monotonic() + PATIENCE / 1000
    while True:
        page.evaluate(f"still({REST})")
        now = spent()
        if now - before < IDLE or time.monotonic() > deadline:
            return now
        before = now


def reached(page: Any, marks: str) -> set[str]:
    """Press keys as somebody would who looks for events: Tab to them, then along the line, then the next line."""
    found: set[str] = set()
    page.evaluate(HERE, marks)
    key, before = "Tab", None
    for pressed in range(KEYS):
        page.keyboard.press(key)
        here = page.evaluate(HERE, marks)
        if here is not None:
            found.add(here)
        if key == "Tab":
            key = "ArrowRight" if here is not None or pressed >= TABS else "Tab"
        elif key == "ArrowRight":
            key = "ArrowDown" if here == before else key
        else:
            key = "Home" if key == "ArrowDown" else "ArrowRight"
        before = here
    return found


def measure(browser: Any, folder: Path, modules: Path, size: int, repeat: int, tell: Any) -> list[Row]:
    """Measure every widget that is at hand with so many events, in turns."""
    path = folder / f"{size}.db"
    fill(path, size)
    data = {name: exported(path, name) for name in ("vis", "timelinejs")}
    with serving(folder, size) as server:
        bench = Bench(browser, server, modules, data)
        with browser.new_context(java_script_enabled=False) as context:
            page = context.new_page()
            page.goto(f"{server}/?lang=en")
            rows = ours(page.content())
        rows += [each for each in OTHERS if (modules / each.files[0]).is_file() and size <= (each.most or size)]
        values: dict[str, list[tuple[float, float]]] = {each.name: [] for each in rows}
        for number in range(repeat):
            for each in rows:
                tell(f"{size:,} events, {number + 1} of {repeat}: {each.name}")
                values[each.name].append(bench.cpu(each))
        found = []
        for each in rows:
            tell(f"{size:,} events: what {each.name} holds and who reaches it")
            ready, zoom = (Series(list(series)) for series in zip(*values[each.name], strict=True))
            found.append(Row(widget=each.name, size=size, ready=ready, zoom=zoom, text=bench.text(each),
                             **bench.counts(each)))
        return found


def exported(path: Path, name: str) -> bytes:
    """Give what `timeline export` writes of every event."""
    return subprocess.run([sys.executable, "-c", "from timeline.cli import main; main()", "--db", path, "export", "-f",
                           name], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def spread(series: Series) -> str:
    """Give the median with the least and the greatest."""
    around = f" ({min(series.values):,.0f}-{max(series.values):,.0f})" if len(series.values) > 1 else ""
    return f"{series.median:,.0f}{around}"


def table(rows: list[Row]) -> Table:
    """Lay the rows out for people."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("events", justify="right")
    shown.add_column("widget", no_wrap=True)
    for name in ("ready, ms CPU", "zoom, ms CPU", "DOM elements / nodes", f"reached by {KEYS} keys", "text without\nJS",
                 "third-party\nrequests", "JS + CSS,\nKiB gzip"):
        shown.add_column(name, justify="right", no_wrap=True)
    for index, row in enumerate(rows):
        first = not index or rows[index - 1].size != row.size
        if first and index:
            shown.add_section()
        shown.add_row(f"{row.size:,}" if first else "", row.widget, spread(row.ready), spread(row.zoom),
                      f"{row.elements:,} / {row.nodes:,}", f"{row.reached} of {row.visible:,} ({row.keyboard:.0%})",
                      f"{row.text:,}", f"{row.foreign}", f"{row.bytes / 1024:.1f}")
    return shown


def budgets(rows: list[Row]) -> list[str]:
    """Say which of our own budgets hold, in the largest timeline that was measured."""
    mine = max((row for row in rows if row.widget == ALONE), key=lambda row: row.size)
    found = (("ready", mine.ready.median, READY, "ms"), ("zoom", mine.zoom.median, ZOOM, "ms"),
             ("elements", mine.elements, NODES, ""), ("third-party requests", mine.foreign, 0, ""))
    return [f"{name} {value:,.0f} of {most:,} {unit}".rstrip() + (": kept" if value <= most else ": MISSED")
            for name, value, most, unit in found]


def as_json(rows: list[Row], about: dict[str, Any]) -> str:
    """Give everything that was measured as JSON; times in milliseconds."""
    lines = [{**vars(row), "ready": row.ready.values, "zoom": row.zoom.values, "ready_median": row.ready.median,
              "zoom_median": row.zoom.median, "keyboard": row.keyboard} for row in rows]
    return json.dumps({"machine": about, "rows": lines}, indent=2)


def modules_in(folder: Path, tell: Any) -> Path:
    """Give the folder of the npm packages: TIMELINE_NODE_MODULES, else fetched now, checked, for this run."""
    if given := os.environ.get("TIMELINE_NODE_MODULES"):
        return Path(given)
    for (name, version), digest in PACKAGES.items():
        if name in {"vis-timeline", "@knight-lab/timelinejs"}:
            tell(f"{name} {version} from npm")
            try:
                fetch(folder / "js", name, version, digest)
            except (URLError, OSError, ValueError) as error:
                tell(f"{name} could not be had: {error}")
    return folder / "js"


def package(widget: Widget) -> str:
    """Give the name that npm knows a widget by."""
    return next(name for name, _ in PACKAGES if widget.files[0].startswith(f"{name}/"))


def absent(modules: Path) -> list[str]:
    """Say in a sentence which widgets are not measured because they are not there."""
    names = sorted({package(each) for each in OTHERS
                    if not (modules / each.files[0]).is_file()})
    return [f"{name} is not measured: it is not at hand. `python tests/widgets.py DIR` fetches it from npm; "
            "TIMELINE_NODE_MODULES=DIR names the folder." for name in names]


def arguments(given: list[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.widgets",
                                     description="Three widgets, the same events, one table.")
    parser.add_argument("--size", type=positive, action="append", help="how many events; repeatable "
                        f"(default: {', '.join(str(size) for size in SIZES)})")
    parser.add_argument("--repeat", type=positive, default=3, help="how often the CPU is measured (default: 3)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args(given)


def positive(text: str) -> int:
    """Read a number from 1."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def main(given: list[str] | None = None) -> int:
    """Measure, and print. Exits with 1 where there is no browser to measure in."""
    options = arguments(given)
    progress = Console(stderr=True)
    chromium = shutil.which("chromium")
    if chromium is None:
        progress.print("There is no chromium on this machine: nothing can be measured.")
        return 1
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="timeline-widgets-") as name, sync_playwright() as playwright:
        folder = Path(name)
        modules = modules_in(folder, progress.print)
        try:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        except BrowserError:
            progress.print("The chromium on this machine does not start: nothing can be measured.")
            return 1
        wanted = {package(each) for each in OTHERS if (modules / each.files[0]).is_file()}
        about = {**machine(), "chromium": browser.version, **{name: version for name, version in PACKAGES
                                                             if name in wanted}}
        for size in options.size or SIZES:
            rows += measure(browser, folder, modules, size, options.repeat, progress.print)
        browser.close()
    report(rows, about, [*absent(modules), WHY], options)
    return 0


def report(rows: list[Row], about: dict[str, Any], notes: list[str], options: argparse.Namespace) -> None:
    """Print the table with what was measured on, or JSON."""
    if options.json:
        print(as_json(rows, about))
        return
    console = Console(width=max(160, Console().width))
    console.print(", ".join(f"{name} {value}" for name, value in about.items()), highlight=False)
    console.print(f"Median (least-greatest) of {options.repeat}. Reached: events, or counts of events, of all that are "
                  "drawn. Text: characters.\n", highlight=False)
    console.print(table(rows))
    console.print()
    for line in (*notes, f"{ALONE} at its largest: {'; '.join(budgets(rows))}."):
        console.print(line, markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
