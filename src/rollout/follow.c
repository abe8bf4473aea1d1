/* Following a published policy; see follow.h. */
#include "rollout/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/progress.h"
#include "base/signals.h"
#include "learn/policy_place.h"

enum { POLL_MILLISECONDS = 20 };

static const double probe_seconds = 1;

/* Sleeps a little; false when there is no use in waiting: asked to end, or the reader of our output is gone. */
static bool wait_a_little(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    if (poll(&out, 1, POLL_MILLISECONDS) > 0 && (out.revents & (POLLERR | POLLNVAL)))
        return false;
    if (out.revents)
        usleep(POLL_MILLISECONDS * 1000);
    return !interrupted();
}

/* Where there is no run yet, a vlrm-update further down this pipe may begin it; without a pipe nobody will. */
static bool run_may_begin(const char *dir, Error *err)
{
    bool there;
    struct stat out;
    char *run = policy_run(dir);
    bool known = path_exists(run, &there, err);
    bool ok = known && (there || (fstat(STDOUT_FILENO, &out) == 0 && S_ISFIFO(out.st_mode)));
    if (known && !ok)
        error_set(err, "%s: there is no run %s whose policies could be followed; vlrm-update --run %s begins one", dir, run, run);
    free(run);
    return ok;
}

bool follow_open(Follow *f, Captioner *c, Error *err)
{
    if (!f->dir)
        return true;
    PolicyPlace place = policy_place(f->dir, err);
    f->one = place == POLICY_ONE;
    if (f->one)
        return f->has_policy = policy_apply(&f->applied, c, f->base.text, f->dir, err);
    return place == POLICY_PUBLISHED && run_may_begin(f->dir, err);
}

/* Whether a vlrm-update holds the lock of the run that `dir` is the policy of. True where that cannot be told. */
static bool update_at_work(const char *dir)
{
    char *path = path_join(dir, "../update.lock");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool held = fd < 0 ? errno != ENOENT : flock(fd, LOCK_SH | LOCK_NB) != 0;
    if (fd >= 0)
        close(fd);
    free(path);
    return held;
}

/* A wait for a step: when an update was last seen, when to look again. */
typedef struct Wait {
    double seen, next;
} Wait;

static bool patience_lasts(const Follow *f, Wait *w)
{
    double now = seconds_now();
    if (f->patience == 0 || now < w->next)
        return true;
    w->next = now + probe_seconds;
    if (update_at_work(f->dir))
        w->seen = now;
    return now - w->seen < (double)f->patience;
}

static FollowResult nobody_publishes(const Follow *f, int64_t index, int64_t wanted, int64_t latest, Error *err)
{
    char published[64] = "nothing is published";
    if (latest >= 0)
        snprintf(published, sizeof published, "the latest is step %lld", (long long)latest);
    error_set(
        err,
        "%s: batch %lld waits for step %lld, %s, and for %lld s no vlrm-update has been at work there (update.lock beside it is "
        "free); start or restart vlrm-update --run on that run, or let --patience be longer",
        f->dir, (long long)index, (long long)wanted, published, (long long)f->patience);
    return FOLLOW_FAILED;
}

/* Said where the first policy is waited for: whoever mistyped the path sees what for. */
static void say_waiting(const Follow *f)
{
    bool there = false;
    Error none = {0};
    char *run = policy_run(f->dir), *until = f->patience ? xasprintf("for %lld s at most", (long long)f->patience) : NULL;
    if (!path_exists(run, &there, &none) || !there)
        warn("%s is not there: waiting %s for vlrm-update --run %s to begin it (is the path right?)", run, until ? until : "",
             run);
    else
        warn("%s: no policy is published there yet: waiting for vlrm-update --run %s%s%s", f->dir, run,
             until ? ", without one " : "", until ? until : "");
    free(run);
    free(until);
}

FollowResult follow_batch(Follow *f, Captioner *c, int64_t index, Error *err)
{
    if (!f->dir || f->one)
        return FOLLOW_READY;
    int64_t wanted = index > f->lag ? index - f->lag : 0, latest;
    Wait wait = {.seen = seconds_now()};
    progress_wait(PROGRESS_POLICY);
    do {
        if (!policy_latest(f->dir, &latest, err))
            return FOLLOW_FAILED;
        if (latest > index)
            break;
        if (latest < 0 && !f->said_waiting) {
            say_waiting(f);
            f->said_waiting = true;
        }
        if (latest < wanted && !patience_lasts(f, &wait))
            return nobody_publishes(f, index, wanted, latest, err);
    } while (latest < wanted && wait_a_little());
    progress_wait(PROGRESS_WORKS);
    if (latest > index)
        return FOLLOW_CONSUMED;
    if (latest < wanted)
        return FOLLOW_ENDED;
    if (f->has_policy && f->applied.info.step == wanted)
        return FOLLOW_READY;
    char *folder = step_folder(f->dir, wanted);
    f->has_policy = policy_apply(&f->applied, c, f->base.text, folder, err);
    free(folder);
    return f->has_policy ? FOLLOW_READY : FOLLOW_FAILED;
}

const char *follow_digest(const Follow *f)
{
    return f->has_policy ? f->applied.info.digest.text : f->base.text;
}

int64_t follow_step(const Follow *f)
{
    return f->has_policy ? f->applied.info.step : -1;
}
