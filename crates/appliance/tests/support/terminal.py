"""Runs a command on a pseudo-terminal and writes its output to a file: terminal.py FILE COLUMNS ROWS COMMAND ...

Forwards SIGTERM to the command, and ends with its exit code."""

import fcntl
import os
import pty
import signal
import struct
import sys
import termios

file, columns, rows, command = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    os.environ["TERM"] = "xterm-256color"
    os.execv(command[0], command)
signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
with open(file, "wb", buffering=0) as kept:
    while True:
        try:
            written = os.read(terminal, 65536)
        except OSError:  # On Linux, reading at the end of a terminal is an error.
            break
        if not written:
            break
        kept.write(written)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
