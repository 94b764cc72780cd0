"""A person with a real telnet, at a real terminal, types lines and reads them back."""

import os
import pty
import subprocess

from session import PATIENCE, Server, read_until, real, story


def telnet(engine):
    with Server(engine) as server:
        screen, keyboard = pty.openpty()
        arguments = [real("telnet"), "127.0.0.1", str(server.port)]
        client = subprocess.Popen(arguments, stdin=keyboard, stdout=keyboard, stderr=keyboard)
        os.close(keyboard)
        try:
            read_until(screen, b"Escape character", 1)
            for line in [b"hello", b"is anybody there", b"x" * 500]:
                os.write(screen, line + b"\r")
                read_until(screen, line, 2)  # once as the terminal shows what is typed, once as the server's echo
            os.write(screen, b"\x1d")
            read_until(screen, b"telnet>", 1)
            os.write(screen, b"quit\r")
            read_until(screen, b"Connection closed", 1)
            assert client.wait(PATIENCE) == 0
        finally:
            client.kill()
            client.wait()
            os.close(screen)
        server.is_well()


story(telnet)
