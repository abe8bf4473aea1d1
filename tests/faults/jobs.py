"""Small jobs, at least one for every program: what tests/faults injects faults into, and how an end is judged.

A job runs in a fresh folder, beside a folder `in` with models, photos, a clip and streams. A fault is borne well when the program

  - ends by itself, in time, with a documented status, and leaves no process behind;
  - with the status of an undisturbed run: has written the same bytes, to stdout and to every file;
  - with another one: has said why on stderr, and every file under a final name is as it was before or as an undisturbed run has
    it (but for files that grow, of which the next run knows how much holds);
  - run once more without a fault: ends as if nothing had been, and no temporary file is left.
"""
import fnmatch
import os
import re
import shutil
import signal
import subprocess
import tempfile
from typing import NamedTuple

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("BIN", os.path.join(ROOT, "bin"))
STATUSES = {0, 1, 2, 3, 4, 5, 6, 7, 8, 75}  # vlrm(7)
SECONDS = 60  # longer is a hang; a job takes well under one


class Job(NamedTuple):
    name: str
    command: str  # its words; the first is the program
    stdin: str = ""  # a file
    begin: str = ""  # the folder of `in` that it starts from, for a run that goes on
    grows: tuple = ()  # patterns of files that an interrupted run may leave in between
    keeps: bool = False  # it leaves files: run again after a fault
    once: tuple = ()  # patterns of files that tell of one run alone: the run after a fault has less to tell
    again: str = ""  # words that the run after a fault has besides: what failed is tried again only when asked for

    @property
    def recipe(self):
        return self.command.startswith("vlrm ")

    @property
    def statuses(self):
        """How it may end: a recipe as the stage that failed, which may be a shell's or one that could not be started."""
        return STATUSES | ({126, 127, *range(129, 160)} if self.recipe else set())


RUN = ("run/metrics.jsonl", "run/consumed", "run/config.json", "run/policy/latest")
UPDATE = "vlrm-update --model ../in/blip2 --off-policy --batch 2 --value-head linear --run run ../in/rewarded.vlrm"
EXTRACT = "vlrm-extract --jobs 1 --size 32 --append frames.vlrm --journal frames.journal --resume ../in/clip.mp4 ../in/photos"
APPEND = ("frames.vlrm", "frames.journal")
EVAL = "vlrm-eval --clip ../in/clip --bootstrap 0 ../in/captions.vlrm"

