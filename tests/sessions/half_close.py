"""A real nc sends a file, half-closes, and gets everything back before the end of the stream."""

import os
import subprocess

from session import PATIENCE, Server, real, same, story

SIZES = [0, 1, 5_000_000]


def half_close(engine):
    with Server(engine) as server:
        for size in SIZES:
            sent = os.urandom(size)
            arguments = [real("nc.openbsd"), "-N", "127.0.0.1", str(server.port)]
            client = subprocess.run(arguments, input=sent, capture_output=True, timeout=PATIENCE)
            assert client.returncode == 0, f"nc ended with {client.returncode}: {client.stderr}"
            same(sent, client.stdout)
        server.is_well()
    return f"up to {SIZES[-1]} bytes"


story(half_close)
