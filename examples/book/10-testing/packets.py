"""Writes packets.pcap: two packets, the first too short to have a sender."""

import struct

with open("packets.pcap", "wb") as file:
    file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    for length in (20, 64):
        file.write(struct.pack("<IIII", 0, 0, length, length) + bytes(length))
