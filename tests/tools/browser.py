"""Opens an HTML page in headless Chromium, as wide as a desktop and as a phone, and says what is wrong with it."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

WIDTHS = {"desktop": 1280, "phone": 390}

#: Chromium windows can't be as narrow as a phone, frames can. A frame with its content in an attribute may be examined.
_FRAME = '<iframe id="{name}" width="{width}" height="900" srcdoc="{content}"></iframe>'
_EXAMINE = """
addEventListener("load", () => {
  const found = {};
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, root = page.documentElement, images = [...page.images];
    found[frame.id] = {
      width: frame.contentWindow.innerWidth,
      scrolls: root.scrollWidth,
      images: images.length,
      broken: images.filter(image => !(image.complete && image.naturalWidth)).length,
      nameless: images.filter(image => !image.alt).length,
      loaded: frame.contentWindow.performance.getEntriesByType("resource").map(entry => entry.name)
        .filter(name => !name.startsWith("data:")),
      headings: [...page.querySelectorAll("h1, h2")].map(heading => heading.textContent),
      duplicates: [...page.querySelectorAll("[id]")].map(each => each.id).filter((id, i, all) => all.indexOf(id) < i),
    };
  }
  document.getElementById("found").textContent = JSON.stringify(found);
});
"""


def chromium() -> str:
    """The browser's path; skips the test where there is none."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on this machine: apt install chromium")
    return path


def examine(page: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """Open a page in each of :data:`WIDTHS`; returns what is seen in each, and fails for a message on the console.

    Args:
        page: The HTML file.
        folder: For a file of ours.
    """
    content = html.escape(page.read_text())
    frames = "".join(_FRAME.format(name=name, width=width, content=content) for name, width in WIDTHS.items())
    wrapper = folder / "frames.html"
    wrapper.write_text(f"<!doctype html><meta charset=utf-8>{frames}<pre id=found></pre><script>{_EXAMINE}</script>")
    done = run_chromium("--virtual-time-budget=10000", "--dump-dom", wrapper.as_uri(), profile=folder / "profile")
    messages = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    assert not messages, messages
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found and found[1], done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(html.unescape(found[1]))


def run_chromium(*arguments: str, profile: Path) -> subprocess.CompletedProcess:
    """Without a network: no name is resolved."""
    quiet = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr")
    alone = ("--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking", f"--user-data-dir={profile}")
    command = [chromium(), *quiet, *alone, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)


def assert_sound(page: Path, folder: Path) -> dict[str, dict[str, Any]]:
    """Check that a page needs nothing else, fits its width, and shows all of its pictures; returns what was seen."""
    seen = examine(page, folder)
    for name, width in WIDTHS.items():
        view = seen[name]
        assert view["width"] == width
        assert view["scrolls"] <= width, f"{name}: the page is {view['scrolls']} pixels wide in a window of {width}"
        assert view["images"] > 0 and view["broken"] == 0 and view["nameless"] == 0, view
        assert view["loaded"] == [], view["loaded"]
        assert view["duplicates"] == [], view["duplicates"]
    outside = re.findall(r'(?:src|href)="(?!data:|#)[^"]*"|url\((?!#)[^)]*\)|@import', page.read_text())
    assert outside == []
    return seen
