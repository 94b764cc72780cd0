"""A peer that sends as much as it can and never reads: the server's memory stays bounded, others are served
meanwhile, and when the peer begins to read after all, nothing is missing."""

import os
import socket
import time

from session import PATIENCE, Server, echoed, receive, receive_all, same, story

SECONDS = 3.0
BOUND = 16 << 20  # how far resident memory may grow, in bytes
BLOCK = os.urandom(1 << 16)


def deaf_peer(engine):
    with Server(engine) as server, server.connect() as other:
        echoed(other, b"hello\r\n")
        before = server.resident()
        deaf = server.connect()
        sent, most = push(server, deaf, other, before)
        got = read_back(deaf, sent)
        same((BLOCK * (sent // len(BLOCK) + 1))[:sent], got)
        deaf.close()
        server.is_well()
    return f"grew by {most // 1024} KiB while {sent / 1e6:.1f} MB were pushed"


def push(server, deaf, other, before):
    """Pushes for some seconds; answers how much went out, and the most the server grew by."""
    sent = most = 0
    deaf.setblocking(False)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            for _ in range(16):
                sent += deaf.send(BLOCK[sent % len(BLOCK) :])
        except BlockingIOError:
            time.sleep(0.01)  # the server has stopped reading, as it should; it may yet take more
        most = max(most, server.resident() - before)
        assert most < BOUND, f"grew by {most} bytes after {sent} were pushed"
        echoed(other, b"and me?\r\n")
    return sent, most


def read_back(deaf, sent):
    deaf.settimeout(PATIENCE)
    data = receive(deaf, sent)
    deaf.shutdown(socket.SHUT_WR)
    return data + receive_all(deaf)


story(deaf_peer)
