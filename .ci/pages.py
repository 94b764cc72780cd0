"""Opens an HTML report in headless Chromium, as a reader would: in light and dark, on a wide and a narrow screen.

    pages.py CHROMIUM PAGE FOLDER [REPORT KEYS...]

Fails if the page says anything on the console, asks for anything over the network, is wider than the screen, draws nothing, draws texts
upon each other or in colours that cannot be read, or lacks a number of the REPORT (JSON). Of that the numbers are checked that the KEYS
lead to, such as `exchange/p99 1e-9` or `scenarios/*/rows/*/cpu`; `*` is each of a list, a number after a key scales. Screenshots go to the FOLDER.
Speaks the DevTools protocol over a pipe (--remote-debugging-pipe: messages end with a zero byte). Python 3.9, nothing else.
"""

import base64
import json
import os
import pathlib
import select
import struct
import subprocess
import sys
import tempfile
import time
import zlib

DEADLINE = 60  # seconds, for anything that is waited for


class Browser:
    """A Chromium, and one page in it."""

    def __init__(self, program):
        self.profile = tempfile.TemporaryDirectory(prefix="pages-", ignore_cleanup_errors=True)
        (theirs_in, self.out), (self.inn, theirs_out) = os.pipe(), os.pipe()

        def wire():
            # Whatever numbers the pipes have: the protocol's are 3 and 4.
            read, write = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={self.profile.name}", "--remote-debugging-pipe", "about:blank"],
            preexec_fn=wire, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self.number, self.rest, self.events, self.session = 0, b"", [], None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.ask(f"{domain}.enable")

    def ask(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        answer = self.wait(lambda said: said.get("id") == self.number, method)
        if "error" in answer:
            raise SystemExit(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def wait(self, wanted, what):
        """Returns the first message that is wanted; keeps the events that come before it."""
        end = time.monotonic() + DEADLINE
        while True:
            while b"\0" in self.rest:
                line, self.rest = self.rest.split(b"\0", 1)
                said = json.loads(line)
                if "method" in said:
                    self.events.append(said)
                if wanted(said):
                    return said
            if not select.select([self.inn], [], [], max(0, end - time.monotonic()))[0]:
                raise SystemExit(f"chromium: no answer within {DEADLINE} s: {what}")
            more = os.read(self.inn, 1 << 20)
            if not more:
                raise SystemExit(f"chromium ended with {self.process.wait()} before it answered: {what}")
            self.rest += more

    def open(self, url, width, scheme):
        """Goes there, and returns the events until all is loaded and drawn."""
        self.ask("Page.navigate", url="about:blank")
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        answer = self.ask("Page.navigate", url=url)
        if "errorText" in answer:
            raise SystemExit(f"{url}: {answer['errorText']}")
        if not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.wait(lambda said: said.get("method") == "Page.loadEventFired", "the page to load")
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")
        return list(self.events)

    def evaluate(self, expression):
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise SystemExit(f"cannot ask the page: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def screenshot(self):
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.ask("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(shot["data"])

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.inn)
        os.close(self.out)
        self.profile.cleanup()


class Image:
    """A PNG of eight bits a channel, decoded."""

    def __init__(self, data):
        assert data[:8] == b"\x89PNG\r\n\x1a\n", "not a PNG"
        at, packed = 8, b""
        while at < len(data):
            length, kind = struct.unpack(">I4s", data[at:at + 8])
            body = data[at + 8:at + 8 + length]
            if kind == b"IHDR":
                self.width, self.height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
                assert (depth, interlaced) == (8, 0) and colour in (2, 6), "a PNG of a kind Chromium does not write"
                self.channels = 3 if colour == 2 else 4
            elif kind == b"IDAT":
                packed += body
            at += 12 + length
        self.rows = list(self.unfilter(zlib.decompress(packed)))

    def unfilter(self, raw):
        step, stride = self.channels, self.width * self.channels
        above = bytearray(stride)
        for start in range(0, len(raw), stride + 1):
            kind, row = raw[start], bytearray(raw[start + 1:start + 1 + stride])
            if kind == 2:
                row = bytearray(map(lambda one, other: (one + other) & 255, row, above))
            elif kind:
                for index in range(stride):
                    left = row[index - step] if index >= step else 0
                    corner = above[index - step] if index >= step else 0
                    row[index] = (row[index] + predicted(kind, left, above[index], corner)) & 255
            yield row
            above = row

    def colours(self, box):
        """How many there are in a box, and which share of it the most frequent one has."""
        left, top, right, bottom = (max(0, int(edge)) for edge in box)
        counts = {}
        for row in self.rows[top:bottom]:
            for x in range(left, min(right, self.width)):
                pixel = bytes(row[x * self.channels:x * self.channels + 3])
                counts[pixel] = counts.get(pixel, 0) + 1
        return len(counts), max(counts.values(), default=0) / max(1, sum(counts.values()))


def predicted(kind, left, above, corner):
    if kind == 1:
        return left
    if kind == 3:
        return (left + above) // 2
    distances = [abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)]
    return (left, above, corner)[distances.index(min(distances))]


# What there is to know of a page, as it is shown.
SURVEY = """(() => {
  const box = element => { const r = element.getBoundingClientRect();
    return [r.left + scrollX, r.top + scrollY, r.right + scrollX, r.bottom + scrollY]; };
  const shown = [...document.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().width > 0);
  const colour = element => getComputedStyle(element).color.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const under = element => { for (let e = element; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor.match(/[\\d.]+/g).map(Number);
      if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
  const words = [...document.querySelectorAll('body *')].filter(e =>
    [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && !['title', 'desc', 'style'].includes(e.localName)
    && e.getBoundingClientRect().width > 0);
  return {
    width: document.documentElement.scrollWidth, screen: innerWidth, figures: document.querySelectorAll('figure').length,
    paper: getComputedStyle(document.body).backgroundColor,
    data: [...document.querySelectorAll('data')].map(e => Number(e.value)),
    drawings: shown.map(svg => ({
      name: svg.querySelector('title').textContent, described: svg.querySelector('desc').textContent.length, box: box(svg),
      shapes: svg.querySelectorAll('rect, polyline, path, circle, polygon').length,
      texts: [...svg.querySelectorAll('text')].map(e => ({ text: e.textContent.trim(), box: box(e) })) })),
    words: words.map(e => ({ text: e.textContent.trim().slice(0, 40), colour: colour(e), under: under(e) })),
  };
})()"""


def luminance(colour):
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (c / 255 for c in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


def overlap(one, other):
    """Whether boxes of texts lie upon each other by more than the room around the letters."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return wide > 1 and high > 4


def faults(events, url):
    """What the page said or asked for that it should not have."""
    for event in events:
        method, params = event["method"], event["params"]
        if method == "Runtime.consoleAPICalled":
            yield f"console.{params['type']}: {params['args']}"
        elif method == "Runtime.exceptionThrown":
            yield f"exception: {params['exceptionDetails']['text']}"
        elif method == "Log.entryAdded":
            yield f"{params['entry']['level']} on the console: {params['entry']['text']}"
        elif method == "Network.requestWillBeSent" and params["request"]["url"] != url:
            if not params["request"]["url"].startswith("data:"):
                yield f"it asked for {params['request']['url']}"


def flaws(survey, image):
    """What a reader would complain of."""
    if survey["width"] > survey["screen"]:
        yield f"it is {survey['width']} pixels wide on a screen of {survey['screen']}"
    if not survey["drawings"] or len(survey["drawings"]) != survey["figures"]:
        yield f"{len(survey['drawings'])} drawings are shown in {survey['figures']} figures"
    for drawing in survey["drawings"]:
        name, (left, top, right, bottom) = drawing["name"], drawing["box"]
        if drawing["shapes"] < 2 or not drawing["described"]:
            yield f"{name}: {drawing['shapes']} shapes, {drawing['described']} letters of description"
        colours, share = image.colours(drawing["box"])
        if colours < 8 or share > 0.995:
            yield f"{name}: {colours} colours, one of them on {share:.1%}: there is nothing to see"
        texts = drawing["texts"]
        for text in texts:
            box = text["box"]
            if box[0] < left - 1 or box[2] > right + 1 or box[1] < top - 1 or box[3] > bottom + 1:
                yield f"{name}: {text['text']!r} is not within it"
        for index, one in enumerate(texts):
            for other in texts[:index]:
                if overlap(one["box"], other["box"]):
                    yield f"{name}: {one['text']!r} lies upon {other['text']!r}"
    for word in survey["words"]:
        if contrast(word["colour"], word["under"]) < 4.5:
            yield f"{word['text']!r} has a contrast of {contrast(word['colour'], word['under']):.2f}; 4.5 can be read"


def numbers(report, key):
    """What a key leads to, scaled."""
    path, _, scale = key.partition(" ")
    found = [report]
    for name in path.split("/"):
        deeper = [one if name == "*" else [one.get(name)] for one in found]
        found = [one for some in deeper for one in some if one is not None]
    return [(path, one * float(scale or 1)) for one in found]


def main(program, page, folder, report=None, *keys):
    url, complaints, checked = pathlib.Path(page).resolve().as_uri(), [], 0
    wanted = [pair for key in keys for pair in numbers(json.load(open(report, encoding="utf-8")), key)]
    if report and len({name for name, _ in wanted}) < len(keys):
        complaints.append(f"{report} has nothing for some of {', '.join(keys)}")
    browser = Browser(program)
    try:
        papers = {}
        for width in (1200, 390):
            for scheme in ("light", "dark"):
                where = f"{scheme}, {width} pixels"
                events = browser.open(url, width, scheme)
                survey, shot = browser.evaluate(SURVEY), browser.screenshot()
                name = f"{pathlib.Path(page).stem}-{scheme}-{width}.png"
                pathlib.Path(folder, name).write_bytes(shot)
                found = [*faults(events, url), *flaws(survey, Image(shot))]
                papers[scheme] = survey["paper"]
                for key, value in wanted:
                    checked += 1
                    if not any(abs(value - shown) <= 1e-9 + 1e-6 * abs(value) for shown in survey["data"]):
                        found.append(f"{key} is {value} in the report, and not on the page")
                complaints += [f"{where}: {what}" for what in found]
        if papers["light"] == papers["dark"]:
            complaints.append(f"the paper is {papers['light']} in light and in dark")
    finally:
        browser.close()
    for complaint in complaints:
        print(f"{page}: {complaint}", file=sys.stderr)
    print(f"{page}: {len(survey['drawings'])} drawings, {len(survey['data'])} numbers, {checked} of them looked up; "
          f"{len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
