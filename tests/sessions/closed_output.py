"""Nobody listens to the readiness line: stdout closed, or a pipe that nobody reads. The server serves all the
same, or says in one line why not; it does not panic."""

import os
import signal
import socket
import subprocess
import tempfile

from session import GRACE, SLACK, command, echoed, real, story, until


def closed_output(_engine):
    port = free_port()
    serve = command() + ["serve", "--listen", f"127.0.0.1:{port}"]
    shell = [real("bash"), "-c", 'exec "$@" >&-', "bash", *serve]
    closed = outcome(shell, port, subprocess.DEVNULL)

    read, write = os.pipe()
    os.close(read)
    try:
        broken = outcome(serve, port, write)
    finally:
        os.close(write)
    return f"stdout closed: {closed}; a pipe nobody reads: {broken}"


def outcome(arguments, port, output):
    """Runs the server until it serves or ends by itself, and says which."""
    with tempfile.TemporaryFile() as errors:
        server = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
        try:
            until(lambda: server.poll() is not None or serves(port), "the server serves or ends")
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


def serves(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
            echoed(peer, b"hello\r\n")
            return True
    except OSError:
        return False


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


story(closed_output)
