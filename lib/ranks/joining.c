/* An end for the wait in MPI_Init; see joining.h. */
#include "ranks/joining.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/signals.h"

static const double grace = 5; /* seconds; whoever got the signal too may still be on his way */

struct Joining {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool all_here;
    double patience;
};

/* Waits for a tenth of a second, or until all are here. */
static bool all_here(Joining *j)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 100000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&j->lock);
    while (!j->all_here && pthread_cond_timedwait(&j->changed, &j->lock, &until) != ETIMEDOUT)
        ;
    const bool here = j->all_here;
    pthread_mutex_unlock(&j->lock);
    return here;
}

static void *watch(void *context)
{
    Joining *j = context;
    const double start = seconds_now();
    double asked = INFINITY;
    while (!all_here(j)) {
        const double now = seconds_now();
        if (interrupted() && now < asked)
            asked = now;
        if (now - asked > grace)
            die_status(STATUS_INTERRUPTED, "interrupted before all ranks had come");
        if (j->patience > 0 && now - start > j->patience)
            die("waited %.0f s for the other ranks: not all have come (--patience)", now - start);
    }
    return NULL;
}

Joining *joining_begin(double patience)
{
    sigset_t all, before;
    Joining *j = xcalloc(1, sizeof *j);
    j->patience = patience;
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the others' */
    const int failed = pthread_create(&j->thread, NULL, watch, j);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        die_status(STATUS_MEMORY, "cannot start a thread: %s", strerror(failed));
    return j;
}

void joining_end(Joining *j)
{
    pthread_mutex_lock(&j->lock);
    j->all_here = true;
    pthread_cond_signal(&j->changed);
    pthread_mutex_unlock(&j->lock);
    pthread_join(j->thread, NULL);
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->lock);
    free(j);
}
