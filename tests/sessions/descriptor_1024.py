"""More clients than select(2) has room for, although the process may open more descriptors: the server survives
and does not spin, those inside are served, and when some leave, newcomers are served again."""

import select
import time

from session import PATIENCE, Server, abort, allow_descriptors, echoed, receive, story, until

CLIENTS = 1_100
ROOM = 1_024  # FD_SETSIZE


def descriptor_1024(engine):
    allow_descriptors(4_096)
    with Server(engine) as server:
        clients = [server.connect() for _ in range(CLIENTS)]
        for client in clients:
            client.sendall(b"!")
        served = inside(clients)
        assert ROOM - 64 <= len(served) < ROOM, f"{len(served)} of {CLIENTS} clients were served"
        load = server.load(2.0)
        assert load < 0.1, f"a full server costs {load:.0%} of a core"
        for client in served[:10] + served[-10:]:
            echoed(client, b"still here\r\n")

        leaving, staying = served[::4], [client for i, client in enumerate(served) if i % 4]
        for client in leaving:
            abort(client)
        until(lambda: newcomer_is_served(server), "a newcomer is served after some have left")
        for client in staying[:10] + staying[-10:]:
            echoed(client, b"still here\r\n")
        for client in set(clients) - set(leaving):
            abort(client)
        until(lambda: newcomer_is_served(server), "a newcomer is served after all have left")
    return f"{len(served)} of {CLIENTS} served at once, {load:.1%} of a core when full"


def inside(clients):
    """The clients that were echoed, when for a while nothing has happened to the others: they may be refused
    or kept waiting, as the server likes."""
    poll = select.poll()
    waiting = {client.fileno(): client for client in clients}
    for number in waiting:
        poll.register(number, select.POLLIN)
    served = []
    deadline = time.monotonic() + PATIENCE
    while (ready := poll.poll(2_000)) and time.monotonic() < deadline:
        for number, _ in ready:
            poll.unregister(number)
            client = waiting.pop(number)
            if was_echoed(client):
                served.append(client)
    return served


def was_echoed(client):
    try:
        return client.recv(1) == b"!"
    except OSError:
        return False


def newcomer_is_served(server):
    """False while the server still refuses, or does not answer within a second."""
    try:
        with server.connect() as peer:
            peer.settimeout(1.0)
            peer.sendall(b"?")
            answer = receive(peer, 1)
            abort(peer)
            return answer == b"?"
    except (AssertionError, OSError):
        return False


story(descriptor_1024)
