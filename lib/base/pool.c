/*
 * The pool of threads; see pool.h. Idle threads spin briefly, then sleep: decode steps follow one another within microseconds.
 *
 * The caller waits for those helpers alone that have entered its round. One that still sleeps, or that the system keeps from a
 * processor (it may have put both on the same), would take longer to come than a small round takes in all: then the caller does
 * the parts itself, closes the round, and the helper finds it closed.
 */
#include "base/pool.h"

#include <errno.h>
#include <immintrin.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/msg.h"
#include "base/options/options.h"
#include "base/progress.h"

enum { SPINS = 4000 };
#define OPEN 0x80000000u /* of pool.inside: helpers may enter */

static struct {
    int threads;
    pthread_mutex_t lock;
    pthread_cond_t wake, left;
    atomic_uint round;  /* raised for each pool_run */
    atomic_uint inside; /* helpers in this round, and OPEN */
    atomic_size_t next; /* next part to take */
    atomic_bool waits;  /* the caller does, on `left` */
    int sleeping;       /* helpers waiting on `wake`, under lock */
    void (*work)(void *, size_t);
    void *context;
    size_t parts;
} pool = {.threads = 1, .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .left = PTHREAD_COND_INITIALIZER};

void flush_denormals(void)
{
    _mm_setcsr(_mm_getcsr() | 0x8040); /* FTZ | DAZ */
}

static void take_parts(void)
{
    size_t part;
    while ((part = atomic_fetch_add(&pool.next, 1)) < pool.parts)
        pool.work(pool.context, part);
}

static void wait_for_round(unsigned seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&pool.round, memory_order_acquire) != seen)
            return;
        _mm_pause();
    }
    pthread_mutex_lock(&pool.lock);
    pool.sleeping++;
    while (atomic_load(&pool.round) == seen)
        pthread_cond_wait(&pool.wake, &pool.lock);
    pool.sleeping--;
    pthread_mutex_unlock(&pool.lock);
}

/* Into the round that is open now, if one is. */
static bool enter(void)
{
    unsigned inside = atomic_load(&pool.inside);
    while (inside & OPEN)
        if (atomic_compare_exchange_weak(&pool.inside, &inside, inside + 1))
            return true;
    return false;
}

/* The last one out of a closed round wakes the caller. */
static void leave(void)
{
    if (atomic_fetch_sub(&pool.inside, 1) != 1 || !atomic_load(&pool.waits))
        return;
    pthread_mutex_lock(&pool.lock);
    pthread_cond_signal(&pool.left);
    pthread_mutex_unlock(&pool.lock);
}

static void *helper(void *unused)
{
    (void)unused;
    flush_denormals();
    for (unsigned seen = 0;;) {
        wait_for_round(seen);
        seen = atomic_load(&pool.round);
        if (enter()) {
            take_parts();
            leave();
        }
    }
    return NULL;
}

/* After it no helper works on the round, and none will. The caller sleeps rather than yields: a yielding thread may keep a helper
 * from the processor for as long as a scheduler's slice. */
static void close_round(void)
{
    atomic_fetch_and(&pool.inside, ~OPEN);
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&pool.inside, memory_order_acquire) == 0)
            return;
        _mm_pause();
    }
    pthread_mutex_lock(&pool.lock);
    atomic_store(&pool.waits, true);
    while (atomic_load(&pool.inside) > 0)
        pthread_cond_wait(&pool.left, &pool.lock);
    atomic_store(&pool.waits, false);
    pthread_mutex_unlock(&pool.lock);
}

/* Slurm says in the environment what a task was given, also where it pins nobody to it. */
static int usable_cpus(void)
{
    cpu_set_t set;
    int64_t given;
    const char *slurm = getenv("SLURM_CPUS_PER_TASK");
    int cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    return slurm && parse_int(slurm, 1, cpus, &given) ? (int)given : cpus;
}

void pool_init(int threads)
{
    if (pool.threads > 1)
        bug("pool_init called twice");
    flush_denormals();
    if (threads <= 0)
        threads = usable_cpus();
    progress_threads(threads);
    for (int i = 1; i < threads; i++) {
        pthread_t t;
        errno = pthread_create(&t, NULL, helper, NULL);
        if (errno == EAGAIN)
            die_status(STATUS_MEMORY, "out of memory for thread %d of %d, or more threads than the system allows", i + 1,
                       threads);
        if (errno != 0)
            die("start thread %d of %d:", i + 1, threads);
        pthread_detach(t);
    }
    pool.threads = threads;
}

int pool_threads(void)
{
    return pool.threads;
}

void pool_run(void (*work)(void *, size_t), void *context, size_t parts)
{
    if (pool.threads == 1 || parts <= 1) {
        for (size_t i = 0; i < parts; i++)
            work(context, i);
        return;
    }
    pool.work = work;
    pool.context = context;
    pool.parts = parts;
    atomic_store(&pool.next, 0);
    atomic_store(&pool.inside, OPEN);
    pthread_mutex_lock(&pool.lock);
    atomic_fetch_add(&pool.round, 1);
    if (pool.sleeping > 0)
        pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
    take_parts();
    close_round();
}
