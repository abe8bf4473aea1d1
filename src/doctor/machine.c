/* The machine; see machine.h. */
#include "doctor/machine.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pool.h"

enum { FILES_WANTED = 1024, DISK_WANTED_MIB = 1024, MEMORY_WANTED_MIB = 512 };

static void check_processors(Checks *c)
{
    cpu_set_t set;
    int allowed = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
    const char *given = getenv("VLRM_THREADS");
    long threads = given ? strtol(given, NULL, 10) : allowed;
    check_add(c, "threads", threads >= 1 && threads <= allowed, NAN, NAN, "%ld, of %d processors that may be used%s", threads,
              allowed, threads > allowed ? ": more threads than processors slow one another down (VLRM_THREADS)" : "");
}

/* MiB that could be had without swapping; -1 where the kernel does not say. */
static double memory_available(void)
{
    double kib = -1024;
    char line[256];
    FILE *in = fopen("/proc/meminfo", "re");
    while (in && fgets(line, sizeof line, in))
        if (sscanf(line, "MemAvailable: %lf", &kib) == 1)
            break;
    if (in)
        fclose(in);
    return kib / 1024;
}

static void check_memory(Checks *c)
{
    double mib = memory_available();
    check_add(c, "memory", mib < 0 || mib >= MEMORY_WANTED_MIB, NAN, NAN, "%.0f MiB to be had, wanted %d", mib,
              MEMORY_WANTED_MIB);
}

typedef struct Copy {
    char *from, *to; /* [COPIED] */
    size_t part;     /* bytes that one thread copies at a time */
} Copy;
enum { COPIED = 128 << 20 }; /* more than caches hold */

static void copy_part(void *context, size_t i)
{
    const Copy *c = context;
    memcpy(c->to + i * c->part, c->from + i * c->part, c->part);
}

/* Bytes a second, read and written, by this thread or by all: the best of some tries. */
static double copy_speed(Copy *c, size_t threads)
{
    double best = 0;
    c->part = COPIED / threads;
    for (int i = 0; i < 4; i++) {
        const double begin = seconds_now();
        if (threads > 1)
            pool_run(copy_part, c, threads);
        else
            copy_part(c, 0);
        best = fmax(best, 2 * (double)threads * (double)c->part / (seconds_now() - begin));
    }
    return best;
}

/* Told, not judged: others may be at work. Beside it what it means: a step of decoding reads all weights once. */
static void check_bandwidth(Checks *c)
{
    const double weights = 5.3e9; /* bytes of OPT-2.7B in 16 bits */
    const size_t threads = (size_t)pool_threads();
    Copy copy = {.from = xmalloc(COPIED), .to = xmalloc(COPIED)};
    memset(copy.from, 1, COPIED);
    memset(copy.to, 2, COPIED);
    const double one = copy_speed(&copy, 1), all = copy_speed(&copy, threads);
    check_add(
        c, "memory bandwidth", copy.to[0] == 1, NAN, NAN,
        "%.1f GB/s by one thread, %.1f by %zu, read and written; so a token of BLIP-2 OPT-2.7B in 16 bits, one caption at a "
        "time, takes %.2f s at least",
        one / 1e9, all / 1e9, threads, weights / fmax(one, all));
    free(copy.from);
    free(copy.to);
}

static void check_files(Checks *c)
{
    struct rlimit limit = {0};
    bool known = getrlimit(RLIMIT_NOFILE, &limit) == 0;
    check_add(c, "open files", known && limit.rlim_cur >= FILES_WANTED, NAN, NAN, "%llu at once, wanted %d (ulimit -n)",
              (unsigned long long)limit.rlim_cur, FILES_WANTED);
}

static void check_disk(Checks *c, const char *folder)
{
    struct statvfs s;
    if (statvfs(folder, &s) != 0) {
        check_add(c, "temporary files", false, NAN, NAN, "%s cannot be looked at", folder);
        return;
    }
    double mib = (double)s.f_bavail * (double)s.f_frsize / (1 << 20);
    check_add(c, "temporary files", mib >= DISK_WANTED_MIB && access(folder, W_OK) == 0, NAN, NAN,
              "%.0f MiB free in %s, wanted %d%s", mib, folder, DISK_WANTED_MIB,
              access(folder, W_OK) == 0 ? "" : "; nothing can be written there");
}

void machine_check(Checks *c, const char *folder)
{
    check_processors(c);
    check_memory(c);
    check_bandwidth(c);
    check_files(c);
    check_disk(c, folder);
}
