"""Nobody listens to the readiness line: stdout closed, or a pipe that nobody reads. The server serves all the
same, or says in one line why not; it does not panic."""

import os
import signal
import socket
import subprocess
import tempfile

from client import HERE
from session import GRACE, SLACK, command, echoed, real, story, until

PORT = 8000  # it cannot tell which it was given


def closed_output(_engine):
    serve = command() + ["serve", "--listen", f"{HERE}:{PORT}"]
    shell = [real("bash"), "-c", 'exec "$@" >&-', "bash", *serve]
    closed = outcome(shell, subprocess.DEVNULL)

    read, write = os.pipe()
    os.close(read)
    try:
        broken = outcome(serve, write)
    finally:
        os.close(write)
    return f"stdout closed: {closed}; a pipe nobody reads: {broken}"


def outcome(arguments, output):
    """Runs the server until it serves or ends by itself, and says which."""
    with tempfile.TemporaryFile() as errors:
        server = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
        try:
            until(lambda: server.poll() is not None or serves(), "the server serves or ends")
            serving = server.poll() is None
            if serving:
                server.send_signal(signal.SIGTERM)
            code = server.wait(GRACE + SLACK)
        finally:
            server.kill()
            server.wait()
        errors.seek(0)
        log = errors.read().decode(errors="replace")
    assert "panicked" not in log, log
    assert code == 0 if serving else code in (0, 1), f"ended with {code}: {log}"
    assert serving or len(log.splitlines()) <= 1, log
    return "serves" if serving else f"ends with {code}"


def serves():
    try:
        with socket.create_connection((HERE, PORT), timeout=5) as peer:
            echoed(peer, b"hello\r\n")
            return True
    except OSError:
        return False


story(closed_output)
