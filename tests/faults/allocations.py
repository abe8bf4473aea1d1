#!/usr/bin/python3
"""Every allocation of every program, its libraries' included, is failed once, by a preloaded malloc; see jobs.py for the jobs and the
judgement. On top of that: what could not be had ends the program with status 8 and says "out of memory", or the result is right.

    tests/faults/allocations.py                      a sample, as many as FAULTS_SECONDS allow; FAULTS_SEED says which
    tests/faults/allocations.py --whole [JOB...]     every place that allocates, and a table at the end
    tests/faults/allocations.py --every [JOB...]     every allocation: hours
    tests/faults/allocations.py --place JOB N        the N-th alone, and what came of it

Speaks TAP, a test a job. A place is where an allocation is called from, twelve calls up; it is failed the first time.
"""
import collections
import concurrent.futures
import os
import random
import sys
import time

sys.dont_write_bytecode = True
import jobs  # noqa: E402

BUDGET = float(os.environ.get("FAULTS_SECONDS", "30"))
WORKERS = int(os.environ.get("JOBS") or len(os.sched_getaffinity(0)))
MALLOC = os.path.join(jobs.ROOT, "build/release/tests/faults/allocations.so")
NO_MEMORY = 8


class Job:
    """A job with what its undisturbed run gave, and the numbers of its allocations that are to fail."""

    def __init__(self, workplace, job, every=False):
        self.workplace, self.job = workplace, job
        work = workplace.fresh(job, job.name)
        self.before = jobs.snapshot(work)
        log = os.path.join(workplace.folder, job.name + ".places")
        begun = time.monotonic()
        self.clean = workplace.run(job, work, LD_PRELOAD=MALLOC, ALLOC_PLACES=log, **({"ALLOC_EVERY": "1"} if every else {}))
        self.seconds = time.monotonic() - begun
        if self.clean.status not in (0, 7):
            raise SystemExit(f"{job.name}: ends with status {self.clean.status} undisturbed: {self.clean.stderr}")
        workplace.remove(job.name)
        with open(log) as f:
            self.places = [int(line) for line in f]

    def disturb(self, n):
        """What came of it when allocation n failed: (kind, text); kind is right, clean, unreached or broken."""
        name = f"{self.job.name}-{n}"
        hit = os.path.join(self.workplace.folder, name + ".hit")
        work = self.workplace.fresh(self.job, name)
        o = self.workplace.run(self.job, work, LD_PRELOAD=MALLOC, ALLOC_FAIL=str(n), ALLOC_HIT=hit)
        if not os.path.exists(hit) or os.path.getsize(hit) == 0:
            self.workplace.remove(name)
            return "unreached", ""
        wrong = jobs.judge(self.job, self.clean, self.before, o)
        if not wrong and o.status != self.clean.status and (o.status != NO_MEMORY or "out of memory" not in o.stderr):
            wrong = f"ended with status {o.status}, not {NO_MEMORY}"
        if not wrong and self.job.keeps:
            wrong = jobs.judge_again(self.job, self.clean, self.workplace.run(self.job, work, more=self.job.again))
        self.workplace.remove(name)
        with open(hit, errors="replace") as f:
            where = " ".join(line.split("(")[-1].split(")")[0] or line.strip() for line in f.readlines()[2:9])
        os.unlink(hit)
        if wrong:
            return "broken", f"{wrong}\n#   at {where}\n#   said {o.stderr.strip()[-300:]!r}"
        return ("right" if o.status == self.clean.status else "clean"), where


def sample(j, seed, n_jobs):
    """The places of this job that its part of the budget allows."""
    places = list(j.places)
    random.Random(f"{seed} {j.job.name}").shuffle(places)
    each = (j.seconds + 0.05) * (2 if j.job.keeps else 1)
    return places[:max(2, int(BUDGET * WORKERS / n_jobs / each))]


def one_place(name, n):
    with jobs.Workplace() as w:
        kind, text = Job(w, next(job for job in jobs.JOBS if job.name == name)).disturb(int(n))
        print(f"{kind}: {text}")
        return kind == "broken"


def table(rows):
    print(f"# {'job':18} {'failed':>7} {'right':>6} {'clean':>6} {'unreached':>9} {'broken':>6}")
    total = collections.Counter()
    for name, places, kinds in rows:
        total.update(kinds, places=places)
        print(f"# {name:18} {places:7} {kinds['right']:6} {kinds['clean']:6} {kinds['unreached']:9} {kinds['broken']:6}")
    print(f"# {'all':18} {total['places']:7} {total['right']:6} {total['clean']:6} {total['unreached']:9} {total['broken']:6}")


def main(words):
    if not os.path.exists(MALLOC):
        print(f"1..1\nnot ok 1 - {MALLOC} is not built: make tests")
        return 1
    if words[:1] == ["--place"]:
        return one_place(*words[1:])
    whole, every = words[:1] in (["--whole"], ["--every"]), words[:1] == ["--every"]
    names = words[whole:]
    chosen = [job for job in jobs.JOBS if not job.recipe and (not names or job.name in names)]
    seed = os.environ.get("FAULTS_SEED", "1")
    print(f"1..{len(chosen)}\n# " + ("every place" if whole else f"a sample: FAULTS_SEED={seed}"))
    rows, failed = [], 0
    with jobs.Workplace() as w, concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for i, job in enumerate(chosen, 1):
            j = Job(w, job, every)
            places = j.places if whole else sample(j, seed, len(chosen))
            kinds, broken = collections.Counter(), []
            for n, (kind, text) in zip(places, pool.map(j.disturb, places)):
                kinds[kind] += 1
                if kind == "broken":
                    broken.append(f"# --place {job.name} {n}: {text}")
            if places and kinds["unreached"] == len(places):
                broken.append("# none of them failed: nothing was tried")
            failed += bool(broken)
            print(f"{'not ' if broken else ''}ok {i} - {job.name}: {len(places)} of {len(j.places)} places", *broken, sep="\n", flush=True)
            rows.append((job.name, len(places), kinds))
    table(rows)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
