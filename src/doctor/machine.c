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
#include "tensor/kernels.h"

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

enum { PROBED = 128 << 20 }; /* bytes: more than caches hold */

typedef struct Probe {
    uint64_t *memory; /* owned: PROBED bytes */
    uint64_t *sums;   /* owned: of each part */
    size_t part;      /* values that one thread reads */
} Probe;

/* Sums are independent, so that memory alone is waited for. */
static void read_part(void *context, size_t i)
{
    const Probe *p = context;
    const uint64_t *from = p->memory + i * p->part;
    uint64_t sums[8] = {0};
    for (size_t k = 0; k + 8 <= p->part; k += 8)
        for (size_t j = 0; j < 8; j++)
            sums[j] += from[k + j];
    for (size_t j = 0; j < 8; j++)
        p->sums[i] += sums[j];
}

/* Bytes a second of a plain read by so many threads: the best of some tries. */
static double read_speed(Probe *p, size_t threads)
{
    double best = 0;
    p->part = PROBED / sizeof *p->memory / threads;
    for (int i = 0; i < 4; i++) {
        const double begun = seconds_now();
        pool_run(read_part, p, threads);
        best = fmax(best, (double)(threads * p->part * sizeof *p->memory) / (seconds_now() - begun));
    }
    return best;
}

/* The same of weights that a product of one row reads, by all threads: what a step of decoding does. */
static double product_speed(const Probe *p)
{
    enum { COLUMNS = 4096 };
    const Kernels *k = kernels_cpu(COMPUTE_F32);
    const size_t rows = PROBED / sizeof(float) / COLUMNS;
    real *y = k->memory_new(rows * sizeof *y), *x = k->memory_new(COLUMNS * sizeof *x);
    double best = 0;
    k->zero(x, COLUMNS * sizeof *x);
    for (int i = 0; i < 4; i++) {
        const double begun = seconds_now();
        k->matmul_step(y, x, DTYPE_F32, p->memory, NULL, false, 1, rows, COLUMNS);
        best = fmax(best, PROBED / (seconds_now() - begun));
    }
    k->memory_free(x);
    k->memory_free(y);
    return best;
}

/*
 * Expected is what plain reads get here, by the number of threads that gets most; a product of one row should come near. Told,
 * not judged: others may be at work. Beside it what it means: a step of decoding reads all weights once.
 */
static void check_bandwidth(Checks *c)
{
    const double weights = 5.3e9; /* bytes of OPT-2.7B in 16 bits */
    const size_t threads = (size_t)pool_threads();
    Probe probe = {.memory = xmalloc(PROBED), .sums = xcalloc(threads, sizeof *probe.sums)};
    memset(probe.memory, 0, PROBED);
    const double one = read_speed(&probe, 1);
    double most = one;
    size_t of = 1;
    for (size_t t = 2; t / 2 < threads; t *= 2) {
        const size_t n = size_min(t, threads);
        const double speed = read_speed(&probe, n);
        of = speed > most ? n : of;
        most = fmax(most, speed);
    }
    const double product = product_speed(&probe);
    check_add(
        c, "memory bandwidth", probe.sums[0] == 0, NAN, NAN,
        "a product of one row reads weights at %.1f GB/s by %zu threads, %.2f of the expected: %.1f in plain reads by %zu (%.1f "
        "by one); so a token of BLIP-2 OPT-2.7B in 16 bits, one caption at a time, takes %.2f s at least",
        product / 1e9, threads, product / most, most / 1e9, of, one / 1e9, weights / most);
    free(probe.memory);
    free(probe.sums);
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
