"""Out of descriptors, with 20 clients waiting: nobody is closed, no processor time is burnt, one line is logged; and
when descriptors come free, all of them are served."""

import resource
import select

from session import Server, receive, story, until

MOST = 40
WAITING = 20


def out_of_descriptors(engine):
    with Server(engine) as server:
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (MOST, MOST))
        inside = [server.connect() for _ in range(MOST)]
        until(lambda: "cannot accept for now" in server.log(), "the server says that it has no descriptors")
        waiting = [server.connect() for _ in range(WAITING)]
        for peer in waiting:
            peer.sendall(b"may I?")
        load = server.load(2.0)
        assert load < 0.05, f"a server without descriptors costs {load:.0%} of a core"
        heard = select.select(waiting, [], [], 0)[0]
        assert not heard, f"{len(heard)} of those who wait were served or closed"
        for peer in inside:
            peer.close()
        for peer in waiting:
            assert receive(peer, 6) == b"may I?"
            peer.close()
        accepted, finished, *_ = server.receipt()
        assert accepted == finished == MOST + WAITING, server.log()
        assert server.log().count("cannot accept for now") == 1, server.log()
    return f"{load:.1%} of a core when full"


story(out_of_descriptors)
