# SPDX-License-Identifier: Apache-2.0
"""Goes over the pages of a server in a browser, and tells what is wrong with them."""

import json
import pathlib
import re
import sys
from urllib.parse import urlsplit, urljoin

import axe_playwright_python

from devtools import Browser

WIDTHS = (390, 820, 1400)
THEMES = ("light", "dark")
MOST_BYTES = 150_000
MOST_PAGES = 150
MOST_STOPS = 250

AXE = (pathlib.Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()

# What jumps is added up from the first moment on. Pages look again by themselves while they are seen; what has come since may be
# of another size, so here they are told that nobody sees them.
SHIFTS = """
Object.defineProperty(document, 'hidden', {get: () => true});
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const names = entry.sources.map((s) => s.node ? (s.node.outerHTML || s.node.textContent || '').slice(0, 80) : '?');
    window.shifts.push([entry.value, names.join(' | ')]);
  }
}).observe({type: 'layout-shift', buffered: true});
"""

SETTLED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"

OVERFLOW = """
(() => {
  const page = document.scrollingElement, width = page.clientWidth;
  if (page.scrollWidth <= width) return [];
  const beside = (e) => {
    const box = e.getBoundingClientRect();
    if (box.right <= width + 1 || box.width === 0) return false;
    for (let p = e.parentElement; p; p = p.parentElement) {
      if (getComputedStyle(p).overflowX !== 'visible') return false;
    }
    return true;
  };
  return [page.scrollWidth, ...[...document.querySelectorAll('body *')].filter(beside).slice(0, 3)
    .map((e) => e.outerHTML.slice(0, 120))];
})()
"""

# What can be used, and so has to be reached by keys: each gets a number. Of radio buttons of one name the keys reach one.
ACTIONS = """
(() => {
  const names = new Set();
  let number = 0;
  window.reached = new Set();
  for (const e of document.querySelectorAll('a[href],button,input:not([type=hidden]),select,textarea,summary,[tabindex="0"]')) {
    if (e.disabled || !e.checkVisibility({visibilityProperty: true})) continue;
    if (e.type === 'radio') { if (names.has(e.name)) continue; names.add(e.name); }
    e.trialNumber = number++;
  }
  document.addEventListener('focusin', (event) => {
    let e = event.target;
    if (e.type === 'radio') e = [...document.querySelectorAll('input[type=radio]')].find((o) => o.name === e.name);
    if (e.trialNumber !== undefined) window.reached.add(e.trialNumber);
  });
  document.activeElement.blur();
  return number;
})()
"""

MISSED = """
[...document.querySelectorAll('*')].filter((e) => e.trialNumber !== undefined && !window.reached.has(e.trialNumber))
  .slice(0, 5).map((e) => e.outerHTML.slice(0, 120))
"""

AXE_RUN = """
axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations.map((v) =>
  v.id + ': ' + v.help + ' — ' + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 140) + ' ' +
  (n.any[0] ? n.any[0].message : '')).join(' | ')))
"""


def shape(path):
    """The same for pages that look alike: names are left out, and what stands behind the question mark but for its names."""
    parts = urlsplit(path)
    text = parts.path
    for name in ("dags", "runs", "tasks", "of", "users", "tokens", "pools", "connections", "variables"):
        text = re.sub(rf"/{name}/(?!graph$)[^/]+", f"/{name}/*", text)
    text = re.sub(r"/(\d+|[0-9a-f-]{36})(?=/|$)", "/*", text)
    names = sorted({pair.split("=")[0] for pair in parts.query.split("&") if pair})
    return text + "?" + "&".join(names)


class Trial:
    def __init__(self, base, wanted):
        self.base = base
        self.host = urlsplit(base).netloc
        self.wanted = wanted
        self.browser = Browser()
        self.faults = []
        self.looks = 0
        self.browser.call("Page.addScriptToEvaluateOnNewDocument", source=SHIFTS)
        self.browser.call("Network.setCacheDisabled", cacheDisabled=True)

    def fault(self, where, words):
        line = " ".join(f"{where}: {words}".split())
        if line not in self.faults:
            self.faults.append(line)
            print(line, flush=True)

    def look_like(self, width, theme):
        self.browser.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
        self.browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])

    def go(self, path):
        """Shows a page; says whether it is one."""
        self.browser.take_events()
        answer = self.browser.call("Page.navigate", url=urljoin(self.base, path))
        if "errorText" in answer:
            raise RuntimeError(f"{path}: {answer['errorText']}")
        self.browser.wait_for("Page.loadEventFired")
        self.browser.value(SETTLED)

    def check(self, where, keys, rules):
        """Looks at the page that is shown."""
        self.looks += 1
        size = 0
        for event in self.browser.take_events():
            method, told = event["method"], event["params"]
            if method == "Runtime.exceptionThrown":
                self.fault(where, f"a script failed: {told['exceptionDetails'].get('text')}")
            elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
                self.fault(where, f"the console says: {told['args']}")
            elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
                self.fault(where, f"the browser says: {told['entry']['text']} {told['entry'].get('url', '')}")
            elif method == "Network.requestWillBeSent":
                url = told["request"]["url"]
                if urlsplit(url).netloc != self.host and not url.startswith("data:"):
                    self.fault(where, f"something is asked of another server: {url}")
            elif method == "Network.loadingFinished":
                size += told["encodedDataLength"]
        if size >= MOST_BYTES:
            self.fault(where, f"it weighs {int(size)} bytes")
        overflow = self.browser.value(OVERFLOW)
        if overflow:
            self.fault(where, f"it is wider than the window: {overflow}")
        shifts = self.browser.value("window.shifts")
        if sum(shift for shift, _ in shifts) > 0:
            self.fault(where, f"it jumps: {shifts[:3]}")
        if keys:
            self.check_keys(where)
        if rules:
            self.browser.value(AXE + "; true")
            for violation in self.browser.value(AXE_RUN):
                self.fault(where, f"axe: {violation}")

    def check_keys(self, where):
        count = self.browser.value(ACTIONS)
        if count > MOST_STOPS:
            return
        for _ in range(count + 8):
            for kind in ("rawKeyDown", "keyUp"):
                self.browser.call(
                    "Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        missed = self.browser.value(MISSED)
        if missed:
            self.fault(where, f"no key leads to {missed}")

    def links(self):
        found = self.browser.value(
            "[...document.querySelectorAll('a[href]')].map((a) => a.getAttribute('href'))")
        return [link.split("#")[0] for link in found if link.startswith("/") and not link.startswith("/theme")]

    def pages(self):
        """One page of each shape, found by following links from the first page on."""
        self.look_like(1400, "light")
        waiting, seen, found = ["/", "/login"], set(), []
        while waiting and len(found) < MOST_PAGES:
            path = waiting.pop(0)
            if shape(path) in seen:
                continue
            seen.add(shape(path))
            self.go(path)
            status = self.browser.value(
                "performance.getEntriesByType('navigation')[0].responseStatus")
            if status >= 400:
                self.fault(path, f"is answered with {status}")
                continue
            found.append(path)
            waiting += self.links()
        return [path for path in found if not self.wanted or path.startswith(tuple(self.wanted))]

    # What is shown behind a form, without anything being done.
    ASKED = [
        ("/deferred", "document.querySelector('[value=matching]').checked = true;"
         "document.querySelector('[name=do][value=cancel]').click()"),
        ("/dags/shop/backfill", "document.querySelector('[name=from]').value = '2026-01-01';"
         "document.querySelector('[name=to]').value = '2026-01-09';"
         "document.querySelector('[name=do][value=plan]').click()"),
        ("/dags/shop/trigger", "document.querySelector('[name=\"param.most\"]').value = 77;"
         "document.querySelector('[name=\"param.most\"]').form.noValidate = true;"
         "document.querySelector('main button.main').click()"),
    ]

    def opened(self, where, rules):
        """Everything that can be folded is opened: what stands in it has to fit, too."""
        self.browser.value("document.querySelectorAll('details').forEach((d) => { d.open = true; }); window.shifts = []")
        self.browser.value(SETTLED)
        self.browser.take_events()
        self.browser.value("window.shifts = []")
        self.check(where + " (opened)", False, rules)

    def run(self):
        pages = self.pages()
        print(f"{len(pages)} pages", flush=True)
        for theme in THEMES:
            for width in WIDTHS:
                self.look_like(width, theme)
                rules = width != 820
                for path in pages:
                    where = f"{path} at {width}, {theme}"
                    self.go(path)
                    self.check(where, theme == "light", rules)
                    if self.browser.value("document.querySelector('details') !== null"):
                        self.opened(where, rules)
                for path, script in self.ASKED:
                    if self.wanted and not path.startswith(tuple(self.wanted)):
                        continue
                    self.go(path)
                    self.browser.take_events()
                    self.browser.value(script + "; true")
                    self.browser.wait_for("Page.loadEventFired")
                    self.browser.value(SETTLED)
                    self.browser.events = [
                        event for event in self.browser.events
                        # A form that is wrong is answered with 400, which the browser tells.
                        if not (event["method"] == "Log.entryAdded" and "400" in event["params"]["entry"]["text"])]
                    self.check(f"what {path} asks at {width}, {theme}", theme == "light", rules)
        self.browser.close()
        print(json.dumps({"pages": len(pages), "looks": self.looks, "faults": len(self.faults)}))
        return not self.faults


if __name__ == "__main__":
    sys.exit(0 if Trial(sys.argv[1], sys.argv[2:]).run() else 1)
