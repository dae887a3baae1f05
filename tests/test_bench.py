"""The bench at tiny sizes: every subject gives figures, nothing is left behind, and its data is what it says."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

import msgspec
import pytest
from rich.console import Console

from timeline import bench
from timeline.bench import command, data, figures, peers, plot, show, svg, upkeep
from timeline.bench.build import dataset, naive_path
from timeline.bench.client import HOST, bare, latencies, length_of, posting, rate, request, serving, started
from timeline.bench.figures import Figure, Run, Series
from timeline.bench.naive import BATCH, ask_naive, insert_batches, open_raw
from timeline.chronicle import Timeline
from timeline.query import parse_query
from timeline.records import EventRecorded, decode_change
from timeline.tokens import Tokens, tokens_path
from timeline.views.store import views_path


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def tiny(kept, tmp_path):
    return Run(sizes=[300], repeat=1, keep=kept, quick=True, scratch=tmp_path, scale=0.01)


@pytest.mark.parametrize("subject", command.SUBJECTS)
def test_every_subject_gives_figures_beside_a_limit(tiny, subject):
    """Each subject runs and compares something with something."""
    found = list(command.SUBJECTS[subject](tiny))

    assert found
    assert {figure.subject for figure in found} == {subject}
    assert all(figure.ours.median > 0 for figure in found)
    assert any(figure.ratio for figure in found)


def test_the_report_is_a_table_or_json(kept, capsys):
    """The same figures for people and for programs, with the machine they were measured on."""
    assert bench.main(["--quick", "--size", "300", "--repeat", "1", "--only", "verify", "--keep", str(kept)]) == 0
    table = capsys.readouterr().out
    assert bench.main(["--size", "300", "--repeat", "1", "--only", "verify", "--keep", str(kept), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)

    assert "300 events: log verified" in table
    assert report["machine"]["python"] in table
    assert f"load {report['machine']['load']}" in show.heading(report["machine"], 1)
    assert report["skipped"] == []
    assert report["figures"][0]["unit"] == "records/s"
    assert report["figures"][0]["ratio"] > 0


@pytest.mark.parametrize("arguments", [["--only", "speed"], ["--size", "0"], ["--size", "many"], ["--repeat", "-1"],
                                       ["--svg", "plot.svg"], ["--svg", "plot.svg", "--size", "10", "--size", "10"],
                                       ["--svg", "no/such/folder.svg", "--size", "10", "--size", "20"]])
def test_wrong_options_are_refused(arguments, capsys):
    """With a sentence that says what would be right."""
    with pytest.raises(SystemExit) as caught:
        bench.main(arguments)

    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_ratios_above_one_are_faster_than_the_limit():
    """Whether rates or times are compared."""
    rates = Figure(subject="a", name="a", unit="events/s", ours=Series([50.0]), limit=Series([100.0]))
    time = Figure(subject="a", name="a", unit="us", ours=Series([50.0]), limit=Series([100.0]))
    alone = Figure(subject="a", name="a", unit="us", ours=Series([50.0]))

    assert [rates.ratio, time.ratio, alone.ratio] == [0.5, 2, None]
    assert figures.percentile([3, 1, 2], 0.5) == 2
    assert figures.percentile([1.0], 0.99) == 1.0


def test_ratios_are_of_the_same_turn():
    """A slow minute is everybody's: the second turn was slow for both, and the ratio does not change."""
    paired = Figure(subject="a", name="a", unit="events/s", ours=Series([50.0, 5.0, 60.0]),
                    limit=Series([100.0, 10.0, 100.0]))
    unpaired = Figure(subject="a", name="a", unit="ms", ours=Series([50.0, 5.0, 60.0]), limit=Series([100.0, 100.0]))

    assert paired.ratios == [0.5, 0.5, 0.6]
    assert paired.ratio == 0.5
    assert unpaired.ratios == [2.0]


def test_a_busy_machine_is_said_to_be_busy(tmp_path):
    """Whoever reads the figures later cannot know it, nor how long its disk takes."""
    about = {**figures.machine(tmp_path), "cores": 2}

    assert about["sync_us"] > 0
    assert list(tmp_path.iterdir()) == []
    assert "measure again" in show.heading({**about, "load": 1.0}, 5)
    assert "measure again" not in show.heading({**about, "load": 0.9}, 5)


