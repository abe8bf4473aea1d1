"""Reads TensorBoard's event files by their published format alone: read_events.py FILE prints one JSON object a step, {"step", TAG: value}.

A record is a length (8 bytes), its masked CRC32C, the data, their masked CRC32C (TFRecord); the data are a message Event: wall_time = 1,
step = 2, file_version = 3, summary = 5 of value = 1 of tag = 1, simple_value = 2. Anything that is not so is an error.
"""
import json, struct, sys


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(wire)
            if wire == 2:
                size, at = varint(data, at)
            assert size is not None and at + size <= len(data), f"wire type {wire}"
            value, at = data[at : at + size], at + size
        yield number, value


data, at, first = open(sys.argv[1], "rb").read(), 0, True
while at < len(data):
    size, crc = struct.unpack_from("<QI", data, at)
    assert crc == crc32c(data[at : at + 8]), "CRC of a length"
    body = data[at + 12 : at + 12 + size]
    assert struct.unpack_from("<I", data, at + 12 + size)[0] == crc32c(body), "CRC of a record"
    event = dict(fields(body))
    assert struct.unpack("<d", event[1])[0] > 1.7e9, "wall time"
    if first:
        assert event[3] == b"brain.Event:2", "file version"
    else:
        scalars = {"step": event[2]}
        for number, value in fields(event[5]):
            one = dict(fields(value))
            assert number == 1 and one.keys() == {1, 2}, f"a value of fields {sorted(one)}: {one.get(1)}"
            scalars[one[1].decode()] = struct.unpack("<f", one[2])[0]
        print(json.dumps(scalars))
    at, first = at + 16 + size, False