JOBS = [
    Job("extract", "vlrm-extract --jobs 1 --max 2 ../in/clip.mp4 ../in/photos"),
    Job("extract-tar", "vlrm-extract --jobs 1 ../in/photos.tar"),
    Job("extract-append", EXTRACT, grows=APPEND, keeps=True, again="--retry failed"),
    Job("extract-resume", EXTRACT, begin="appended", grows=APPEND, keeps=True, again="--retry failed"),
    Job("extract-again", "vlrm-extract --again ../in/bare.vlrm"),
    Job("rollout", "vlrm-rollout --model ../in/blip2 --greedy --max-new-tokens 4 ../in/frames.vlrm"),
    Job("rollout-policy", "vlrm-rollout --model ../in/blip2 --policy ../in/begun/run/policy/step-000001 --sample --features --max-new-tokens 4",
        stdin="frames.vlrm"),
    Job("reward", "vlrm-reward --model ../in/blip2 --itm ../in/itm ../in/captions.vlrm"),
    Job("reward-phi", "vlrm-reward --model ../in/blip2 --no-ref --itm ../in/itm --clip ../in/clip --batch 2", stdin="captions.vlrm"),
    Job("update", UPDATE, grows=RUN, keeps=True),
    Job("update-resume", UPDATE, begin="begun", grows=RUN, keeps=True),
    Job("update-xe", "vlrm-update --model ../in/blip2 --objective xe --batch 4 --train lora-llm --run run --record seen.vlrm --tensorboard events",
        stdin="captions.vlrm", grows=RUN + ("events/*", "seen.vlrm"), once=("seen.vlrm",), keeps=True),
    Job("eval", EVAL + " --itm ../in/itm"),
    Job("eval-cache", EVAL + " --cache cache --per-image each.jsonl --output report.json", grows=("cache/*",), keeps=True),
    Job("cat", "vlrm-cat ../in/rewarded.vlrm"),
    Job("cat-from-json", "vlrm-cat --from=json", stdin="captions.jsonl"),
    Job("cat-save-images", "vlrm-cat --save-images images ../in/frames.vlrm", keeps=True),
    Job("cmp", "vlrm-cmp ../in/captions.vlrm ../in/rewarded.vlrm"),
    Job("diff", "vlrm-diff ../in/rewarded.vlrm -", stdin="rewarded.vlrm"),
    Job("report", "vlrm-report ../in/begun/run --model ../in/blip2 --captions ../in/rewarded.vlrm"),
    Job("doctor", "vlrm-doctor --json --golden ../in/golden"),
    Job("ngrams", "vlrm-ngrams --judged ../in/judged.jsonl --list list.txt ../in/stepped.vlrm"),
    Job("gallery", "vlrm-gallery --model ../in/blip2 ../in/rewarded.vlrm"),
    Job("ballot", "vlrm-ballot ../in/captions.vlrm ../in/others.jsonl"),
    Job("explain", "vlrm-explain --model ../in/blip2 ../in/rewarded.vlrm"),
    Job("tokenize", "vlrm-tokenize ../in/blip2", stdin="texts"),
    Job("top", "vlrm-top --show rows ../in/begun/run"),
    Job("weights-list", "vlrm-weights list ../in/itm"),
    Job("weights-digest", "vlrm-weights digest ../in/state.pt"),
    Job("weights-convert", "vlrm-weights convert ../in/itm --dtype f16 --out half.safetensors", keeps=True),
    Job("weights-export", "vlrm-weights export --base ../in/blip2 --policy ../in/begun/run/policy/step-000001 --out exported", keeps=True),
    Job("weights-random", "vlrm-weights random --shape itm-tiny --out made", keeps=True),
    Job("world-render", "vlrm-world-render --clips 1 --size 32 --threads 1 --out clips", keeps=True),
    Job("world-captions", "vlrm-world-captions --truth ../in/world --kind short ../in/world.vlrm"),
    Job("world-score", "vlrm-world-score --truth ../in/world ../in/told.vlrm"),
    Job("world-pretrain", "vlrm-world-pretrain --lesson see --steps 1 --batch 2 --model model --truth ../in/world ../in/world.vlrm",
        begin="pupil", grows=("model/*",), keeps=True),
    Job("caption", "vlrm caption --model ../in/blip2 --greedy --max-new-tokens 4 ../in/photos/0000.png"),
    Job("train", "vlrm train --model ../in/blip2 --itm ../in/itm --batch 4 --max-steps 1 --value-head linear --max-new-tokens 4 --run run ../in/photos",
        grows=RUN + ("run/logs/*", "run/train.json"), keeps=True),
]

