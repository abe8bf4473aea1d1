/* Following a published policy; see follow.h. */
#include "rollout/follow.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/signals.h"

enum { POLL_MILLISECONDS = 20 };

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

/* Whether dir is one policy (a step folder) rather than the folder they are published in. */
static bool is_one_policy(const char *dir)
{
    char *config = path_join(dir, "config.json");
    bool found = access(config, F_OK) == 0;
    free(config);
    return found;
}

FollowResult follow_batch(Follow *f, Captioner *c, int64_t index, Error *err)
{
    if (!f->dir)
        return FOLLOW_READY;
    if (is_one_policy(f->dir)) {
        f->has_policy = f->has_policy || policy_apply(&f->applied, c, f->base, f->dir, err);
        return f->has_policy ? FOLLOW_READY : FOLLOW_FAILED;
    }
    int64_t wanted = index > f->lag ? index - f->lag : 0, latest;
    do {
        if (!policy_latest(f->dir, &latest, err))
            return FOLLOW_FAILED;
        if (latest > index)
            return FOLLOW_CONSUMED;
    } while (latest < wanted && wait_a_little());
    if (latest < wanted)
        return FOLLOW_ENDED;
    if (f->has_policy && f->applied.info.step == wanted)
        return FOLLOW_READY;
    char *folder = step_folder(f->dir, wanted);
    f->has_policy = policy_apply(&f->applied, c, f->base, folder, err);
    free(folder);
    return f->has_policy ? FOLLOW_READY : FOLLOW_FAILED;
}

const char *follow_digest(const Follow *f)
{
    return f->has_policy ? f->applied.info.digest : f->base;
}

int64_t follow_step(const Follow *f)
{
    return f->has_policy ? f->applied.info.step : -1;
}
