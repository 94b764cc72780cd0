"""Thousands of idle connections cost no processor time, and are served at once when they wake."""

from session import Server, abort, allow_descriptors, echoed, open_served, story, until

SECONDS = 3.0
MOST_LOAD = 0.02  # of one core


def idle_connections(engine):
    count = 1_000 if engine == "select" else 5_000
    allow_descriptors(count + 1_000)
    with Server(engine) as server:
        server.is_well()
        before = server.descriptors()
        memory = server.resident()
        peers = open_served(server, count)
        each = (server.resident() - memory) / count
        load = server.load(SECONDS)
        assert load < MOST_LOAD, f"{count} idle connections cost {load:.1%} of a core"
        for peer in peers[::50] + peers[-1:]:
            echoed(peer, b"awake\r\n")
        for peer in peers:
            abort(peer)
        until(lambda: server.descriptors() <= before, "the server closes what its peers reset")
        server.is_well()
    return f"{count} connections, {load:.1%} of a core, {each / 1024:.1f} KiB each"


story(idle_connections)
