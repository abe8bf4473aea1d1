#!/usr/bin/python3
"""Every system call of every program that can fail is failed once at each place (inject.c); see jobs.py for the jobs and the judgement.

    tests/faults/syscalls.py                       a sample, as many as FAULTS_SECONDS allow; FAULTS_SEED says which
    tests/faults/syscalls.py --whole [JOB...]      every place, and a table at the end
    tests/faults/syscalls.py --place JOB CALL ERROR N    one of them, and what came of it

Speaks TAP, a test a job. ERROR is an errno's name, or KILL: a SIGKILL in its stead. What the loader and libraries do before a
program begins is left out. A place that a disturbed run does not come to is counted apart.
"""
import collections
import concurrent.futures
import errno
import os
import platform
import random
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import jobs

BUDGET = float(os.environ.get("FAULTS_SECONDS", "80"))
RECIPE_PLACES = 200  # of a recipe's tens of thousands, most of them the shell's
WORKERS = int(os.environ.get("JOBS") or len(os.sched_getaffinity(0)))

ERRORS = {
    "openat open creat": "EMFILE EACCES",
    "read pread64 readv preadv": "EIO EINTR",
    "write pwrite64 writev pwritev": "ENOSPC EINTR KILL",
    "close": "EIO",
    "fsync fdatasync": "EIO ENOSPC KILL",
    "rename renameat renameat2": "EIO ENOSPC EACCES KILL",
    "link linkat symlink symlinkat mkdir mkdirat mkfifo mknodat": "ENOSPC EACCES KILL",
    "unlink unlinkat rmdir": "EIO EACCES KILL",
    "ftruncate fallocate": "EIO ENOSPC KILL",
    "lseek": "ESPIPE",
    "stat lstat fstat newfstatat statx access faccessat faccessat2 readlink readlinkat": "EIO EACCES",
    "getdents64 ioctl statfs fstatfs copy_file_range sendfile chmod fchmod fchmodat utimensat": "EIO",
    "flock fcntl": "EINTR ENOLCK",
    "pipe pipe2 dup dup2 dup3 socket socketpair memfd_create epoll_create1 eventfd2 landlock_create_ruleset": "EMFILE",
    "mmap mremap mprotect": "ENOMEM",
    "clone clone3 fork vfork": "EAGAIN",
    "poll ppoll select pselect6 wait4 waitid nanosleep clock_nanosleep": "EINTR",
    "getcwd landlock_add_rule landlock_restrict_self seccomp": "EINVAL",
}
ERRORS = {call: errors.split() for calls, errors in ERRORS.items() for call in calls.split()}


def call_numbers():
    """{number: name} of this machine's system calls."""
    text = subprocess.run(["cc", "-E", "-dM", "-include", "sys/syscall.h", "-x", "c", os.devnull], capture_output=True, text=True, check=True)
    return {n: name for name, n in re.findall(r"^#define __NR_(\w+) (\d+)$", text.stdout, re.M)}


NAMES = call_numbers()
NUMBERS = {name: n for n, name in NAMES.items()}


class Place(collections.namedtuple("Place", "job call error n")):
    def __str__(self):
        return f"{self.job.name} {self.call} {self.error} {self.n}"


def places_of(job, log):
    """The places of a job, from the log of an undisturbed run."""
    with open(log) as f:
        calls = f.read().split()
    begun = calls.index("main")
    total, before = collections.Counter(calls), collections.Counter(calls[:begun])
    return [Place(job, NAMES[call], error, n) for call in sorted(total) for error in ERRORS.get(NAMES.get(call), [])
            if error != "KILL" or job.keeps for n in range(before[call] + 1, total[call] + 1)]


