"""A person with a real telnet, at a real terminal, types lines and reads them back."""

import os
import pty
import select
import subprocess
import time

from session import PATIENCE, Server, real, story


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


def read_until(screen, text, times):
    """Reads the terminal until the text was shown so many times."""
    shown = b""
    deadline = time.monotonic() + PATIENCE
    while shown.count(text) < times:
        if not select.select([screen], [], [], max(0, deadline - time.monotonic()))[0]:
            raise AssertionError(f"telnet did not show {text[:40]!r} {times} times, only {shown[-400:]!r}")
        try:
            shown += os.read(screen, 4096)
        except OSError:  # how a terminal says that its last user has gone
            raise AssertionError(f"telnet ended, having shown {shown[-400:]!r}") from None


story(telnet)
