"""Scripts as they are sent: what `lean` takes away, and what it must never touch."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.resources import files

import pytest

from timeline.api.pages import ASSETS, LEAN, Assets
from timeline.web.lean import lean

SCRIPTS = [path for path, kind in ASSETS.values() if kind == "text/javascript" and path.startswith("static/")]


def source(path):
    return files("timeline.web").joinpath(path).read_text()


@pytest.mark.parametrize(("script", "sent"), [
    ("// a comment\n  const a = 1; // and another\n\n\n  b ();\n", "const a=1;\nb();\n"),
    ("a = 'two  // words' + \"it's  /* one */\";", "a='two  // words'+\"it's  /* one */\";\n"),
    ("a = `two  // ${ b ? `in  ${ c }  ` : '}' }  end\n    line`;",
     "a=`two  // ${b?`in  ${c}  `:'}'}  end\n    line`;\n"),
    ("f(/a  '[/ ']\\/ {2}/g, 1 / 2 / d)", "f(/a  '[/ ']\\/ {2}/g,1/2/d)\n"),
    ("return / a'/.test(b)", "return/ a'/.test(b)\n"),
    ("a = { b: { c } }\n/* many\nlines */\n[d] = e", "a={b:{c}}\n[d]=e\n"),
    ("a + +b - -c; return x in y; static #z = `\\`  ${ {} }`", "a+ +b- -c;return x in y;static #z=`\\`  ${{}}`\n"),
    ("a = $ in b;\nlet é = ` $ `;", "a=$ in b;\nlet é=` $ `;\n"),
])
def test_comments_and_needless_spaces_go_and_texts_stay(script, sent):
    assert lean(script) == sent
    assert lean(sent) == sent


@pytest.mark.parametrize("script", ["a = 'never", "a = `never ${b", "f(/never", "a = `never"])
def test_what_does_not_end_is_refused(script):
    with pytest.raises(ValueError, match="does not end"):
        lean(f"{script}\n}}" if script.endswith("b") else script)


@pytest.mark.parametrize("name", LEAN)
def test_only_lines_of_comment_and_spaces_are_taken_from_what_is_sent(name):
    written = source(ASSETS[name][0])
    kept = "".join(line for line in written.splitlines() if not line.lstrip().startswith("//"))

    assert "".join(lean(written).split()) == "".join(kept.split())
    assert len(lean(written)) < len(written)


@pytest.mark.parametrize("name", LEAN)
def test_texts_of_several_lines_are_sent_as_they_stand(name):
    written = source(ASSETS[name][0])
    texts = re.findall(r"(?:read\(|replaceSync\(|FRENCH = )(`[^`]*`)", written)

    assert texts
    assert [text for text in texts if text not in lean(written)] == []


@pytest.mark.parametrize("path", SCRIPTS)
def test_every_script_still_parses(path, tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine")
    sent = tmp_path / "sent.mjs"
    sent.write_text(lean(source(path)))

    found = subprocess.run([node, "--check", sent], capture_output=True, text=True, check=False)

    assert (found.returncode, found.stderr) == (0, "")


def test_scripts_that_name_each_other_do_so_by_what_they_hold():
    assets = Assets()
    sent = assets.bytes_of("timeline-view.js").decode()

    assert f"import('{assets.url('timeline-view-more.js')}')" in sent
    assert "'/assets/timeline-view-more.js'" not in sent
    assert set(LEAN) <= ASSETS.keys()