class Job:
    """A job with what its undisturbed run gave."""

    def __init__(self, workplace, job):
        self.workplace, self.job = workplace, job
        work = workplace.fresh(job, job.name)
        self.before = jobs.snapshot(work)
        begun = time.monotonic()
        self.clean = workplace.run(job, work)
        self.seconds = time.monotonic() - begun
        if self.clean.status not in (0, 7):
            raise SystemExit(f"{job.name}: ends with status {self.clean.status} undisturbed: {self.clean.stderr}")
        workplace.remove(job.name)
        log = os.path.join(workplace.folder, job.name + ".log")
        counted = workplace.run(job, workplace.fresh(job, job.name), [workplace.inject, log, "0", "0", "0"])
        wrong = jobs.judge(job, self.clean, self.before, counted)
        if wrong or counted.status != self.clean.status:
            raise SystemExit(f"{job.name}: two undisturbed runs differ: status {counted.status}: {wrong}")
        workplace.remove(job.name)
        self.places = places_of(job, log)

    def disturb(self, place):
        """What came of a fault there: (kind, text); kind is right, clean, unreached or broken."""
        name = str(place).replace(" ", "-")
        log = os.path.join(self.workplace.folder, name + ".log")
        work = self.workplace.fresh(self.job, name)
        number = "0" if place.error == "KILL" else str(getattr(errno, place.error))
        o = self.workplace.run(self.job, work, [self.workplace.inject, log, NUMBERS[place.call], number, str(place.n)])
        with open(log) as f:
            hit = f.read().strip()
        if not hit:
            self.workplace.remove(name)
            return "unreached", ""
        killed = place.error == "KILL"
        wrong = jobs.judge(self.job, self.clean, self.before, o, killed)
        if wrong and re.match(f"failed ({NUMBERS['write']}|{NUMBERS['writev']})\\(2,", hit) and "without a reason" in wrong:
            wrong = None  # it could not be said
        if not wrong and self.job.keeps:
            wrong = jobs.judge_again(self.job, self.clean, self.workplace.run(self.job, work, more=self.job.again))
            if wrong and "left over" in wrong and place.call.startswith("unlink"):
                wrong = None
        self.workplace.remove(name)
        os.unlink(log)
        if wrong:
            return "broken", f"{wrong}\n#   {hit}\n#   said {o.stderr.strip()[-300:]!r}"
        return ("right" if o.status == self.clean.status else "clean"), jobs.message_of(self.job, o.stderr) or ""


def not_allowed(inject):
    """Why this cannot be done here, or None."""
    if platform.machine() != "x86_64":
        return "inject.c is for x86-64"
    p = subprocess.run([inject, os.devnull, "0", "0", "0", "true"], capture_output=True, text=True)
    return None if p.returncode == 0 else f"no process may be traced here: {p.stderr.strip()}"


def compile_inject(folder):
    path = os.path.join(folder, "inject")
    subprocess.run(["cc", "-std=c17", "-D_GNU_SOURCE", "-O1", "-o", path, os.path.join(os.path.dirname(os.path.abspath(__file__)), "inject.c")],
                   check=True)
    return path


def shuffled(j, seed):
    places = list(j.places)
    random.Random(f"{seed} {j.job.name}").shuffle(places)
    return places


def sample(j, seed, n_jobs):
    """The places of this job that its part of the budget allows."""
    each = (j.seconds + 0.15) * (2 if j.job.keeps else 1)
    return shuffled(j, seed)[:max(3, int(BUDGET * WORKERS / n_jobs / each))]


def one_place(w, name, call, error, n):
    j = Job(w, next(job for job in jobs.JOBS if job.name == name))
    kind, text = j.disturb(Place(j.job, call, error, int(n)))
    print(f"{kind}: {text}")
    return kind == "broken"


def table(rows):
    print(f"# {'job':18} {'calls':>6} {'places':>7} {'right':>6} {'clean':>6} {'unreached':>9} {'broken':>6}")
    total = collections.Counter()
    for name, calls, places, kinds in rows:
        total.update(kinds, places=places)
        print(f"# {name:18} {calls:6} {places:7} {kinds['right']:6} {kinds['clean']:6} {kinds['unreached']:9} {kinds['broken']:6}")
    print(f"# {'all':18} {'':6} {total['places']:7} {total['right']:6} {total['clean']:6} {total['unreached']:9} {total['broken']:6}")


def many_places(w, whole, names):
    # A sample is of programs: most calls of a recipe are bash's own, whose faults are not ours to bear.
    chosen = [job for job in jobs.JOBS if (job.name in names if names else whole or not job.recipe)]
    seed = os.environ.get("FAULTS_SEED", "1")
    print(f"1..{len(chosen)}\n# " + ("every place, of recipes a sample" if whole else "a sample") + f": FAULTS_SEED={seed}")
    rows, failed = [], 0
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for i, job in enumerate(chosen, 1):
            j = Job(w, job)
            places = sample(j, seed, len(chosen)) if not whole else shuffled(j, seed)[:RECIPE_PLACES] if job.recipe else j.places
            kinds, broken = collections.Counter(), []
            for place, (kind, text) in zip(places, pool.map(j.disturb, places)):
                kinds[kind] += 1
                if kind == "broken":
                    broken.append(f"# --place {place}: {text}")
            failed += bool(broken)
            print(f"{'not ' if broken else ''}ok {i} - {job.name}: {len(places)} of {len(j.places)} places", *broken, sep="\n", flush=True)
            rows.append((job.name, len({p.call for p in j.places}), len(places), kinds))
    table(rows)
    return failed > 0


def main(words):
    with jobs.Workplace() as w:
        w.inject = compile_inject(w.folder)
        reason = not_allowed(w.inject)
        if reason:
            print(f"1..1\nok 1 - faults of system calls # SKIP {reason}")
            return 0
        if words[:1] == ["--place"]:
            return one_place(w, *words[1:])
        whole = words[:1] == ["--whole"]
        return many_places(w, whole, words[whole:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
