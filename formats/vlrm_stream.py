#!/usr/bin/python3
"""Streams of records in Python: what formats/envelope.md says, in a hundred lines. Needs python3-msgpack, python3-zstandard and
python3-xxhash (Debian).

    for kind, record in read(open("frames.vlrm", "rb")): ...     # kind: header, data, batch or end; raises Corrupt
    with Writer(open("out.vlrm", "wb"), {"stage": "mine"}, zstd=3) as w: w.write({"id": "1", "caption": {"text": "a bus"}})

As a command, JSON lines as vlrm-cat --bin=base64 prints them: vlrm_stream.py read < stream, vlrm_stream.py write [LEVEL] > stream.
"""
import base64, io, json, sys
import msgpack, xxhash, zstandard

SEAL_OPEN = b"\x56\x2a\x4d\x18\x04\0\0\0vlrm"    # skippable frame: a sealed segment begins
SEAL_CLOSE = b"\x57\x2a\x4d\x18\x14\0\0\0vlrm"   # skippable frame, followed by 16 hex digits


class Corrupt(Exception):
    """The stream is cut short or not what was written (exit status 5)."""


def plain_bytes(data):
    """The uncompressed bytes of a whole stream: plain parts, zstd frames, and sealed zstd frames, one after the other."""
    out, seal, at = b"", None, 0
    while at < len(data) or seal is not None:
        if data[at:at + 12] == SEAL_OPEN and seal is None:
            seal, at = at, at + 12
        elif data[at:at + 12] == SEAL_CLOSE and seal is not None:
            if xxhash.xxh3_64_hexdigest(data[seal:at + 12]).encode() != data[at + 12:at + 28]:
                raise Corrupt("the compressed bytes do not have the digest that their seal says")
            seal, at = None, at + 28
        elif data[at:at + 4] == zstandard.FRAME_HEADER:
            frame = zstandard.ZstdDecompressor().decompressobj()
            try:
                out += frame.decompress(data[at:])
                at = len(data) - len(frame.unused_data)
            except zstandard.ZstdError as e:
                raise Corrupt(f"zstd: {e}") from e
            if not frame.eof:
                raise Corrupt("zstd: the frame is cut short")
        elif seal is not None:
            raise Corrupt("zstd: ends before its closing seal")
        else:                                     # plain: up to where a zstd stream may follow an end record
            return out + data[at:]
    return out


def read(file):
    """Yields (kind, record) for each record; raises Corrupt where the stream is not whole. Reads the file to its end at once."""
    data = plain_bytes(file.read())
    unpacker = msgpack.Unpacker(io.BytesIO(data), raw=False, strict_map_key=False, max_buffer_size=1 << 30)
    begin = records = at = 0
    inside = any_read = False
    while at < len(data):
        if not inside and any_read and (data[at:at + 4] == zstandard.FRAME_HEADER or data[at:at + 12] == SEAL_OPEN):
            yield from read(io.BytesIO(data[at:]))
            return
        try:
            record = unpacker.unpack()
        except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as e:
            raise Corrupt(f"byte {at}: no record: {e!r}") from e
        before, at = at, unpacker.tell()
        if not isinstance(record, dict) or ("vlrm" in record) == inside:
            raise Corrupt(f"byte {before}: expected " + ("a record" if inside else "a header"))
        kind = "header" if not inside else next((k for k in ("end", "batch") if list(record) == [k]), "data")
        if kind == "header":
            begin, records, inside = before, 0, True
            if record["vlrm"] != 1:
                raise Corrupt(f"byte {before}: another version of the format")
        elif kind == "end":
            end, inside, any_read = record["end"], False, True
            if not isinstance(end, dict) or list(end)[-1:] != ["digest"] or data[at - 17:at] != b"\xb0" + xxhash.xxh3_64_hexdigest(data[begin:at - 17]).encode():
                raise Corrupt(f"byte {before}: the digest does not agree")
            if end.get("records") != records:
                raise Corrupt(f"byte {before}: the end record counts {end.get('records')} records, found {records}")
        elif kind == "data":
            records += 1
            if not isinstance(record.get("id"), str):
                raise Corrupt(f"byte {before}: a record without id")
        yield kind, record
    if inside or not any_read:
        raise Corrupt(f"byte {at}: the input ends before its end record")


class Writer:
    """One segment. zstd: 0 for plain, or the level. Leaving the with block writes the end record, after an exception with status 1."""

    def __init__(self, file, header=None, zstd=0):
        self.file, self.records, self.digest, self.seal = file, 0, xxhash.xxh3_64(), xxhash.xxh3_64()
        self.zstd = zstandard.ZstdCompressor(level=zstd, write_checksum=True).compressobj() if zstd else None
        if self.zstd:
            self._out(SEAL_OPEN)
        self._put(msgpack.packb({"vlrm": 1, "stage": "python", "version": "0", "params": {}, "inputs": [], "upstream": None, **(header or {})}))

    def _out(self, data):
        self.seal.update(data)
        self.file.write(data)

    def _put(self, data):
        self.digest.update(data)
        self._out(self.zstd.compress(data) if self.zstd else data)

    def write(self, record):
        """A record with its id and groups, or {"batch": {"index": k, "records": n}}."""
        self.records += list(record) != ["batch"]
        self._put(msgpack.packb(record))

    def end(self, status=0, failed=0, filtered=0):
        self._put(b"\x81\xa3end\x85" + b"".join(map(msgpack.packb, (
            "records", self.records, "failed", failed, "filtered", filtered, "status", status, "digest"))))
        self._put(msgpack.packb(self.digest.hexdigest()))
        if self.zstd:
            self._out(self.zstd.flush())
            self._out(SEAL_CLOSE)
            self.file.write(self.seal.hexdigest().encode())
        self.file.flush()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.end(1 if kind else 0)


def main(command, level=0):
    out = sys.stdout.buffer
    if command == "read":
        status = 0
        try:
            for kind, record in read(sys.stdin.buffer):
                print(json.dumps(record, ensure_ascii=False, default=lambda b: {"$bin": base64.b64encode(b).decode()}))
                status = max(status, record["end"]["status"]) if kind == "end" else status
        except Corrupt as e:
            sys.exit(print(f"vlrm_stream.py: {e}", file=sys.stderr) or 5)
        sys.exit(status)
    unbin = lambda o: base64.b64decode(o["$bin"]) if list(o) == ["$bin"] else o
    with Writer(out, zstd=int(level)) as w:
        for line in sys.stdin:
            record = json.loads(line, object_hook=unbin)
            if "vlrm" not in record and "end" not in record:
                w.write(record)


if __name__ == "__main__":
    main(*sys.argv[1:])
