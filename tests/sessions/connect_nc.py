"""`connect` and a real `nc -l`: files both ways at once, ends from either side, and a person at a terminal."""

import os
import subprocess
import threading

from client import HERE, at_a_terminal, listens, running, typed
from session import PATIENCE, command, real, same, story


def connect_nc(engine):
    for ours, theirs in [(3_000_000, 5_000_000), (5_000_000, 1), (1, 5_000_000)]:
        sent, answer = os.urandom(ours), os.urandom(theirs)
        with listening(8001) as server, client_of(engine, 8001) as client:
            heard = []
            for process, data in [(server, answer), (client, sent)]:
                threading.Thread(target=feed, args=(process, data), daemon=True).start()
            reader = threading.Thread(target=lambda: heard.append(server.stdout.read()))
            reader.start()
            # nc ends when its peer does, whatever it has still to send: so our end comes after its answer.
            same(answer, receive_exactly(client.stdout, theirs))
            client.stdin.close()
            reader.join(PATIENCE)
            same(sent, heard[0])
            assert (server.wait(PATIENCE), client.wait(PATIENCE)) == (0, 0)

    with listening(8002) as server, at_a_terminal(engine, 8002) as (screen, client):
        os.write(screen, b"hello\r")
        assert server.stdout.readline() == b"hello\n"
        server.stdin.write(b"and to you\n")
        server.stdin.flush()
        typed(screen, b"", b"and to you")
        os.write(screen, b"\x04")  # Ctrl-D: our end, after which nc -N sends its own
        server.stdin.close()
        assert client.wait(PATIENCE) == 0
        assert server.stdout.read() == b""


def listening(port):
    server = running(
        real("nc"), "-N", "-l", HERE, str(port), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    return Ready(server, port)


def client_of(engine, port):
    arguments = command() + ["connect", HERE, str(port), "--engine", engine]
    return running(*arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def feed(process, data):
    process.stdin.write(data)
    process.stdin.flush()


def receive_exactly(pipe, count):
    data = bytearray()
    while len(data) < count and (more := pipe.read1(count - len(data))):
        data += more
    return bytes(data)


class Ready:
    """A server that listens when the `with` has begun."""

    def __init__(self, server, port):
        self.server, self.port = server, port

    def __enter__(self):
        process = self.server.__enter__()
        listens(self.port)
        return process

    def __exit__(self, *why):
        return self.server.__exit__(*why)


story(connect_nc)
