"""Does what systemd does for a service with sockets: binds them, and passes them to the program that it starts.

    sockets.py NAMES PROGRAM

prints the ports, one for each of NAMES (separated by colons), and then obeys `start` and `stop` on standard input.
"""
import fcntl
import os
import signal
import socket
import sys

names, program = sys.argv[1:]
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names.split(":")]
print(*(s.getsockname()[1] for s in sockets), flush=True)


def start():
    pid = os.fork()
    if pid:
        return pid
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(sockets)), LISTEN_FDNAMES=names)
    # Out of the way first: one of them may be 3 or 4 already.
    high = [fcntl.fcntl(s.fileno(), fcntl.F_DUPFD, 100) for s in sockets]
    for number, descriptor in enumerate(high, 3):
        os.dup2(descriptor, number)
    os.execv(program, [program])


def stop(pid):
    os.kill(pid, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


child = None
try:
    for line in sys.stdin:
        if line == "start\n":
            child = start()
        elif line == "stop\n":
            code, child = stop(child), None
            print("stopped", code, flush=True)
finally:
    if child:
        stop(child)
