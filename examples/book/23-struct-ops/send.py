"""Sends a megabyte to itself, by the congestion control hachi_reno."""

import socket

listener = socket.create_server(("127.0.0.1", 0))
sender = socket.socket()
sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"hachi_reno")
sender.connect(listener.getsockname())
receiver, _ = listener.accept()
received = 0
for _ in range(100):
    sender.sendall(bytes(10_000))
    received += len(receiver.recv(10_000, socket.MSG_WAITALL))
control = sender.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
print(f"{control.rstrip(bytes(1)).decode()}: {received} bytes")