PREPARE = r"""
ln -s "$ROOT"/tests/golden/oracle/tiny/{blip2,itm,clip} .
cp "$ROOT"/tests/golden/models/torch/state.pt .
ln -s "$ROOT"/share/doctor golden
mkdir photos
cp "$ROOT"/tests/golden/oracle/tiny/f64/images/000[0-3].png photos/
tar --sort=name --mtime=@0 -cf photos.tar -C photos 0000.png 0001.png
ffmpeg -v error -f lavfi -i testsrc2=size=64x48:rate=10:duration=1 -pix_fmt yuv420p -c:v libx264 -g 4 clip.mp4 </dev/null
printf '%s\n' '"a cat on a mat"' '"two dogs"' > texts
cd "$ROOT/tests/golden/oracle/tiny/f64"
head -n 4 captions.jsonl | jq -c '.frame.path = "../in/photos/" + (.frame.path | split("/") | last)' > "$IN/captions.jsonl"
cd "$IN"
mkdir work; cd work
vlrm-cat --from=json ../captions.jsonl > ../captions.vlrm
ln -s . ../in # as jobs see it
vlrm-extract --jobs 1 --size 32 ../in/photos > ../frames.vlrm
vlrm-extract --jobs 1 --max 2 ../in/clip.mp4 ../in/photos.tar | vlrm-cat --bin=omit | vlrm-cat --from=json > ../bare.vlrm
vlrm-reward --model ../in/blip2 --itm ../in/itm ../in/captions.vlrm > ../rewarded.vlrm
jq -c '.caption.text += ", too"' ../captions.jsonl > ../others.jsonl
vlrm-eval --clip ../in/clip --bootstrap 0 --per-image ../judged.jsonl ../in/rewarded.vlrm > ../report.json
vlrm-cat ../in/rewarded.vlrm | jq -c 'select(.id) | .caption.step = 1' | vlrm-cat --from=json > ../stepped.vlrm
vlrm-world-render --clips 1 --size 32 --out ../world
vlrm-extract ../in/world/*.mp4 > ../world.vlrm
vlrm-world-captions --truth ../in/world --kind short ../in/world.vlrm > ../told.vlrm
mkdir ../begun ../appended ../pupil
cd ../begun; $UPDATE --max-steps 1 > /dev/null
cd ../appended; vlrm-extract --jobs 1 --size 32 --append frames.vlrm --journal frames.journal ../in/clip.mp4
cd ../pupil; vlrm-weights random --shape blip2-mini --out model
"""

# Figures of the machine and of the moment, and what follows from them.
VOLATILE = re.compile(rb'"(?:seconds|images_per_second|peak_memory_mib|activations_mib|metrics_bytes)": ?(?:[0-9.e+-]+|\{[^}]*\})|"state": ?"[0-9a-f]{16}"|"says": ?"[^"]*"')


class Outcome(NamedTuple):
    status: int  # -N: ended by signal N; None: it had to be stopped
    stdout: bytes
    stderr: str
    files: dict  # path: its bytes, or where it points
    left_behind: int = 0  # processes


def environment(**more):
    return {**os.environ, "PATH": BIN + ":" + os.environ["PATH"], "LC_ALL": "C.UTF-8", "VLRM_THREADS": "1", "VLRM_GRACE_SECONDS": "1",
            "VLRM_STOP_SECONDS": "5", "OPENBLAS_NUM_THREADS": "1", **more}


def snapshot(folder):
    files = {}
    for path, _, names in os.walk(folder):
        for name in names:
            file = os.path.join(path, name)
            key = os.path.relpath(file, folder)
            if os.path.islink(file):
                files[key] = os.readlink(file).encode()
            else:
                with open(file, "rb") as f:
                    files[key] = VOLATILE.sub(b"", f.read())
    return {k: v for k, v in files.items() if not any(fnmatch.fnmatch(k, p) for p in ("*lock", "*.tfevents.*", "*/logs/*", "*/status/*"))}


def is_temporary(name):
    return ".writing" in name


