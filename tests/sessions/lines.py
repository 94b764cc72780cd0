"""A person with a real telnet is welcomed by the line service, and a real nc gets an answer to every line."""

import os
import subprocess

from session import PATIENCE, Server, read_until, real, same, story, telnet_to

WELCOME = b"Welcome! Every line you send comes back.\r\n"


def lines(engine):
    with Server(engine, "--service", "line") as server:
        by_telnet(server)
        for end in [b"\n", b"\r\n"]:
            sent = end.join(b"line %d" % number for number in range(1_000))
            answers = b"".join(b"Echo: line %d\r\n" % number for number in range(1_000))
            same(WELCOME + answers, by_nc(server, sent))
        longest = b"x" * 65_536
        same(WELCOME + b"Echo: " + longest + b"\r\n", by_nc(server, longest + b"\n"))
        same(WELCOME + b"Error: a line has at most 65536 bytes\r\n", by_nc(server, longest + b"x" * 100_000))
        assert server.receipt()[2:] == [0, 0], server.log()


def by_telnet(server):
    with telnet_to(server) as screen:
        read_until(screen, b"Every line you send comes back.", 1)
        for line in [b"hello", b"is anybody there"]:
            os.write(screen, line + b"\r")
            read_until(screen, b"Echo: " + line, 1)


def by_nc(server, sent):
    arguments = [real("nc.openbsd"), "-N", "127.0.0.1", str(server.port)]
    client = subprocess.run(arguments, input=sent, capture_output=True, timeout=PATIENCE)
    return client.stdout


story(lines)
