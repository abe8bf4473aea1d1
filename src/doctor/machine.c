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

/* How fast one thread copies, past the caches: the best of some. Told, not judged: others may be at work. */
static void check_bandwidth(Checks *c)
{
    const size_t n = 64u << 20;
    char *from = xmalloc(n), *to = xmalloc(n);
    double best = 0;
    memset(from, 1, n);
    memset(to, 2, n);
    for (int i = 0; i < 4; i++) {
        double begin = seconds_now();
        memcpy(to, from, n);
        double seconds = seconds_now() - begin;
        best = fmax(best, 2 * (double)n / seconds / 1e9);
    }
    check_add(c, "memory bandwidth", to[n / 2] == 1, NAN, NAN,
              "%.1f GB/s by one thread, read and written; decoding is bound by it", best);
    free(from);
    free(to);
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