class Workplace:
    """A scratch folder with the prepared inputs; jobs run in it, several at a time. For `with`."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="vlrm-faults-")
        self.inputs = os.path.join(self.folder, "in")
        os.mkdir(self.inputs)
        script = subprocess.run(["bash", "-euo", "pipefail", "-c", PREPARE], cwd=self.inputs, capture_output=True, text=True,
                                env=environment(ROOT=ROOT, IN=self.inputs, UPDATE=UPDATE))
        if script.returncode != 0:
            shutil.rmtree(self.folder)
            raise SystemExit(f"the inputs of the jobs could not be made: {script.stderr}")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def fresh(self, job, run):
        """A folder to run the job in, as it begins. `run` names it."""
        place = os.path.join(self.folder, run)
        os.makedirs(place)
        os.symlink("../in", os.path.join(place, "in"))
        work = os.path.join(place, "work")
        if job.begin:
            shutil.copytree(os.path.join(self.inputs, job.begin), work, symlinks=True)
        else:
            os.mkdir(work)
        return work

    def run(self, job, work, wrapper=(), more="", **variables):
        """Runs the job in that folder; wrapper: words before its command, more: behind it."""
        command = (job.command + " " + more).split()
        mark = work  # in the environment of all that the job starts
        with open(os.path.join(self.inputs, job.stdin) if job.stdin else os.devnull, "rb") as stdin:
            p = subprocess.Popen([*wrapper, os.path.join(BIN, command[0]), *command[1:]], cwd=work, stdin=stdin, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, start_new_session=True, env=environment(FAULTS_MARK=mark, **variables))
            try:
                out, err = p.communicate(timeout=SECONDS)
                status = p.returncode
            except subprocess.TimeoutExpired:
                kill_marked(mark)
                out, err = p.communicate()
                status = None
        return Outcome(status, VOLATILE.sub(b"", out), err.decode(errors="replace"), snapshot(work), kill_marked(mark))

    def remove(self, run):
        shutil.rmtree(os.path.join(self.folder, run))


def kill_marked(mark):
    """Ends every process of that run, whatever group it is in; how many there were."""
    found, needle = 0, b"FAULTS_MARK=" + mark.encode() + b"\0"
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                if needle in f.read():
                    os.kill(int(pid), signal.SIGKILL)
                    found += 1
        except OSError:
            pass  # another user's, or gone by now
    return found


def message_of(job, stderr):
    """The first line that a program of the suite has written with something in it, or None. Of a recipe, which bash reads, that may
    be bash's: what it cannot read, map or start it names itself."""
    ours = r"vlrm[a-z -]*"
    if job.command.startswith("vlrm "):
        ours += r"|(?:\S*/)?bash|/\S+\.sh|/\S+/vlrm"
    return next((m[0] for m in re.finditer(rf"^(?:{ours}): \S.*[^\s:]$", stderr, re.M)), None)


def judge(job, clean, before, o, killed=False):
    """What is wrong with the way in which a disturbed run ended; None: nothing. before: the files it began with."""
    if o.status is None:
        return f"hung: stopped after {SECONDS} s"
    if o.left_behind:
        return f"left {o.left_behind} processes behind"
    if not killed and o.status not in job.statuses:
        return f"ended by {signal.Signals(-o.status).name}" if o.status < 0 else f"ended with status {o.status}"
    if o.status == clean.status and (o.status == 0 or message_of(job, o.stderr) is None):
        wrong = sorted(k for k in {*o.files, *clean.files} if o.files.get(k) != clean.files.get(k) and not is_temporary(k))
        if o.stdout != clean.stdout:
            return f"status {o.status}, but stdout differs: {len(o.stdout)} bytes for {len(clean.stdout)}"
        return f"status {o.status}, but other files: {' '.join(wrong)}" if wrong else None
    if not killed and message_of(job, o.stderr) is None:
        return f"status {o.status} without a reason: {o.stderr.strip()[-200:]!r}"
    for name, data in o.files.items():
        if is_temporary(name) or data in (before.get(name), clean.files.get(name)) or any(fnmatch.fnmatch(name, g) for g in job.grows):
            continue
        return f"status {o.status}, and {name} is neither as before nor whole ({len(data)} bytes)"
    return None


def judge_again(job, clean, o):
    """The same of the run after it, which was not disturbed."""
    if o.status != clean.status:
        return f"run again: status {o.status}: {o.stderr.strip()[-300:]}"
    found, expected = ({**o.files}, {**clean.files})
    if job.again:  # what failed comes later than it would have: the same frames in another order
        found, expected = ({k: frames_of(v) if k == "frames.vlrm" else b"" for k, v in f.items()} for f in (found, expected))
    wrong = sorted(k for k in {*found, *expected} if found.get(k) != expected.get(k) and not any(fnmatch.fnmatch(k, p) for p in job.once))
    return f"run again: {'left over' if all(map(is_temporary, wrong)) else 'other files'}: {' '.join(wrong)}" if wrong else None


def frames_of(stream):
    """The records of a stream, as sorted lines."""
    p = subprocess.run([os.path.join(BIN, "vlrm-cat"), "--bin=base64"], input=stream, capture_output=True, check=True)
    return sorted(line for line in p.stdout.splitlines() if line.startswith(b'{"id"'))
