"""How fast the writer's page is in a browser without a window: python tests/benchmark_pages.py [PAGE.html]"""

import sys
import tempfile
from pathlib import Path

if not __package__:  # run as `python tests/benchmark_pages.py`: import from the checkout, not from tests/
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from tests.browser import Browser

PAGE = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "results/part3/playground.html")
WRITE = """
new Promise(done => {
  $("pace").value = "Infinity";
  $("again").click();
  const start = performance.now(), waits = [];
  const click = asked => setTimeout(() => { // as a click comes: whenever the page is free
    waits.push(performance.now() - asked);
    if (performance.now() - start < 5000) return setTimeout(() => click(performance.now()), 37);
    setWriting(false);
    done([(ids.length - given) / (performance.now() - start) * 1000, Math.max(...waits)]);
  }, 0);
  click(performance.now());
})
"""
COLOUR = """
new Promise(done => {
  const times = [];
  const next = signal => {
    if (!signal) return done(Math.max(...times));
    const start = performance.now();
    pick({ l: L - 1, u: 3, signal }, true);
    requestAnimationFrame(() => setTimeout(() => { // after that frame was drawn
      times.push(performance.now() - start);
      next({ c: "h", h: "i", i: "f", f: "g", g: "o" }[signal]);
    }, 0));
  };
  next("c");
})
"""
with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    browser = Browser(profile)
    browser.open(PAGE)
    speed, wait = browser.run(WRITE)
    print(f"written: {speed:.0f} characters a second; a click waited {wait:.0f} ms at most")
    browser.run("readThrough(data.heldOut.repeat(14).slice(0, 20000))")
    browser.until("read() === 20000")
    print(f"20,000 characters coloured anew, by each of six signals: {browser.run(COLOUR):.0f} ms at most")
    browser.close()
