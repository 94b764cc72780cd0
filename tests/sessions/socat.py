"""A real socat pipes a megabyte through the server and back."""

import os
import subprocess

from session import PATIENCE, Server, real, same, story


def socat(engine):
    with Server(engine) as server:
        sent = os.urandom(1 << 20)
        # -t: how long to wait for the rest after the input has ended; the server should not need it.
        arguments = [real("socat"), "-t", str(PATIENCE), "-", f"TCP:127.0.0.1:{server.port}"]
        client = subprocess.run(arguments, input=sent, capture_output=True, timeout=PATIENCE)
        assert client.returncode == 0, f"socat ended with {client.returncode}: {client.stderr}"
        same(sent, client.stdout)
        server.is_well()


story(socat)
