/*
 * A malloc that fails once, for tests: preloaded, it stands between a program with its libraries and libc's. Built as
 * allocations.so, used by allocations.py.
 *
 *   ALLOC_PLACES=FILE    notes in FILE the number of each allocation that is the first from its place: where it was called from,
 * and where that was, twelve calls up. With ALLOC_EVERY of every one. ALLOC_FAIL=N         fails the N-th allocation, and writes
 * where that was to the file ALLOC_HIT.
 *
 * Allocations are counted from 1, over all threads: malloc, calloc, realloc, memalign, aligned_alloc, posix_memalign, and so
 * strdup, fopen and whatever else comes down to them. What it allocates itself (finding out who called) is not counted.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DEPTH = 14, OWN = 2, SLOTS = 1 << 18 };

extern char **environ;
void *memalign(size_t alignment, size_t size);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool inside;
static long count, fail_at;
static int places = -1, hit_file = -1;
static bool every;
static uint64_t seen[SLOTS]; /* hashes of places; 0: none */

static void begin(void)
{
    static bool begun;
    if (begun || !environ) /* libc is not there yet */
        return;
    begun = true;
    const char *file = getenv("ALLOC_PLACES"), *n = getenv("ALLOC_FAIL"), *where = getenv("ALLOC_HIT");
    every = getenv("ALLOC_EVERY") != NULL;
    if (file)
        places = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (where) /* now: once the program has gone into its sandbox it is too late */
        hit_file = open(where, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (n)
        fail_at = strtol(n, NULL, 10);
    void *caller[1];
    (void)backtrace(caller, 1); /* loads what finds callers, which must not be while the loader is at work itself */
}

/* Whether nothing was allocated from here before. */
static bool is_new(void *const *callers, int n)
{
    uint64_t hash = 0x9e3779b97f4a7c15u;
    for (int i = OWN; i < n; i++)
        hash = (hash ^ (uintptr_t)callers[i]) * 0x100000001b3u;
    hash |= 1;
    size_t at = hash >> 20 & (SLOTS - 1);
    for (int tries = 0; seen[at] != 0 && tries < SLOTS; tries++) {
        if (seen[at] == hash)
            return false;
        at = (at + 1) & (SLOTS - 1);
    }
    seen[at] = hash;
    return true;
}

static void note_place(void)
{
    void *callers[DEPTH];
    if (!every && !is_new(callers, backtrace(callers, DEPTH)))
        return;
    char text[32];
    ssize_t done = write(places, text, (size_t)snprintf(text, sizeof text, "%ld\n", count));
    (void)done;
}

static void note_hit(void)
{
    void *callers[2 * DEPTH];
    if (hit_file >= 0)
        backtrace_symbols_fd(callers, backtrace(callers, 2 * DEPTH), hit_file);
}

/* Counts an allocation; whether it is the one to fail. */
static bool fails(void)
{
    if (inside)
        return false;
    inside = true;
    pthread_mutex_lock(&lock);
    begin();
    bool hit = ++count == fail_at;
    if (places >= 0)
        note_place();
    if (hit)
        note_hit();
    pthread_mutex_unlock(&lock);
    inside = false;
    if (hit)
        errno = ENOMEM;
    return hit;
}

#define NEXT(type, name) \
    static type next;    \
    if (!next)           \
    *(void **)&next = dlsym(RTLD_NEXT, #name)

void *malloc(size_t size)
{
    NEXT(__typeof__(&malloc), malloc);
    return fails() ? NULL : next(size);
}

void *calloc(size_t n, size_t size)
{
    NEXT(__typeof__(&calloc), calloc);
    return fails() ? NULL : next(n, size);
}

void *realloc(void *p, size_t size)
{
    NEXT(__typeof__(&realloc), realloc);
    return fails() ? NULL : next(p, size);
}

void *memalign(size_t alignment, size_t size)
{
    NEXT(__typeof__(&memalign), memalign);
    return fails() ? NULL : next(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    NEXT(__typeof__(&aligned_alloc), aligned_alloc);
    return fails() ? NULL : next(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    NEXT(__typeof__(&posix_memalign), posix_memalign);
    return fails() ? ENOMEM : next(out, alignment, size);
}
