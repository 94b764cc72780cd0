"""A person with a real telnet, at a real terminal, types lines and reads them back."""

import os

from session import Server, read_until, story, telnet_to


def telnet(engine):
    with Server(engine) as server:
        with telnet_to(server) as screen:
            read_until(screen, b"Escape character", 1)
            for line in [b"hello", b"is anybody there", b"x" * 500]:
                os.write(screen, line + b"\r")
                read_until(screen, line, 2)  # once as the terminal shows what is typed, once as the server's echo
        server.is_well()


story(telnet)
