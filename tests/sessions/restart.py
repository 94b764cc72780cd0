"""A server that ended, or was killed, with connections open is started again on the same port at once."""

from session import Server, echoed, reserved_port, story


def restart(engine):
    with reserved_port() as port:
        restarted(engine, port)


def restarted(engine, port):
    with Server(engine, listen=f"127.0.0.1:{port}") as first:
        peers = [first.connect() for _ in range(10)]
        for peer in peers:
            echoed(peer, b"hello\r\n")
        first.end()
    with Server(engine, listen=f"127.0.0.1:{port}") as second:
        assert second.port == port
        orphan = second.connect()
        echoed(orphan, b"hello again\r\n")
        second.kill()
        with Server(engine, listen=f"127.0.0.1:{port}") as third:
            third.is_well()
    for peer in [*peers, orphan]:
        peer.close()


story(restart)
