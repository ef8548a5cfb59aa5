"""What each worker process of a cluster on this machine loads first: signals are for the run that it is of.

A terminal and a service manager send them to all processes together, and a worker is to end in order, too.
"""

import signal

for _number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(_number, signal.SIG_IGN)
