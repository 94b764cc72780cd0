"""A server that says hello and hangs up, one that only listens, and a greeting that comes first."""

import os
import subprocess

from session import PATIENCE, Server, real, same, story

# As much as one argument may be (execve(2)).
GREETING = "x" * (128 * 1024 - 1)


def hello_and_discard(engine):
    with Server(engine, "--service", "hello") as server:
        same(b"Hello from server!\r\n", socat(server, b""))
        same(b"Hello from server!\r\n", socat(server, os.urandom(100_000)))
    with Server(engine, "--service", "hello", "--greeting", GREETING) as server:
        for _ in range(50):
            same(GREETING.encode() + b"Hello from server!\r\n", socat(server, os.urandom(100_000)))
        assert server.receipt() == [50, 50, 0, 0]
    with Server(engine, "--service", "discard", "--greeting", "All ears. ") as server:
        same(b"All ears. ", socat(server, os.urandom(10_000_000)))
        assert server.receipt() == [1, 1, 0, 0]
        assert "10000000 bytes received, 10 sent" in server.log(), server.log()


def socat(server, sent):
    """What comes back for what is sent. A server that hangs up while socat still sends is no failure of either."""
    arguments = [real("socat"), "-t", str(PATIENCE), "-", f"TCP:127.0.0.1:{server.port}"]
    return subprocess.run(arguments, input=sent, capture_output=True, timeout=PATIENCE).stdout


story(hello_and_discard)
