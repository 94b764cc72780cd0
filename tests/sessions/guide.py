"""A reader follows docs/guide.md from first to last: types each of its commands, and sees what it says.

In a `console` block there are two terminals. `server$ COMMAND` and `client$ COMMAND` are typed in one or the other, `server:`
looks at the first again, `server$ ^C` is Ctrl-C. What stands below is what is shown there: `…` in a line is anything, a line
`…` any lines. A client's command is waited for; a server goes on until it is ended. The address is one of our own, so that port
8000 is free.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time

from client import HERE
from session import PATIENCE, ROOT, command, story


def guide(_way):
    with open(os.path.join(ROOT, "docs", "guide.md")) as page:
        blocks = re.findall(r"^```console\n(.*?)^```$", page.read(), re.MULTILINE | re.DOTALL)
    assert blocks, "the guide has no commands"
    typed = 0
    for block in blocks:
        with tempfile.TemporaryDirectory() as folder:
            desk = Desk(folder)
            try:
                for step in steps(block):
                    desk.follow(*step)
                    typed += step[1] == "$"
            except AssertionError as wrong:
                raise AssertionError(f"in this block of the guide:\n{block}\n{wrong}") from None
            finally:
                desk.leave()
    return f"{len(blocks)} blocks, {typed} commands"


def steps(block):
    """Terminal, `$` or `:`, what is typed, and the lines that are shown."""
    found = []
    # Clients come from 127.0.0.1, wherever they go.
    for line in re.sub(r"127\.0\.0\.1(?=[: ]8000)", HERE, block).splitlines():
        prompt = re.fullmatch(r"(server|client)([$:]) ?(.*)", line)
        if prompt:
            found.append([*prompt.groups(), []])
        else:
            assert found, f"a block begins with a command, not with {line!r}"
            found[-1][3].append(line)
    return found


class Desk:
    """Two terminals, and a folder in which the command is called `switchboard` and serves on an address of our own."""

    def __init__(self, folder):
        self.folder = folder
        self.server = None
        self.shown = None  # what the server has said and nobody has looked at yet
        script = os.path.join(folder, "switchboard")
        with open(script, "w") as file:
            real = shlex.join(os.path.abspath(word) if os.path.exists(word) else word for word in command())
            file.write(
                f'#!/bin/bash\nif [[ $1 == serve && " $* " != *" --listen "* ]]; then\n'
                f'    exec {real} "$@" --listen {HERE}:8000\nfi\nexec {real} "$@"\n'
            )
        os.chmod(script, 0o755)

    def follow(self, terminal, kind, typed, expected):
        if terminal == "client":
            begin = time.monotonic()
            client = self.start(typed, stdout=subprocess.PIPE)
            try:
                output, _ = client.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                raise AssertionError(f"`{typed}` did not end within {time.monotonic() - begin:.0f} s") from None
            finally:
                end(client)
            lines = output.decode(errors="replace").replace("\r\n", "\n").splitlines()
            assert matches(expected, lines), f"`{typed}` was to show\n{show(expected)}\nand showed\n{show(lines)}"
            return
        if typed == "^C":
            os.killpg(self.server.pid, signal.SIGINT)
            assert self.server.wait(PATIENCE) == 0, f"the server ended with {self.server.returncode}"
        elif kind == "$":
            assert self.server is None or self.server.poll() is not None, "the first server still runs"
            self.shown = open(os.path.join(self.folder, "shown"), "w+b")
            self.server = self.start(typed, stdout=self.shown)
            self.seen = 0
        self.look(expected)

    def look(self, expected):
        """Waits until the server has shown this."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with open(self.shown.name, "rb") as file:
                file.seek(self.seen)
                text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            lines = whole.decode(errors="replace").splitlines()
            if matches(expected, lines):
                self.seen += len(whole)
                return
            ended = self.server.poll() is not None
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"the server was to show\n{show(expected)}\nand showed\n{show(lines)}")
            time.sleep(0.01)

    def start(self, typed, stdout):
        environment = {**os.environ, "PATH": self.folder + ":" + os.environ["PATH"], "NO_COLOR": "1"}
        return subprocess.Popen(
            ["bash", "-c", typed],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def leave(self):
        if self.server:
            end(self.server)


def end(process):
    """The command and whatever it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def matches(expected, lines):
    """Whether these lines are shown: all of them, in this order, `…` standing for anything."""
    pattern = ""
    for line in expected:
        if line == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in line.split("…")) + "\n"
    return re.fullmatch(pattern, "".join(line + "\n" for line in lines)) is not None


def show(lines):
    return "\n".join(f"    {line}" for line in lines) or "    (nothing)"


if __name__ == "__main__":
    story(guide)
