"""Sends hello to port 7000, and waits for it at port 7001."""

import socket

probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
probe.bind(("127.0.0.1", 7001))
probe.settimeout(5)
probe.sendto(b"hello", ("127.0.0.1", 7000))
print(probe.recv(100).decode())
