"""SIGTERM and SIGINT: the server takes no newcomers, lets go of its idle peers, and ends with 0 in time."""

import signal
import time

from session import GRACE, SLACK, Server, echoed, story


def signals(engine):
    seconds = []
    for number in [signal.SIGTERM, signal.SIGINT]:
        end_alone(engine, number)
        seconds.append(end_with_a_peer(engine, number))
    return f"with an idle peer after {max(seconds):.1f} s"


def end_alone(engine, number):
    with Server(engine) as server:
        server.end(number)


def end_with_a_peer(engine, number):
    with Server(engine) as server, server.connect() as peer:
        echoed(peer, b"hello\r\n")
        begin = time.monotonic()
        server.send_signal(number)
        server.ended_well(GRACE + SLACK)
        took = time.monotonic() - begin
        try:
            assert peer.recv(1) == b"", "the server said something at its end"
        except ConnectionResetError:
            pass
        try:
            server.connect().close()
        except ConnectionRefusedError:
            return took
        raise AssertionError("somebody still listens")


story(signals)
