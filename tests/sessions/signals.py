"""SIGTERM and SIGINT: the server takes no newcomers, lets its idle peers go after the grace period, and ends with 0
in time; a second signal ends it at once, with 128 + n."""

import signal
import time

from session import GRACE, SLACK, Server, echoed, reserved_port, story, until


def signals(engine):
    seconds = []
    for number in [signal.SIGTERM, signal.SIGINT]:
        end_alone(engine, number)
        seconds.append(end_with_a_peer(engine, number))
        end_at_once(engine, number)
    return f"with an idle peer after {max(seconds):.1f} s"


def end_alone(engine, number):
    with Server(engine) as server:
        server.end(number)


def end_with_a_peer(engine, number):
    with reserved_port() as port, Server(engine, listen=f"127.0.0.1:{port}") as server, server.connect() as peer:
        echoed(peer, b"hello\r\n")
        begin = time.monotonic()
        server.send_signal(number)
        server.ended_well(GRACE + SLACK)
        took = time.monotonic() - begin
        assert took >= GRACE, f"an idle peer was let go after {took:.2f} s, before the grace period was over"
        try:
            assert peer.recv(1) == b"", "the server said something at its end"
        except ConnectionResetError:
            pass
        try:
            server.connect().close()
        except ConnectionRefusedError:
            return took
        raise AssertionError("somebody still listens")


def end_at_once(engine, number):
    """The first signal is TERM, the second the one in question, and a deaf peer is no reason to wait."""
    with Server(engine, "--grace", "1h", "-v") as server, server.connect() as peer:
        echoed(peer, b"hello\r\n")
        server.send_signal(signal.SIGTERM)
        until(lambda: "accepting no more" in server.log(), "the first signal is heard")
        begin = time.monotonic()
        server.send_signal(number)
        code = server.process.wait(SLACK)
        assert code == 128 + number, f"ended with {code}: {server.log()}"
        assert time.monotonic() - begin < SLACK
        assert "ended at once, by a second signal" in server.log(), server.log()
        server.kill()


story(signals)
