#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Asks the running kernel what it thinks of odd attributes; prints controller.txt.

The controller (nlctrl) is always there and needs no privilege. GETFAMILY validates liberally, a
GETPOLICY dump strictly, both with the code that IPVS' policies go through. Each line holds the
command, the attributes, the errno, the offset in the extended acknowledgement and its text.
Run as: python3 controller.py > controller.txt
"""

import platform
import random
import socket
import struct

NETLINK_GENERIC, SOL_NETLINK = 16, 270
NETLINK_CAP_ACK, NETLINK_EXT_ACK = 10, 11
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_ACK_TLVS = 1, 4, 0x300, 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
GETFAMILY, GETPOLICY = 3, 10


def attribute(kind, payload, wrong=0):
    body = struct.pack("=HH", max(0, 4 + len(payload) + wrong), kind) + payload
    return body + bytes(-len(body) % 4)


def attributes(chance):
    names = [b"nlctrl\0", b"nlctrl", b"", b"\0", b"nlctrl\0junk", b"nlctrl\0junk\0",
             b"n" * 15 + b"\0", b"n" * 16, b"nlctrl\0" + b"x" * 9, b"nlctrl\0" + b"x" * 8 + b"\0",
             b"nlctrl\0" + bytes(9), b"nlctrl\0" + bytes(10)]
    out = b""
    for _ in range(chance.choice([0, 1, 1, 1, 2, 2, 3])):
        kind = chance.choice([1, 1, 2, 2, 2, 10, 10, 0, 3, 9, 11, 0x3fff])
        if kind == 2:
            payload = chance.choice(names)
        else:
            payload = struct.pack("=I", 16)[:chance.choice([0, 1, 2, 2, 3, 4, 4])]
            payload += bytes(chance.choice([0, 0, 0, 1, 4]))
        kind |= chance.choice([0] * 8 + [0x8000, 0x4000, 0xc000])
        out += attribute(kind, payload, chance.choice([0] * 12 + [-1, 1, 5, 100, -100]))
    if chance.random() < 0.3:
        out = out[:len(out) - chance.randrange(0, 4)]
    if chance.random() < 0.2:
        out += chance.randbytes(chance.randrange(1, 4))
    return out


def ask(command, payload, sequence):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as s:
        s.settimeout(5)
        s.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        s.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        s.bind((0, 0))
        flags = NLM_F_REQUEST | NLM_F_ACK | (NLM_F_DUMP if command == GETPOLICY else 0)
        head = struct.pack("=IHHIIBBH", 20 + len(payload), 16, flags, sequence, 0, command, 1, 0)
        s.send(head + payload)
        while True:
            data = s.recv(65536)
            while data:
                length, kind, flags = struct.unpack_from("=IHH", data)
                message, data = data[:length], data[(length + 3) & ~3:]
                if kind == NLMSG_DONE:
                    return 0, None, None
                if kind != NLMSG_ERROR:
                    continue
                errno, = struct.unpack_from("=i", message, 16)
                offset = text = None
                rest = message[36:] if flags & NLM_F_ACK_TLVS else b""
                while len(rest) >= 4:
                    size, kind = struct.unpack_from("=HH", rest)
                    value, rest = rest[4:size], rest[(size + 3) & ~3:]
                    if kind & 0x3fff == 1:
                        text = value.rstrip(b"\0").decode()
                    elif kind & 0x3fff == 2:
                        offset, = struct.unpack("=I", value)
                return -errno, offset, text


def main():
    chance = random.Random(1)
    print(f"# command attributes errno offset text; Linux {platform.release()}")
    seen = set()
    while len(seen) < 400:
        command, payload = chance.choice([GETFAMILY, GETPOLICY]), attributes(chance)
        if (command, payload) in seen:
            continue
        seen.add((command, payload))
        errno, offset, text = ask(command, payload, len(seen))
        shown = "-" if offset is None else offset
        print(command, payload.hex() or "-", errno, shown, text or "-")


if __name__ == "__main__":
    main()
