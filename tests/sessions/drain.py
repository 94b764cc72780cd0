"""SIGTERM with data in flight: who keeps reading gets everything, and then the end of the stream."""

import array
import fcntl
import os
import signal
import socket
import termios
import threading
import time

from session import GRACE, PATIENCE, SLACK, Server, echoed, receive_all, same, story

SIZE = 1_000_000
CHUNK = 32_768
PACE = 0.03  # seconds between two chunks: a megabyte takes one second


def drain(engine):
    left = slow_reader(engine)
    stuck = late_reader(engine)
    return f"{left} bytes outstanding for a slow reader, {stuck} for a late one"


def slow_reader(engine):
    """Sends a megabyte and reads it back slowly; the signal comes when the server has received it all. Most of
    it is then in the send buffer of the server's system: a server that closes carelessly would lose it there."""
    sent = os.urandom(SIZE)
    with Server(engine) as server, server.connect(receive_buffer=CHUNK) as peer:
        sender = threading.Thread(target=peer.sendall, args=[sent], daemon=True)
        sender.start()
        got = bytearray()
        while sender.is_alive() or unacknowledged(peer):
            got += slowly(peer)
        left = SIZE - len(got)
        assert left > SIZE // 4, f"only {left} bytes are in flight: nothing to see"

        server.send_signal(signal.SIGTERM)
        while len(got) < SIZE and (more := slowly(peer)):
            got += more
        same(sent, bytes(got))
        assert peer.recv(1) == b"", "more came back than was sent"
        server.ended_well(GRACE + SLACK)
    return left


def late_reader(engine):
    """Sends until the server takes no more; after the signal it reads as fast as it can. What the server's
    system had received before the signal comes back, although most of it was still unread then."""
    block = os.urandom(1 << 16)
    with Server(engine) as server, server.connect() as peer:
        echoed(peer, b"hello\r\n")
        sent = push_until_stuck(peer, block)
        received = sent - unacknowledged(peer)
        server.send_signal(signal.SIGTERM)
        peer.settimeout(PATIENCE)
        peer.shutdown(socket.SHUT_WR)
        got = receive_all(peer)
        assert len(got) >= received, f"{len(got)} bytes came back, the server had {received}"
        same((block * (sent // len(block) + 1))[: len(got)], got)
        server.ended_well(GRACE + SLACK)
    return received


def push_until_stuck(peer, block):
    sent = 0
    last = time.monotonic()
    peer.setblocking(False)
    deadline = last + PATIENCE
    while time.monotonic() < last + 0.3:
        assert time.monotonic() < deadline, "the server takes more and more from a peer that does not read"
        try:
            sent += peer.send(block[sent % len(block) :])
            last = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
    return sent


def slowly(peer):
    time.sleep(PACE)
    return peer.recv(CHUNK)


def unacknowledged(peer):
    """Bytes sent that the other side's system has not yet received."""
    count = array.array("i", [0])
    fcntl.ioctl(peer, termios.TIOCOUTQ, count)
    return count[0]


story(drain)
