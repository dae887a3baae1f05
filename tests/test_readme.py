"""The README tells the truth: its examples run, and it leaves no command, address or field out."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from litestar.testing import TestClient

from timeline import Timeline
from timeline.api.app import create_app
from timeline.cli import cli
from timeline.model import Event
from timeline.records import decode_change
from timeline.tokens import Tokens

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BASE = "localhost:8000"


def commands() -> list[str]:
    """Every shell command of the README, continuation lines joined."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip()]


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """The seed timeline in a file."""
    path = tmp_path_factory.mktemp("readme") / "timeline.db"
    with Timeline.open(path) as timeline:
        for file in sorted((ROOT / "seeds").glob("*.ndjson")):
            timeline.append([decode_change(line) for line in file.read_text().splitlines()])
    return path


@pytest.fixture(scope="module")
def client(log, tmp_path_factory):
    """A client of the API on a copy of the seed timeline, and a token that may write: commands write to the other."""
    own = tmp_path_factory.mktemp("served") / "timeline.db"
    shutil.copy(log, own)
    tokens = Tokens(own.with_name("tokens.db"))
    with Timeline.open(own) as timeline, TestClient(create_app(timeline, tokens)) as client:
        client.token = tokens.create("newsroom", ["write"], None)
        yield client


def test_curl_examples_answer(client):
    """Each curl example is answered with success, and says what its comment promises."""
    asked = [line for line in commands() if line.startswith("curl")]

    assert len(asked) > 12
    for line in asked:
        words = shlex.split(line, comments=True)[1:]
        method, headers, data, url = "GET", {}, None, ""
        while words:
            word = words.pop(0)
            if word == "-X":
                method = words.pop(0)
            elif word == "-H":
                name, _, value = words.pop(0).partition(": ")
                headers[name] = value.replace("$TOKEN", client.token)
            elif word == "-d":
                data = words.pop(0)
            else:
                url = word.removeprefix(BASE)
        answer = client.request(method, url, headers=headers, content=data)
        assert answer.is_success, (line, answer.text)
        if promised := re.search(r'# ("\w+": ".*")$', line):
            name, value = re.fullmatch(r'"(\w+)": "(.*)"', promised[1]).groups()
            assert answer.json()[name] == value


def test_timeline_examples_run(log, tmp_path, monkeypatch):
    """Each read of the command line in the README prints something and succeeds."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "fixtures" / "foreign" / "whole" / "timelinejs-sheet.csv", "sheet.csv")
    shutil.copy(ROOT / "fixtures" / "foreign" / "whole" / "timesketch.csv", "timesketch.csv")
    Path("calendar.ics").write_text("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:call\r\nSUMMARY:Call\r\n"
                                    "DTSTART;VALUE=DATE:20250815\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
    shutil.copy(log, "news.db")
    for line in commands():
        words = shlex.split(line, comments=True)
        if words[0] != "timeline" or "serve" in words or words[-1] == "demo":
            continue
        arguments = words[1:] if "--db" in words else ["--db", str(log), *words[1:]]
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0, (line, result.output)
        assert result.output.strip()


def test_library_example_runs():
    """The Python example is a passing doctest."""
    example = "\n".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))
    test = doctest.DocTestParser().get_doctest(example, {}, "README", "README.md", 0)
    results = doctest.DocTestRunner().run(test)

    assert results.attempted > 0
    assert results.failed == 0


def test_three_clocks_are_as_told(client):
    """What the README tells of US troops on 18 and 19 August is what the API answers."""
    def stands(day):
        url = f"/v1/topics/us-troops/positions?reported_by={day}"
        return [(item["actor"], item["position"], item.get("changed_from")) for item in client.get(url).json()["items"]]

    adviser = [("trump-adviser-1", "conditional", None), ("trump-adviser-1", "open", "conditional")]

    assert stands("2025-08-18") == adviser
    assert stands("2025-08-19")[:4] == [
        *adviser, ("donald-trump", "open", None), ("donald-trump", "against", "open")]


def test_every_address_is_in_the_readme(client):
    """No documented address of the API is missing."""
    paths = msgspec.json.decode(client.get("/v1/openapi.json").content)["paths"]

    for path in paths:
        assert path == "/v1" or path in README, path


def test_every_command_is_in_the_readme():
    """No command is missing."""
    for name in cli.commands:
        assert f"`{name}`" in README or f"`timeline {name}`" in README, name


def test_every_field_of_an_event_is_in_the_readme():
    """No field of an event is missing."""
    for name in Event.__struct_fields__:
        assert f"`{name}`" in README, name
