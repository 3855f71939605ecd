"""Python imports this at its start: a process of a container sees the container's name as that of its machine."""

import os
import socket

socket.gethostname = lambda: os.environ["HOSTNAME"]
