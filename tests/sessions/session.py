"""What every story needs: the server under test, plain connections to it, and deadlines.

A story is a file with one function that takes the engine's name and fails by raising. It runs in a process
group of its own, ends every process it starts by its own id, and never sleeps in the hope that something has
happened meanwhile: it waits for the event, with a deadline.
"""

import contextlib
import hashlib
import os
import pty
import re
import resource
import select
import shlex
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATIENCE = 20.0  # seconds for what takes milliseconds on a quiet machine
GRACE = 2.0  # seconds the server may take to finish what is in flight
SLACK = 2.0  # seconds a busy machine may add to that
MOST_LINES = 100  # of a server's log that are shown when a story fails
SKIPPED = 77  # exit code of a story that cannot run here


class Skipped(Exception):
    """The story cannot run on this machine; the message says why."""


def story(tell):
    """Runs a story on the engine named on the command line; what it returns is a note on what was seen."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # unwinds, so that servers are ended
    try:
        note = tell(sys.argv[1])
    except Skipped as reason:
        print(reason)
        sys.exit(SKIPPED)
    except Exception:
        traceback.print_exc()
        sys.exit(1)
    print(note or "")


@contextlib.contextmanager
def reserved_port():
    """A port of 127.0.0.1 that nobody is given and where nobody listens, unless told its number: it is bound by a socket
    that does not listen, and SO_REUSEADDR lets another listen there nevertheless."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def command():
    """The command under test, as a list: $SWITCHBOARD, or the release build."""
    built = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release", "switchboard")
    given = os.environ.get("SWITCHBOARD")
    return shlex.split(given) if given else [built]


