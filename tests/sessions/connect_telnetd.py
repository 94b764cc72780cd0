"""A person at a terminal logs in to a real telnet server by `connect --telnet`: the server learns the terminal's name and
size, keys go one by one, the menu comes and goes, and the terminal is given back as it was."""

import fcntl
import os
import struct
import termios

from client import HERE, at_a_terminal, listens, running, typed
from session import read_until, real, story


def connect_telnetd(engine):
    shell = "/usr/sbin/telnetd -h -E /bin/sh"
    with running(real("socat"), f"TCP-LISTEN:8006,bind={HERE},reuseaddr,fork", f"EXEC:{shell},nofork"):
        listens(8006)
        with at_a_terminal(engine, 8006, "--telnet") as (screen, _):
            fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
            read_until(screen, b"# ", 1)
            # In two parts, so that what is typed, and echoed, is not what is waited for.
            typed(screen, b"echo term=$TERM; echo 'or'der\r", b"\norder")
            typed(screen, b"stty size | tr ' ' x\r", b"33x99")
            typed(screen, b"\x1dstatus\r", b"ECHO")
            typed(screen, b"\r", b"")
            typed(screen, b"stty -echo; echo so'und'\r", b"sound")
            os.write(screen, b"exit\r")
        # Quit by the menu, in the middle of it.
        with at_a_terminal(engine, 8006, "--telnet") as (screen, _):
            read_until(screen, b"# ", 1)
            os.write(screen, b"\x1d")
            os.write(screen, b"quit\r")


story(connect_telnetd)