def test_the_table_shows_the_aim_beside_what_was_reached():
    """Aims that are missed are shown as well."""
    figure = Figure(subject="post", name="appends", unit="events/s", ours=Series([200.0, 400.0]), size=1_000, aim=0.6,
                    limit=Series([1_000.0, 1_000.0]), limit_name="constant")
    console = Console(width=200)
    with console.capture() as caught:
        console.print(show.table([figure]))
    line = " ".join(caught.get().splitlines()[-1].split())

    assert line == ("1,000 events: appends 300 200-400 1,000 1,000-1,000 events/s 0.30 0.20-0.40 >= 0.60 constant")


def test_made_up_events_are_the_same_for_the_same_seed_and_have_the_shape_of_real_ones():
    """About 587 bytes, two or three actors, four in five for a day, some for a year and more."""
    lines = list(data.events(3_000))
    changes = [decode_change(line) for line in lines]
    events = [change.event for change in changes if isinstance(change, EventRecorded)]
    days = [(event.when.latest - event.when.earliest + 1) // 86_400 for event in events]
    size = sum(len(msgspec.json.encode(json.loads(line)["event"])) for line in lines) / len(lines)

    assert lines == list(data.events(3_000))
    assert lines != list(data.events(3_000, seed=1))
    assert 560 < size < 620
    assert {len(event.actors) for event in events} == {2, 3}
    assert 0.77 < sum(length == 1 for length in days) / len(days) < 0.83
    assert 0.02 < sum(length > 365 for length in days) / len(days) < 0.04


def test_the_naive_table_answers_as_the_timeline_does(tiny):
    """What is compared answers the same question."""
    log = dataset(tiny.keep, 300)
    connection = sqlite3.connect(naive_path(tiny.keep, 300))
    with Timeline.open(log) as timeline:
        for start, end in data.windows(20):
            query = parse_query([("from", start), ("to", end)])
            ours = {json.loads(body)["id"] for body in timeline.ask(query).bodies}

            assert {json.loads(body)["id"] for body in ask_naive(connection, query.lower, query.upper)} == ours
    connection.close()


def test_a_kept_log_is_used_again(tiny):
    """Building a million events once is enough."""
    log = dataset(tiny.keep, 300)
    before = log.stat().st_mtime_ns

    assert dataset(tiny.keep, 300) == log
    assert log.stat().st_mtime_ns == before


def test_raw_inserts_store_every_row(tmp_path):
    """The limit does the work it is said to do."""
    rows = [(number, "{}", b"{}") for number in range(1, BATCH + 2)]

    assert insert_batches(tmp_path / "raw.db", rows) > 0

    connection = sqlite3.connect(tmp_path / "raw.db")
    assert connection.execute("SELECT count(*) FROM raw").fetchone() == (BATCH + 1,)
    connection.close()
    open_raw(tmp_path / "other.db").close()


def test_the_command_line_has_it():
    """`timeline bench --help` reaches these options."""
    command = [sys.executable, "-m", "timeline.cli", "bench", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "--quick" in shown


# ---------------------------------------------------------------------------------------------- what is compared with

def test_a_bare_application_answers_the_same_constants_as_the_server(tmp_path):
    """The limits are answers of the length they are said to have."""
    Timeline.open(tmp_path / "timeline.db").close()
    for context in (bare(), serving(tmp_path / "timeline.db")):
        with context as server:
            connection = HTTPConnection(HOST, server.port, timeout=10)
            connection.request("GET", "/bench/constant/777")
            got = connection.getresponse()
            assert (got.status, got.read(), got.headers["content-type"]) == (200, b"x" * 777, "application/json")
            connection.request("POST", "/bench/constant/99", b"{}", {"Content-Type": "application/json"})
            taken = connection.getresponse()
            assert (taken.status, taken.read()) == (201, b"x" * 99)
            connection.close()


def test_a_bare_stream_tells_everybody_what_is_said():
    """The limit of the live stream does the work it is said to do."""
    with bare() as server, socket.create_connection((HOST, server.port), 10) as first, \
            socket.create_connection((HOST, server.port), 10) as second:
        for listener in (first, second):
            listener.sendall(request("/v1/stream"))
            assert b"event: hello" in _until(listener, b"id: 0\n\n")
        length_of(server, posting("/say", b"event: added\nid: 1\n\n"))
        length_of(server, posting("/say", b"event: added\nid: 2\n\n"))

        for listener in (first, second):
            assert re.findall(rb"id: (\d)", _until(listener, b"id: 2\n\n")) == [b"1", b"2"]


def _until(listener, end):
    heard = b""
    while end not in heard:
        more = listener.recv(65_536)
        assert more
        heard += more
    return heard


def test_every_request_of_the_client_is_sent_once_and_its_event_is_durable(tmp_path):
    """However many connections share the requests, more than there are requests too."""
    log = tmp_path / "timeline.db"
    with Timeline.open(log) as timeline:
        timeline.append([decode_change(line) for line in data.background()])
        known = timeline.position
    with closing(Tokens(tokens_path(log))) as tokens, serving(log) as server:
        secret = tokens.create("bench", ["write"])
        events = [json.loads(line)["event"] for line in data.events(30)]
        bodies = [posting("/v1/events", json.dumps(event).encode(), secret) for event in events]
        assert rate(server, bodies[:23], 8)[0] > 0
        assert rate(server, bodies[23:], 16)[0] > 0
    with Timeline.open(log) as timeline:
        assert timeline.position == known + 30


def test_an_answer_that_is_an_error_is_no_figure(tmp_path):
    """A server that refuses quickly is not a fast server."""
    Timeline.open(tmp_path / "timeline.db").close()
    with serving(tmp_path / "timeline.db") as server:
        wrong, right = request("/v1/nothing"), request("/v1/events")
        with pytest.raises(ConnectionError, match="404"):
            latencies(server, [right, wrong])
        with pytest.raises(ConnectionError, match="404"):
            rate(server, [right, right, wrong, right], 2)


def test_a_server_that_does_not_start_is_an_error():
    """Rather than a figure, or a wait for ever."""
    with pytest.raises(RuntimeError, match="did not start"), started("timeline.bench.no_such_module"):
        pass


def test_peers_that_are_not_installed_are_skipped_with_a_line_that_says_how_to(tiny, monkeypatch):
    """Once for each, however often they would have been asked."""
    monkeypatch.setattr(peers, "find_spec", lambda _: None)
    for subject in ("import", "append", "http"):
        found = list(command.SUBJECTS[subject](tiny))
        assert found
        assert not [figure for figure in found if "Datasette" in figure.limit_name or "event" in figure.limit_name]

    assert len(tiny.skipped) == 2
    assert all("pip install 'timeline[bench]'" in line for line in tiny.skipped)


def test_the_recorder_of_eventsourcing_stores_every_event_as_durably_as_ours(tmp_path):
    """One commit each or many; the state is the body."""
    pytest.importorskip("eventsourcing.sqlite", reason="eventsourcing is not installed")
    rows = [(number, "{}", b"body %d" % number) for number in range(1, 8)]
    for batch in (1, 3):
        path = tmp_path / f"{batch}.db"
        assert peers.insert_recorder(path, rows, batch) > 0
        with closing(sqlite3.connect(path)) as connection:
            stored = {row[0] for row in connection.execute("SELECT state FROM stored_events")}
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert stored == {body for _, _, body in rows}


def test_datasette_answers_with_the_events_that_start_within_the_range(tiny):
    """What it is asked is easier than what we are asked, and what it answers is right."""
    pytest.importorskip("datasette.app", reason="datasette is not installed")
    dataset(tiny.keep, 300)
    table = naive_path(tiny.keep, 300)
    (asked,) = peers.table_pages(table, [("1995-01-01", "2020-12-31")])
    path = asked.split()[1].decode()
    with peers.datasette(table, 0) as server:
        assert length_of(server, asked) > 10_000
        connection = HTTPConnection(HOST, server.port, timeout=10)
        connection.request("GET", path)
        answer = json.load(connection.getresponse())
        connection.close()
    starts = [row[answer["columns"].index("earliest")] for row in answer["rows"]]

    assert len(starts) == 50
    assert starts == sorted(starts)
    assert datetime(1995, 1, 1, tzinfo=UTC).timestamp() <= starts[0]
    assert starts[-1] <= datetime(2020, 12, 31, tzinfo=UTC).timestamp()
    assert parse_qs(urlsplit(path).query)["_nocount"] == ["1"]


def test_datasette_is_asked_the_same_question_as_well(tiny):
    """Those that began before the range and reach into it are in that answer."""
    table = naive_path(tiny.keep, 300)
    dataset(tiny.keep, 300)
    (asked,) = peers.table_pages(table, [("2001-05-01", "2001-05-31")], overlap=True)
    given = parse_qs(urlsplit(asked.split()[1].decode()).query)

    assert int(given["latest__gte"][0]) == datetime(2001, 5, 1, tzinfo=UTC).timestamp()
    assert int(given["earliest__lte"][0]) == datetime(2001, 5, 31, tzinfo=UTC).timestamp()
    assert "earliest__gte" not in given


def test_prepared_rows_are_those_of_a_rebuild(tiny, tmp_path):
    """The limit of a rebuild writes the same rows and the same full text."""
    source, copy = views_path(dataset(tiny.keep, 300)), tmp_path / "views.db"

    assert upkeep._write(copy, source) > 0

    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(copy)) as other:
        for table in upkeep.TABLES:
            query = f"SELECT * FROM {table}"  # noqa: S608 - constants
            assert one.execute(query).fetchall() == other.execute(query).fetchall()
        found = "SELECT count(*) FROM words WHERE words MATCH 'ceasefire'"
        assert one.execute(found).fetchone() == other.execute(found).fetchone() != (0,)
        indexes = "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
        assert one.execute(indexes).fetchall() == other.execute(indexes).fetchall()


def test_what_goes_wrong_is_said_in_a_line_and_everything_else_is_measured(kept, monkeypatch, capsys):
    """A run of hours is not lost, and its exit code tells of it."""
    def stops(run):
        yield Figure(subject="append", name="the first of two", unit="ms", ours=Series([1.0]))
        raise OSError(28, "No space left on device", "/secret/path")

    monkeypatch.setitem(command.SUBJECTS, "append", stops)
    arguments = ["--size", "300", "--repeat", "1", "--only", "append,verify", "--keep", str(kept)]
    assert bench.main(arguments) == 1
    printed = capsys.readouterr().out

    assert "the first of two" in printed
    assert "log verified" in printed
    assert "append could not be measured to its end: No space left on device\n" in printed
    assert bench.main([*arguments, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["skipped"] == [
        "append could not be measured to its end: No space left on device"]


# ---------------------------------------------------------------------------------------------- plots

def _figure(size, value, unit="us", limit=None, curve="pages", name="naive"):
    return Figure(subject="a", name="a", unit=unit, size=size, ours=Series([value / 2, value, value * 3]), curve=curve,
                  limit=None if limit is None else Series([limit]), limit_name=name if limit else "")


def test_figures_of_several_sizes_become_curves_of_costs():
    """Rates become times, each unit has its panel, and what was measured at one size only is no curve."""
    times, each, memory = plot.panels([
        _figure(1_000, 200.0, limit=900.0), _figure(100, 100.0, limit=300.0), _figure(100, 5.0, "ms", curve="once"),
        _figure(100, 50.0, "events/s", curve="fold"), _figure(1_000, 100.0, "events/s", curve="fold"),
        _figure(100, 64.0, "MB", curve="server"), _figure(1_000, 128.0, "MB", curve="server"),
        Figure(subject="a", name="not in a plot", unit="us", size=100, ours=Series([1.0])),
    ])

    assert [(curve.name, curve.limit) for curve in times.curves] == [("pages", False), ("naive", True)]
    assert times.curves[0].points[0] == pytest.approx((100, 100e-6, 50e-6, 300e-6))
    assert times.curves[0].points[1] == pytest.approx((1_000, 200e-6, 100e-6, 600e-6))
    assert each.curves[0].points[0] == pytest.approx((100, 1 / 50, 1 / 150, 1 / 25))
    assert [memory.unit, *(point.median for point in memory.curves[0].points)] == ["MB", 64.0, 128.0]
    assert plot.panels([_figure(100, 1.0), _figure(100, 2.0, curve="other")]) == []


def test_a_limit_that_is_a_curve_already_is_drawn_once():
    """The server at its start is measured itself, and is what its peak is compared with."""
    start = [Figure(subject="a", name="a", unit="MB", size=size, ours=Series([9.0]), curve="start") for size in (1, 2)]
    peak = [_figure(size, 20.0, "MB", limit=9.0, curve="peak", name="the same at its start") for size in (1, 2)]

    assert [curve.name for curve in plot.panels([*start, *peak])[0].curves] == ["start", "peak"]


def test_what_has_two_limits_is_one_curve_with_two_beside_it():
    """Its figure stands in the table twice, at each size."""
    figures = [_figure(size, 50.0, limit=limit, name=name) for size in (10, 100)
               for name, limit in (("one", 70.0), ("other", 90.0))]
    (panel,) = plot.panels(figures)

    assert [(curve.name, len(curve.points)) for curve in panel.curves] == [("pages", 2), ("one", 2), ("other", 2)]
    assert "a  pages: 50 us to 50 us" in plot.text(panel)
    assert plot.panels(figures[:2]) == []


def test_a_plot_in_a_terminal_is_logarithmic_both_ways():
    """What grows with the log rises by a decade in each decade; what does not is level."""
    panel = plot.panels([_figure(size, 10.0 * size, limit=10.0) for size in (10, 1_000)])[0]
    lines = plot.text(panel, 21, 9).splitlines()
    labels, drawn = zip(*(line.split("|") for line in lines[1:10]), strict=True)

    assert lines[0] == "time of one answer"
    assert [label.strip() for label in labels] == ["100 ms", "", "10 ms", "", "1 ms", "", "100 us", "", "10 us"]
    assert [row.find("a") for row in drawn[:7]] == [-1, -1, 18, 13, 8, 3, 0]
    assert drawn[8] == "A" * 21
    assert lines[11].split() == ["10", "1", "k", "events"]
    assert lines[12].strip() == "a  pages: 100 us to 10 ms"
    assert lines[13].strip() == "A  naive: 10 us to 10 us"


def test_every_curve_has_a_letter_of_its_own():
    """A second limit too, so that the legend can be read."""
    ours, one, other = plot.Curve("ours", ()), plot.Curve("one", (), limit=True), plot.Curve("other", (), limit=True)

    assert plot._marks([ours, one, other, ours, one]) == ["a", "A", "B", "c", "C"]


def test_amounts_are_written_for_people():
    """With three digits, in the unit that suits them."""
    times = [plot.amount(value, "s") for value in (2.5, 0.0123, 4.56e-5, 7e-9)]

    assert times == ["2.5 s", "12.3 ms", "45.6 us", "7 ns"]
    assert [plot.amount(value, "MB") for value in (64.25, 12_345.0)] == ["64.2 MB", "12,345 MB"]
    assert [plot.count(size) for size in (300, 10_000, 2_500_000)] == ["300", "10 k", "2.5 M"]


def test_the_svg_is_one_document_that_needs_nothing_else():
    """Text is data in it, it is light or dark by itself, and says in words what it shows."""
    panels = plot.panels([_figure(size, 10.0 * size, limit=10.0, name="<b>&naive") for size in (10, 100, 1_000)])
    text = svg.document(panels, 'a <machine> & its "load"')
    root = ET.fromstring(text)  # noqa: S314 - our own
    tag = "{http://www.w3.org/2000/svg}"
    shown = [each.text for each in root.iter(f"{tag}text")]

    assert "prefers-color-scheme:dark" in text
    assert not re.search(r"href|url\(|<script|@import", text)
    assert "<b>&naive: 10 us" in shown
    assert any(each.startswith('a <machine> & its "load"') for each in shown)
    assert "pages 100 us at 10 events, 10 ms at 1 k" in root.find(f"{tag}desc").text
    rising, level = ([float(circle.get("cy")) for circle in root.iter(f"{tag}circle") if circle.get("r") == radius]
                     for radius in ("3.5", "2.5"))
    assert rising == sorted(rising, reverse=True)
    assert rising[0] - rising[1] == pytest.approx(rising[1] - rising[2], abs=0.2)
    assert len(set(level)) == 1


@pytest.mark.parametrize("ends", [[100.0] * 8, [64.0, 65.0, 330.0, 331.0, 332.0], [350.0] * 5, [90.0, 300.0]])
def test_names_of_curves_that_end_together_do_not_lie_on_one_another(ends):
    """And all of them stay beside their panel."""
    drawn = "".join(svg._names([(end, "c0", str(number)) for number, end in enumerate(ends)], 90.0))
    heights = sorted(float(y) - 4 for y in re.findall(r'<text[^>]* y="([\d.]+)"', drawn))

    assert len(heights) == len(ends)
    assert all(after - before >= svg.LINE - 0.11 for before, after in pairwise(heights))
    assert heights[0] >= 63
    assert heights[-1] <= 90 + svg.HEIGHT + svg.LINE + 0.11


def test_the_command_draws_what_it_measured(kept, tmp_path, capsys):
    """In the terminal and in a file, from one run."""
    arguments = ["--quick", "--size", "300", "--size", "100", "--repeat", "1", "--only", "verify", "--keep", str(kept)]
    assert bench.main([*arguments, "--svg", str(tmp_path / "plot.svg")]) == 0
    printed = capsys.readouterr().out

    assert "time for each event or record of the log" in printed
    assert "a  verify, per record: " in printed
    assert "verify, per record: " in (tmp_path / "plot.svg").read_text()