class Server:
    """A running `serve`, ready when constructed; leaving the `with` asks it to end and checks how it did."""

    def __init__(self, engine, *more, listen="127.0.0.1:0"):
        self.killed = False
        self.errors = tempfile.TemporaryFile()
        # `poll` is the engine of the model tasks; `model poll` is the model.
        way = engine.split() if engine.startswith("model ") else ["engine", engine]
        arguments = command() + ["serve", "--listen", listen, f"--{way[0]}", way[1], *more]
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors
        )
        self.pid = self.process.pid
        try:
            self.ready = self.readiness_line()
            self.port = port_of(self.ready, engine)
        except BaseException:
            self.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None and not self.killed:
                self.end()
        finally:
            self.kill()
            if kind is not None:
                lines = self.log().splitlines()
                print(f"the server's log, {len(lines)} lines, the last of which are:", file=sys.stderr)
                print(*lines[-MOST_LINES:], sep="\n", file=sys.stderr)

    def readiness_line(self):
        line = b""
        deadline = time.monotonic() + PATIENCE
        output = self.process.stdout.fileno()
        while not line.endswith(b"\n"):
            if not select.select([output], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"no readiness line within {PATIENCE} s, only {line!r}")
            more = os.read(output, 4096)
            if not more:
                raise AssertionError(f"the server ended before it was ready: {self.log()}")
            line += more
        return line.decode()

    def connect(self, receive_buffer=None):
        """A blocking connection whose every operation has a deadline."""
        peer = socket.socket()
        if receive_buffer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        peer.settimeout(PATIENCE)
        peer.connect(("127.0.0.1", self.port))
        return peer

    def send_signal(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        """Ends the server by a signal, if it has not ended yet, and checks that it ended well."""
        if self.process.poll() is None:
            self.send_signal(number)
        self.ended_well(GRACE + SLACK)

    def ended_well(self, seconds):
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server did not end within {seconds} s") from None
        rest = self.process.stdout.read()
        assert "panicked" not in self.log(), f"the server panicked: {self.log()}"
        assert code == 0, f"the server ended with {code}: {self.log()}"
        assert rest == b"", f"stdout has more than the readiness line: {rest!r}"

    def kill(self):
        self.killed = True
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def log(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def receipt(self):
        """How many were accepted, finished, failed and cancelled, as the server said at its end; it adds up."""
        self.end()
        said = re.search(r"ended; (\d+) accepted: (\d+) finished, (\d+) failed, (\d+) cancelled; ", self.log())
        assert said, f"no receipt: {self.log()!r}"
        accepted, *parts = counts = [int(count) for count in said.groups()]
        assert accepted == sum(parts), f"it does not add up: {said.group(0)!r}"
        return counts

    def is_well(self):
        """Alive, and a newcomer is served."""
        assert self.process.poll() is None, f"the server ended with {self.process.poll()}: {self.log()}"
        with self.connect() as peer:
            echoed(peer, b"are you there?\r\n")
            abort(peer)

    def resident(self):
        """Resident memory in bytes."""
        with open(f"/proc/{self.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) * 1024

    def cpu(self):
        """Processor time used so far, user and system, in seconds."""
        with open(f"/proc/{self.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def load(self, seconds):
        """The share of one core that the server uses from now on, measured for some seconds."""
        begin, used = time.monotonic(), self.cpu()
        time.sleep(seconds)
        return (self.cpu() - used) / (time.monotonic() - begin)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def port_of(line, engine):
    """Checks the readiness line and takes the port from it: that of the first address, unless it is no port's."""
    if line.startswith("listening on unix:"):
        return None
    found = re.fullmatch(
        r"listening on ([\d.]+):(\d+)(?: and \S+)* \(([^)]*)\); try: telnet ([\d.]+) (\d+)\n", line
    )
    assert found, f"an unexpected readiness line: {line!r}"
    shown = found.group(3).split(", ")[2] if found else ""
    wanted = engine[6:] if engine.startswith("model ") else f"tasks on {engine}"
    assert engine == "auto" or shown.split(" on ")[0] == wanted or shown == wanted, f"{engine} does not run: {line!r}"
    assert found.group(2) != "0", f"not the real port: {line!r}"
    assert found.group(2) == found.group(5), f"two different ports: {line!r}"
    return int(found.group(2))


def until(condition, what, seconds=PATIENCE):
    """Waits for a condition, and fails when the deadline passes first."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def receive(peer, count):
    """Exactly so many bytes."""
    data = bytearray()
    while len(data) < count:
        more = peer.recv(min(count - len(data), 1 << 18))
        assert more, f"the server closed after {len(data)} of {count} bytes"
        data += more
    return bytes(data)


def receive_all(peer):
    """Everything up to the end of the stream, which must be orderly."""
    data = bytearray()
    while more := peer.recv(1 << 18):
        data += more
    return bytes(data)


def ended_by_server(peer, seconds):
    """Seconds until the server ends the connection, with nothing more said."""
    begin = time.monotonic()
    peer.settimeout(seconds)
    assert peer.recv(1) == b"", "the server said something instead of ending the connection"
    return time.monotonic() - begin


def echoed(peer, data):
    peer.sendall(data)
    back = receive(peer, len(data))
    assert back == data, f"sent {data[:64]!r}, got back {back[:64]!r}"


def same(sent, got):
    """Fails with lengths, hashes and the first difference rather than with megabytes."""
    if sent != got:
        first = next((i for i, (a, b) in enumerate(zip(sent, got)) if a != b), min(len(sent), len(got)))
        digests = [hashlib.sha256(data).hexdigest()[:12] for data in (sent, got)]
        raise AssertionError(f"{len(sent)} bytes sent, {len(got)} came back, different from {first} on ({digests})")


def abort(peer):
    """Closes with a reset: nothing lingers, neither data nor a socket in TIME_WAIT."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def allow_descriptors(count):
    """Lets this process, and the servers it starts from now on, open so many descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        hard = hard if hard == resource.RLIM_INFINITY else max(hard, count)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
        except (ValueError, OSError):
            raise Skipped(f"needs {count} descriptors, the limit is {hard}") from None


def open_served(server, count, window=64):
    """So many connections, each of which was served once; a window at a time, so that no queue overflows."""
    peers = []
    while len(peers) < count:
        batch = [server.connect() for _ in range(min(window, count - len(peers)))]
        for peer in batch:
            peer.sendall(b"!")
        for peer in batch:
            assert receive(peer, 1) == b"!"
        peers += batch
    return peers


@contextlib.contextmanager
def telnet_to(server):
    """A real telnet at a terminal of its own, as a person has it; left by its menu at the end."""
    screen, keyboard = pty.openpty()
    arguments = [real("telnet"), "127.0.0.1", str(server.port)]
    client = subprocess.Popen(arguments, stdin=keyboard, stdout=keyboard, stderr=keyboard)
    os.close(keyboard)
    try:
        yield screen
        os.write(screen, b"\x1d")
        read_until(screen, b"telnet>", 1)
        os.write(screen, b"quit\r")
        read_until(screen, b"Connection closed", 1)
        assert client.wait(PATIENCE) == 0
    finally:
        client.kill()
        client.wait()
        os.close(screen)


def read_until(screen, text, times):
    """Reads the terminal until the text was shown so many times."""
    shown = b""
    deadline = time.monotonic() + PATIENCE
    while shown.count(text) < times:
        if not select.select([screen], [], [], max(0, deadline - time.monotonic()))[0]:
            raise AssertionError(f"the terminal did not show {text[:40]!r} {times} times, only {shown[-400:]!r}")
        try:
            shown += os.read(screen, 4096)
        except OSError:  # how a terminal says that its last user has gone
            raise AssertionError(f"its program ended, having shown {shown[-400:]!r}") from None


def real(client):
    """The path of a client that must be installed."""
    paths = [os.path.join(folder, client) for folder in os.environ["PATH"].split(":")]
    found = [path for path in paths if os.access(path, os.X_OK)]
    assert found, f"{client} is not installed; see .ci/run"
    return found[0]
