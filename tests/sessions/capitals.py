"""A real nc sends text whose characters are cut in the middle, and gets it back in capitals."""

import os
import select
import subprocess
import time

from session import PATIENCE, Server, real, same, story

TEXT = "straße, привет, ŉ, 🙂, naïve café\n"


def capitals(engine):
    with Server(engine, "--service", "upper") as server:
        arguments = [real("nc.openbsd"), "-N", "127.0.0.1", str(server.port)]
        client = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            for cut in range(1, len(TEXT.encode())):
                small = TEXT.encode()
                whole = small[:cut].decode(errors="ignore").upper().encode()
                write(client, small[:cut])
                # The answer to the whole characters shows that the first piece was received by itself.
                same(whole, read(client, len(whole)))
                write(client, small[cut:])
                rest = TEXT.upper().encode()[len(whole) :]
                same(rest, read(client, len(rest)))
            write(client, b"no text: \xff\xe2\x82")
            client.stdin.close()
            same(b"NO TEXT: \xff\xe2\x82", client.stdout.read())
            assert client.wait(PATIENCE) == 0
        finally:
            client.kill()
            client.wait()
            client.stdout.close()
    return f"cut at {len(TEXT.encode()) - 1} places"


def write(client, data):
    client.stdin.write(data)
    client.stdin.flush()


def read(client, count):
    data = b""
    deadline = time.monotonic() + PATIENCE
    while len(data) < count:
        ready = select.select([client.stdout], [], [], max(0, deadline - time.monotonic()))[0]
        assert ready, f"only {data!r} came back"
        more = os.read(client.stdout.fileno(), count - len(data))
        assert more, f"nc ended after {data!r}"
        data += more
    return data


story(capitals)
