"""Peers that die without a word, with data on the way to them: they cost the server nothing but themselves."""

import subprocess

from session import Server, abort, echoed, real, story, until

KILLED = 20
RESET = 100


def killed_peers(engine):
    with Server(engine) as server, server.connect() as bystander:
        echoed(bystander, b"hello\r\n")
        before = server.descriptors()
        kill_clients(server, before)
        reset_connections(server)
        until(lambda: server.descriptors() <= before, "the server closes what its peers left behind")
        echoed(bystander, b"still here\r\n")
        server.is_well()
    return f"{KILLED} killed, {RESET} reset"


def kill_clients(server, before):
    """Real clients, each killed while more is coming to it than it has read."""
    arguments = [real("nc.openbsd"), "127.0.0.1", str(server.port)]
    clients = []
    try:
        for _ in range(KILLED):
            client = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            clients.append(client)
            client.stdin.write(b"x" * 60_000)
            client.stdin.flush()
        for client in clients:
            assert client.stdout.read(1) == b"x"  # the echo has begun
        assert server.descriptors() >= before + KILLED
    finally:
        for client in clients:
            client.kill()
            client.wait()
            client.stdout.close()
            try:
                client.stdin.close()
            except BrokenPipeError:
                pass  # it was killed with input unread


def reset_connections(server):
    """Connections reset at every stage: before anything was sent, with the echo under way, and after it."""
    for number in range(RESET):
        peer = server.connect()
        if number % 3 == 1:
            peer.sendall(b"x" * 100_000)
        elif number % 3 == 2:
            echoed(peer, b"x" * 1_000)
        abort(peer)


story(killed_peers)
