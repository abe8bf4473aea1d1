/* Messages between ranks by MPI; see wire.h. Collectives that do not block, so that a wait can have an end (ranks.c). */
#include "ranks/wire.h"

#include <limits.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BYTES_TAG = 1, ABORT_SECONDS = 20 };

struct Wire {
    MPI_Request request;
    int *counts, *offsets; /* owned: of a gather */
};

/* Collectives, and the messages that say who has come to them. */
static MPI_Comm world, tellers;
static int world_rank;

/* By default MPI ends the program on an error by itself; what is left is a fault of ours. */
static void check(int result)
{
    if (result != MPI_SUCCESS)
        bug("MPI error %d", result);
}

static Wire *wire_new(void)
{
    return xcalloc(1, sizeof(Wire));
}

static int count_of(size_t n)
{
    if (n > INT_MAX)
        bug("a message of %zu, more than MPI counts", n);
    return (int)n;
}

bool wire_open(size_t *rank, size_t *size, char *host, Error *err)
{
    int provided, n, length;
    char name[MPI_MAX_PROCESSOR_NAME];
    (void)err;
    check(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided));
    check(MPI_Comm_dup(MPI_COMM_WORLD, &world));
    check(MPI_Comm_dup(MPI_COMM_WORLD, &tellers));
    check(MPI_Comm_rank(world, &world_rank));
    check(MPI_Comm_size(world, &n));
    check(MPI_Get_processor_name(name, &length));
    *rank = (size_t)world_rank;
    *size = (size_t)n;
    snprintf(host, WIRE_HOST, "%.*s", WIRE_HOST - 1, name);
    return true;
}

void wire_close(void)
{
    check(MPI_Comm_free(&world));
    check(MPI_Comm_free(&tellers));
    check(MPI_Finalize());
}

Wire *wire_gather_sizes(const int64_t *mine, int64_t *all)
{
    Wire *w = wire_new();
    check(MPI_Iallgather(mine, 1, MPI_INT64_T, all, 1, MPI_INT64_T, world, &w->request));
    return w;
}

Wire *wire_gather(const void *mine, size_t bytes, void *all, const size_t *offset, size_t size)
{
    Wire *w = wire_new();
    w->counts = xmalloc(size * sizeof *w->counts);
    w->offsets = xmalloc(size * sizeof *w->offsets);
    for (size_t i = 0; i < size; i++) {
        w->counts[i] = count_of(offset[i + 1] - offset[i]);
        w->offsets[i] = count_of(offset[i]);
    }
    check(MPI_Iallgatherv(mine, count_of(bytes), MPI_BYTE, all, w->counts, w->offsets, MPI_BYTE, world, &w->request));
    return w;
}

Wire *wire_sum(int64_t *values, size_t n)
{
    Wire *w = wire_new();
    check(MPI_Iallreduce(MPI_IN_PLACE, values, count_of(n), MPI_INT64_T, MPI_SUM, world, &w->request));
    return w;
}

Wire *wire_broadcast(size_t from, void *data, size_t bytes)
{
    Wire *w = wire_new();
    check(MPI_Ibcast(data, count_of(bytes), MPI_BYTE, (int)from, world, &w->request));
    return w;
}

Wire *wire_tell(Word word, const int64_t *value)
{
    Wire *w = wire_new();
    check(MPI_Isend(value, 1, MPI_INT64_T, 0, (int)word, tellers, &w->request));
    return w;
}

Wire *wire_hear(Word word, size_t from, int64_t *value)
{
    Wire *w = wire_new();
    check(MPI_Irecv(value, 1, MPI_INT64_T, (int)from, (int)word, tellers, &w->request));
    return w;
}

Wire *wire_send(size_t to, const void *data, size_t bytes)
{
    Wire *w = wire_new();
    check(MPI_Isend(data, count_of(bytes), MPI_BYTE, (int)to, BYTES_TAG, world, &w->request));
    return w;
}

Wire *wire_receive(size_t from, void *data, size_t bytes)
{
    Wire *w = wire_new();
    check(MPI_Irecv(data, count_of(bytes), MPI_BYTE, (int)from, BYTES_TAG, world, &w->request));
    return w;
}

bool wire_done(Wire *w)
{
    int done;
    check(MPI_Test(&w->request, &done, MPI_STATUS_IGNORE));
    if (done) {
        free(w->counts);
        free(w->offsets);
        free(w);
    }
    return done;
}

/* Where not even the launcher can be reached, the alarm ends us. */
void wire_abort(int status)
{
    alarm(ABORT_SECONDS);
    MPI_Abort(MPI_COMM_WORLD, status);
    _exit(status);
}
