#!/usr/bin/python3
"""Streams of records in Python: what formats/envelope.md says, in a hundred lines. Needs Debian's python3-msgpack, python3-zstandard
and python3-xxhash. It holds a record in memory, of what is compressed all, and leaves JSON lines to vlrm-cat.

    for kind, record in read(open("frames.vlrm", "rb")): ...     # kind: header, data, batch or end; raises Corrupt
    write(open("out.vlrm", "wb"), [{"id": "1", "caption": {"text": "a bus"}}], {"stage": "mine"}, zstd=3)
"""
import msgpack, xxhash, zstandard

SEAL_OPEN = b"\x56\x2a\x4d\x18\x04\0\0\0vlrm"    # skippable frame: a sealed segment begins
SEAL_CLOSE = b"\x57\x2a\x4d\x18\x14\0\0\0vlrm"   # skippable frame, followed by 16 hex digits


class Corrupt(Exception):
    """The stream is cut short or not what was written (exit status 5)."""


def check(condition, message):
    if not condition:
        raise Corrupt(message)


def unpack_frames(data):
    """The bytes without compression: the zstd frames at the beginning, sealed or not, are unpacked; what follows them stays."""
    out, seal, at = [], None, 0
    while True:
        if seal is None and data.startswith(SEAL_OPEN, at):
            seal, at = at, at + 12
        elif seal is not None and data.startswith(SEAL_CLOSE, at):
            digest = xxhash.xxh3_64_hexdigest(data[seal:at + 12]).encode()
            check(data[at + 12:at + 28] == digest, "the compressed bytes do not have the digest that their seal says")
            seal, at = None, at + 28
        elif data.startswith(zstandard.FRAME_HEADER, at):
            frame = zstandard.ZstdDecompressor().decompressobj()
            try:
                out.append(frame.decompress(data[at:]))
            except zstandard.ZstdError as e:
                raise Corrupt(f"zstd: {e}") from e
            check(frame.eof, "zstd: the frame is cut short")
            at = len(data) - len(frame.unused_data)
        else:
            check(seal is None, "zstd: ends before its closing seal")
            return b"".join(out) + data[at:]


def read_segment(held, more):
    """Yields (kind, record) of the segment that begins with the bytes `held` and what more() gives; returns the bytes behind it."""
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=False, max_buffer_size=1 << 30)
    unpacker.feed(held)
    kind, records, at, digest = None, 0, 0, xxhash.xxh3_64()
    while kind != "end":
        try:
            record = unpacker.unpack()
        except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as e:
            got = more() if isinstance(e, msgpack.OutOfData) else b""
            check(got, f"byte {at}: no record: {e!r}")
            unpacker.feed(got)
            held += got
            continue
        raw, held, at = held[:unpacker.tell() - at], held[unpacker.tell() - at:], unpacker.tell()
        check(isinstance(record, dict) and ("vlrm" in record) == (kind is None), f"byte {at}: no header, or one too many")
        known = [k for k in ("batch", "end") if list(record) == [k] and isinstance(record[k], dict)]
        kind, body = "header" if kind is None else (known or ["data"])[0], record[known[0]] if known else {}
        cut = len(raw) - (17 if kind == "end" or "digest" in body else 0)
        digest.update(raw[:cut])
        said = list(body)[-1:] == ["digest"] and raw[cut:] == b"\xb0" + digest.hexdigest().encode()
        check(said or cut == len(raw), f"byte {at}: the digest does not agree")
        digest.update(raw[cut:])
        check(kind != "header" or record["vlrm"] == 1, "another version of the format")
        if kind == "data":
            check(isinstance(record.get("id"), str), f"a record without id before byte {at}")
            records += 1
        check(kind != "end" or body.get("records") == records, f"the end record counts {body.get('records')} records, found {records}")
        yield kind, record
    return held


def read(file):
    """Yields (kind, record) for each record of all segments, as it comes; raises Corrupt where the stream is not whole."""
    held, more, any_read = b"", lambda: getattr(file, "read1", file.read)(1 << 20), False
    while True:
        while len(held) < 4 and (got := more()):
            held += got
        if not held and any_read:
            return
        if held[:4] in (zstandard.FRAME_HEADER, SEAL_OPEN[:4]):
            held, more = unpack_frames(held + file.read()), lambda: b""
        held, any_read = (yield from read_segment(held, more)), True


def write(file, records, header=None, zstd=0, status=0):
    """One segment of these records ({"id": .., groups} and {"batch": ..}). zstd: 0 for plain, or the level. status: how it went."""
    records = [{"batch": {k: v for k, v in r["batch"].items() if k != "digest"}} if list(r) == ["batch"] else r for r in records]
    end = {"records": sum(list(r) != ["batch"] for r in records), "failed": 0, "filtered": 0, "status": status, "digest": "0" * 16}
    out = b"".join(map(msgpack.packb, [{"vlrm": 1, "stage": "python", **(header or {})}, *records, {"end": end}]))[:-17]
    out += msgpack.packb(xxhash.xxh3_64_hexdigest(out))
    if zstd:
        out = SEAL_OPEN + zstandard.ZstdCompressor(level=zstd, write_checksum=True).compress(out) + SEAL_CLOSE
        out += xxhash.xxh3_64_hexdigest(out).encode()
    file.write(out)
