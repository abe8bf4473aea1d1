#!/usr/bin/python3
"""Shows a plain stream of frames for the tests of vlrm-extract: frames.py FILE [FIELD...] prints the fields of each frame, tab-separated
("id" or a key of the group; "references" as JSON), frames.py FILE --save PREFIX writes PREFIX0.jpeg and so on, frames.py FILE --end
the end record as JSON, frames.py FILE --check only insists on unique ids and an end record."""
import json
import sys

import msgpack

path, arguments = sys.argv[1], sys.argv[2:]
records = list(msgpack.Unpacker(open(path, "rb"), raw=False, max_buffer_size=1 << 30))
frames = [r for r in records if "frame" in r]
ids = [r["id"] for r in frames]
if arguments == ["--check"]:
    assert len(set(ids)) == len(ids), "an id comes twice"
    assert "end" in records[-1] and records[-1]["end"]["records"] == len(frames), "no end record, or its count is wrong"
elif arguments == ["--end"]:
    print(json.dumps({k: v for k, v in records[-1]["end"].items() if k != "digest"}))
elif arguments == ["--batches"]:
    print([r["batch"]["records"] for r in records if "batch" in r])
elif arguments[:1] == ["--save"]:
    for i, r in enumerate(frames):
        with open(f"{arguments[1]}{i}.{r['frame']['encoding']}", "wb") as f:
            f.write(r["frame"]["image"])
else:
    for r in frames:
        print(*(r["id"] if k == "id" else json.dumps(r["frame"].get(k)) for k in arguments), sep="\t")
