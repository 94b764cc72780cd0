"""Clients come and go as fast as they can, and leave in every way there is: nobody gets a byte that is another's, the
server neither grows nor keeps a descriptor, and its receipt accounts for every connection.

Each connection sends what no other sends, so that streams that are mixed up show at once. All of it happens in a
network namespace of its own, since tens of thousands of sockets in TIME_WAIT would starve the other stories of ports.
"""

import collections
import multiprocessing
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from session import PATIENCE, Server, abort, receive, receive_all, same, story, until

WARM_UP = 2.0  # seconds after which hardly anything may grow any more
# Seconds, and the bytes by which resident memory may grow in them: a crowd larger than any before needs buffers once
# (on uring up to 3 MiB, 16 KiB each), but nothing may be left of a connection, of which there are hundreds of thousands.
EXTENT = {"uring": (30.0, 4 << 20)}
OTHERWISE = 5.0, 2 << 20  # on engines that have been churned for longer
CLIENTS = 3  # processes, on two cores shared with the server
AT_ONCE = 32  # connections of one client
SMALL, LARGE = 64, 20 * 1024  # bytes; a large one takes several receives
# Ways to leave, and how many connections in a hundred take them. The server must finish those who are orderly.
WAYS = {"close": 60, "half-close": 20, "reset": 10, "reset unread": 8, "reset at once": 2}
ORDERLY = {"close", "half-close"}
SPARING = {"reset": 90, "reset unread": 8, "reset at once": 2}  # ways that leave nothing in TIME_WAIT
SPARING_LIMIT = 2_000  # connections of each client, where ports are shared with others
INSIDE = "CHURN_INSIDE"  # set in the environment of what runs in the namespace


def churn(engine):
    if not has_namespace():
        return stress(engine, SPARING, SPARING_LIMIT) + "; fewer, all reset: no network namespace of its own"
    return stress(engine, WAYS, None)


def stress(engine, ways, limit):
    seconds, most_growth = EXTENT.get(engine, OTHERWISE)
    with Server(engine) as server:
        before = server.descriptors()
        warm = run_clients(server, WARM_UP, ways, limit)
        until(lambda: server.descriptors() <= before, "the server closes what its first clients left behind")
        memory = server.resident()
        begin = time.monotonic()
        ran = run_clients(server, seconds, ways, limit)
        rate = sum(ran.values()) / (time.monotonic() - begin)
        until(lambda: server.descriptors() <= before, "the server closes what its clients left behind")
        growth = server.resident() - memory
        assert growth <= most_growth, f"{sum(ran.values())} connections made it grow by {growth} bytes"
        server.is_well()
        check_receipt(server, warm + ran)
    return f"{sum(ran.values())} connections, {rate:.0f}/s, {growth / 1024:+.0f} KiB"


def run_clients(server, seconds, ways, limit):
    """Several clients at once for so long; how many connections left in which way."""
    context = multiprocessing.get_context("fork")  # no descriptor of theirs outlives them
    with ProcessPoolExecutor(CLIENTS, context) as clients:
        futures = [clients.submit(come_and_go, server.port, seconds, ways, limit) for _ in range(CLIENTS)]
        return sum((future.result() for future in futures), collections.Counter())


def come_and_go(port, seconds, ways, limit):
    """One client: opens connections, has its say on all of them, hears them out in another order, and leaves."""
    draw = random.Random()
    noise = draw.randbytes(1 << 20)
    left = collections.Counter()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not (limit and sum(left.values()) >= limit):
        count = draw.randint(1, AT_ONCE)
        names = [f"{os.getpid()} {sum(left.values()) + place} " for place in range(count)]
        begun = [begin(port, name, draw, noise, ways) for name in names]
        draw.shuffle(begun)
        for peer, data, way in begun:
            leave(peer, data, way)
            left[way] += 1
    return left


def begin(port, name, draw, noise, ways):
    """A connection with its own data on the way, and how it is going to end."""
    way = draw.choices(list(ways), ways.values())[0]
    size = LARGE if draw.randrange(16) == 0 else SMALL
    start = draw.randrange(len(noise) - size)
    data = (name.encode() + noise[start : start + size])[:size]
    peer = socket.socket()
    peer.settimeout(PATIENCE)
    peer.connect(("127.0.0.1", port))
    if way != "reset at once":
        peer.sendall(data)
    if way == "half-close":
        peer.shutdown(socket.SHUT_WR)
    return peer, data, way


def leave(peer, data, way):
    if way == "half-close":
        same(data, receive_all(peer))
    elif way in ("close", "reset"):
        same(data, receive(peer, len(data)))
    if way in ORDERLY:
        peer.close()
    else:
        abort(peer)


def check_receipt(server, left):
    """Every connection was accepted, those who left in order were finished, and nobody had to be cancelled."""
    made = sum(left.values()) + 1  # who asked whether it is well
    orderly = sum(left[way] for way in ORDERLY)
    accepted, finished, failed, cancelled = server.receipt()
    assert accepted == made, f"{made} connections were made, {accepted} accepted"
    assert finished >= orderly, f"{orderly} left in order, {finished} were finished"
    assert cancelled == 0, f"{cancelled} were cancelled, and everybody had left"


def has_namespace():
    """Whether this runs in a network namespace of its own; begins anew in one if that can be made."""
    if INSIDE in os.environ:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        # Every port may be a client's, and one in TIME_WAIT may be used again.
        for name, value in [("ip_local_port_range", "1024 65535"), ("tcp_tw_reuse", "1")]:
            with open(f"/proc/sys/net/ipv4/{name}", "w") as setting:
                setting.write(value)
        return True
    unshare = ["unshare", "--net"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
    if not shutil.which("unshare") or not shutil.which("ip"):
        return False
    if subprocess.run(unshare + ["true"], capture_output=True).returncode:
        return False
    os.environ[INSIDE] = "1"
    os.execvp(unshare[0], unshare + [sys.executable, "-B", *sys.argv])


story(churn)
