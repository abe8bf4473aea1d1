/*
 * A small libnccl.so.2, for tests where there is no GPU: sums 64-bit integers of host memory through files in the folder
 * NCCL_FAKE, and writes down there, by rank, each call in its order. A call is in progress until all ranks have come to it; with
 * NCCL_FAKE_STUCK for ever.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Id {
    char bytes[128];
} Id;

typedef struct Config {
    size_t size;
    unsigned magic, version;
    int blocking;
} Config;

typedef struct Comm {
    int size, rank, calls;
    int64_t *to; /* of the sum in progress; NULL: none is */
    size_t n;
} Comm;

int ncclGetUniqueId(Id *id);
int ncclCommInitRankConfig(Comm **out, int size, Id id, int rank, Config *config);
int ncclCommGetAsyncError(Comm *c, int *state);
int ncclAllReduce(const void *from, void *to, size_t n, int type, int op, Comm *c, void *stream);
int ncclCommAbort(Comm *c);
int ncclCommDestroy(Comm *c);
const char *ncclGetErrorString(int result);

enum { IN_PROGRESS = 7, INVALID = 4 };

static void path_of(char *path, const char *what, int call, int rank)
{
    snprintf(path, 4096, "%s/%s.%d.%d", getenv("NCCL_FAKE"), what, call, rank);
}

static void write_down(const Comm *c, const char *what, long long a, long long b, long long d)
{
    char path[4096];
    path_of(path, "calls", 0, c->rank);
    FILE *f = fopen(path, "a");
    fprintf(f, "%s %lld %lld %lld\n", what, a, b, d);
    fclose(f);
}

int ncclGetUniqueId(Id *id)
{
    memset(id, 0, sizeof *id);
    strcpy(id->bytes, "an id that rank 0 has made");
    return 0;
}

int ncclCommInitRankConfig(Comm **out, int size, Id id, int rank, Config *config)
{
    Comm *c = calloc(1, sizeof *c);
    *c = (Comm){.size = size, .rank = rank};
    *out = c;
    if (strcmp(id.bytes, "an id that rank 0 has made") != 0 || config->magic != 0xcafebeef || config->size != sizeof *config)
        return INVALID;
    write_down(c, "init", size, rank, config->blocking);
    return IN_PROGRESS;
}

/* The values of rank r of the sum in progress; NULL: it has not come. */
static int64_t *values_of(const Comm *c, int r)
{
    char path[4096];
    path_of(path, "sum", c->calls, r);
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    int64_t *values = malloc(c->n * sizeof *values);
    const size_t n = fread(values, sizeof *values, c->n, f);
    fclose(f);
    if (n != c->n)
        abort();
    return values;
}

int ncclCommGetAsyncError(Comm *c, int *state)
{
    char path[4096];
    *state = 0;
    if (!c->to)
        return 0;
    *state = IN_PROGRESS;
    for (int r = 0; r < c->size; r++) {
        path_of(path, "sum", c->calls, r);
        if (access(path, F_OK) != 0 || getenv("NCCL_FAKE_STUCK"))
            return 0;
    }
    memset(c->to, 0, c->n * sizeof *c->to);
    for (int r = 0; r < c->size; r++) {
        int64_t *values = values_of(c, r);
        for (size_t i = 0; i < c->n; i++)
            c->to[i] += values[i];
        free(values);
    }
    c->to = NULL;
    *state = 0;
    return 0;
}

int ncclAllReduce(const void *from, void *to, size_t n, int type, int op, Comm *c, void *stream)
{
    char path[4096], whole[4096];
    c->calls++;
    path_of(path, "writing", c->calls, c->rank);
    path_of(whole, "sum", c->calls, c->rank);
    FILE *f = fopen(path, "wb");
    fwrite(from, sizeof(int64_t), n, f);
    fclose(f);
    rename(path, whole);
    c->to = to;
    c->n = n;
    write_down(c, stream ? "sum on a stream" : "sum", (long long)n, type, op);
    return IN_PROGRESS;
}

int ncclCommAbort(Comm *c)
{
    write_down(c, "abort", 0, 0, 0);
    return 0;
}

int ncclCommDestroy(Comm *c)
{
    write_down(c, "destroy", 0, 0, 0);
    free(c);
    return 0;
}

const char *ncclGetErrorString(int result)
{
    return result == INVALID ? "invalid argument" : "some error";
}
