#!/usr/bin/python3
"""What `vlrm score` runs: a reward of somebody's own, added to those of a stream, record by record as they come. score.sh has the help."""
import argparse, base64, importlib.util, json, os, re, sys, traceback, urllib.error, urllib.request

here = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(here, formats) for formats in ("../formats", "../../doc/vlrm/formats")]    # in the tree, as installed
import msgpack, xxhash
import vlrm_stream

PROMPT = "How well does this caption describe the image? Answer with a number from 0 to 10 alone.\n\nCaption: {caption}"
FAILED, CORRUPT, CLOSED = 3, 5, 141
STRENGTH = [0, 3, 4, 75, 7, 141, 1, 8, 6, 5]    # of exit statuses, from weak to strong (formats/envelope.md)


def die(message, status=1):
    print(f"vlrm score: {message}", file=sys.stderr)
    sys.exit(status)


class Writer:
    """One segment after the other, each record written at once: who is behind us may wait for it."""
    def __init__(self, file):
        self.file = file

    def put(self, record):
        raw = msgpack.packb(record)
        self.digest = xxhash.xxh3_64() if "vlrm" in record else self.digest
        self.digest.update(raw)
        self.file.write(raw)
        self.file.flush()

    def seal(self, kind, body):
        """A batch or end record, which says the digest of what came before."""
        raw = msgpack.packb({kind: {**{k: v for k, v in body.items() if k != "digest"}, "digest": "0" * 16}})[:-17]
        self.digest.update(raw)
        last = msgpack.packb(self.digest.hexdigest())
        self.digest.update(last)
        self.file.write(raw + last)
        self.file.flush()


# ---- what gives the reward --------------------------------------------------------------------------

def function_of(path):
    """reward(record) of a Python file."""
    spec = importlib.util.spec_from_file_location("vlrm_score_rule", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except OSError as e:
        die(f"{path}: {e.strerror}")
    if not callable(getattr(module, "reward", None)):
        die(f"{path}: has no function reward(record)")
    return module.reward


def image_url(frame):
    """The picture of a record as the server takes it."""
    if frame.get("encoding") == "rgb":
        raise ValueError("the frame's picture is not encoded: vlrm-extract keeps files' bytes and makes JPEGs")
    data = frame["image"] if "image" in frame else open(frame["path"], "rb").read()
    kind = frame.get("encoding") or {b"\x89P": "png", b"\xff\xd8": "jpeg", b"RI": "webp"}.get(data[:2], "jpeg")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def judge_of(a):
    """Asks an OpenAI-compatible server; the first number of its answer is the reward."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    def reward(record):
        content = [{"type": "text", "text": a.prompt.replace("{caption}", record["caption"]["text"])}]
        if a.image:
            content.append({"type": "image_url", "image_url": {"url": image_url(record["frame"])}})
        body = {"model": a.model, "temperature": 0, "max_tokens": 16, "messages": [{"role": "user", "content": content if a.image else content[0]["text"]}]}
        request = urllib.request.Request(a.source.rstrip("/") + "/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            with opener.open(request, timeout=a.timeout) as answer:
                said = json.load(answer)["choices"][0]["message"]["content"]
        except urllib.error.HTTPError as e:
            raise ValueError(f"the judge answers {e.code} {e.reason}") from e
        except urllib.error.URLError as e:
            die(f"{a.source}: {e.reason}: is the server running?")
        number = re.search(r"[-+]?\d+(\.\d+)?", said)
        if not number:
            raise ValueError(f"the judge's answer has no number: {said!r}")
        return float(number.group())
    return reward


# ---- the stream -------------------------------------------------------------------------------------

def scored(record, reward, a):
    """The record with its reward raised; a caption without rewards cannot be."""
    value = float(reward(record))
    if value != value or abs(value) == float("inf"):
        raise ValueError(f"the reward is {value}")
    group = record["reward"]
    return record | {"reward": group | {"parts": {**group.get("parts", {}), a.name: value}, "returns": [x + a.weight * value for x in group["returns"]]}}


def run(reward, a, file, out):
    """The exit status."""
    status, failed = 0, 0
    params = {"name": a.name, "weight": a.weight} | ({"prompt": a.prompt, "judge": a.model, "image": a.image} if a.judge else {})
    inputs = [] if a.judge else [{"role": "score", "digest": xxhash.xxh3_64_hexdigest(open(a.source, "rb").read())}]
    for kind, record in vlrm_stream.read(file):
        if kind == "header":
            failed = 0
            out.put({"vlrm": 1, "stage": "score", "version": "1", "params": params, "inputs": inputs, "upstream": record})
        elif kind == "end":
            end = record["end"]
            mine = max(end["status"], FAILED if failed else 0, key=STRENGTH.index)
            out.seal("end", end | {"failed": failed, "filtered": 0, "status": mine, "upstream_failed": end.get("upstream_failed", 0) + end["failed"]})
            status = max(status, mine, key=STRENGTH.index)
        elif kind == "batch":
            out.seal("batch", record["batch"])
        elif kind == "data" and "reward" in record:
            try:
                record = scored(record, reward, a)
            except Exception as e:
                why = "".join(traceback.format_exception_only(type(e), e)).strip()
                print(f"vlrm score: record {record['id']}: {why}", file=sys.stderr)
                failed += 1
                record = {k: v for k, v in record.items() if k not in ("reward", "value")}
            out.put(record)
        else:
            out.put(record)
    return status


def main():
    ap = argparse.ArgumentParser(prog="vlrm score", usage="vlrm score FILE.py|URL [options] < rewarded.vlrm > scored.vlrm; see vlrm score --help")
    ap.add_argument("source")
    ap.add_argument("--model", default="judge")
    ap.add_argument("--prompt", default=PROMPT)
    ap.add_argument("--image", action="store_true")
    ap.add_argument("--timeout", type=float, default=60)
    ap.add_argument("--weight", type=float, default=1)
    ap.add_argument("--name")
    a = ap.parse_args()
    a.judge = "://" in a.source
    a.name = a.name or ("judge" if a.judge else os.path.splitext(os.path.basename(a.source))[0])
    reward = judge_of(a) if a.judge else function_of(a.source)
    out = Writer(sys.stdout.buffer)
    try:
        sys.exit(run(reward, a, sys.stdin.buffer, out))
    except vlrm_stream.Corrupt as e:
        die(f"<stdin>: {e}", CORRUPT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(CLOSED)  # a reader that is gone is no failure of ours


main()
