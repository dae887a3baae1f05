"""The bench at tiny sizes: every subject gives figures, nothing is left behind, and its data is what it says."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys

import msgspec
import pytest

from timeline import bench
from timeline.bench import data, figures
from timeline.bench.build import dataset, naive_path
from timeline.bench.figures import Figure, Run, Series
from timeline.bench.naive import BATCH, ask_naive, insert_batches, open_raw
from timeline.chronicle import Timeline
from timeline.query import parse_query
from timeline.records import EventRecorded, decode_change


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def tiny(kept, tmp_path):
    return Run(sizes=[300], repeat=1, keep=kept, quick=True, scratch=tmp_path, scale=0.01)


@pytest.mark.parametrize("subject", bench.SUBJECTS)
def test_every_subject_gives_figures_beside_a_limit(tiny, subject):
    """Each subject runs and compares something with something."""
    found = list(bench.SUBJECTS[subject](tiny))

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

    assert "log of 300 events verified" in table
    assert report["machine"]["python"] in table
    assert report["figures"][0]["unit"] == "records/s"
    assert report["figures"][0]["ratio"] > 0


@pytest.mark.parametrize("arguments", [["--only", "speed"], ["--size", "0"], ["--size", "many"], ["--repeat", "-1"]])
def test_wrong_options_are_refused(arguments, capsys):
    """With a sentence that says what would be right."""
    with pytest.raises(SystemExit) as caught:
        bench.main(arguments)

    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_ratios_above_one_are_faster_than_the_limit():
    """Whether rates or times are compared."""
    rate = Figure(subject="a", name="a", unit="events/s", ours=Series([50.0]), limit=Series([100.0]))
    time = Figure(subject="a", name="a", unit="us", ours=Series([50.0]), limit=Series([100.0]))
    alone = Figure(subject="a", name="a", unit="us", ours=Series([50.0]))

    assert [rate.ratio, time.ratio, alone.ratio] == [0.5, 2, None]
    assert figures.percentile([3, 1, 2], 0.5) == 2
    assert figures.percentile([1.0], 0.99) == 1.0


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
