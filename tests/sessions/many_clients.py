"""200 clients at once, each with its own data, byte-exact; and no descriptor is left behind."""

import os
import selectors
import socket
import time

from session import PATIENCE, Server, same, story, until

CLIENTS = 200
SIZE = 100_000


class Client:
    """Writes as the server takes it and reads as it comes, both at once; half-closes at the end."""

    def __init__(self, server):
        self.peer = server.connect()
        self.peer.setblocking(False)
        self.data = os.urandom(SIZE)
        self.sent = 0
        self.got = bytearray()
        self.done = False

    def step(self, events):
        if events & selectors.EVENT_READ:
            more = self.peer.recv(1 << 16)
            self.got += more
            self.done = not more
        if events & selectors.EVENT_WRITE and self.sent < SIZE:
            self.sent += self.peer.send(self.data[self.sent : self.sent + 10_000])
            if self.sent == SIZE:
                self.peer.shutdown(socket.SHUT_WR)

    def wishes(self):
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self.sent < SIZE else 0)


def many_clients(engine):
    with Server(engine) as server:
        server.is_well()
        before = server.descriptors()
        clients = [Client(server) for _ in range(CLIENTS)]
        with selectors.DefaultSelector() as selector:
            for client in clients:
                selector.register(client.peer, client.wishes(), client)
            serve_all(selector)
        for client in clients:
            same(client.data, bytes(client.got))
            client.peer.close()
        until(lambda: server.descriptors() <= before, "the server closes what its clients closed")
        server.is_well()
    return f"{CLIENTS} clients, {SIZE} bytes each"


def serve_all(selector):
    deadline = time.monotonic() + 2 * PATIENCE
    while selector.get_map():
        left = sum(len(key.data.data) - len(key.data.got) for key in selector.get_map().values())
        assert time.monotonic() < deadline, f"{len(selector.get_map())} clients still miss {left} bytes"
        for key, events in selector.select(1):
            key.data.step(events)
            if key.data.done:
                selector.unregister(key.fileobj)
            elif key.events != key.data.wishes():
                selector.modify(key.fileobj, key.data.wishes(), key.data)


story(many_clients)
