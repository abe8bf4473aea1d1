/* In place of mpi/ in a build without MPI: several ranks are refused; see wire.h. */
#include "ranks/wire.h"

#include <stdlib.h>

bool wire_open(size_t *rank, size_t *size, char *host, Error *err)
{
    *rank = *size = 0;
    *host = '\0';
    return error_set(err,
                     "started by a launcher of ranks (mpirun, srun), but this build has no MPI: install libopenmpi-dev or load "
                     "the cluster's MPI, and build again");
}

void wire_close(void)
{
}

/* Nobody comes here: wire_open has failed. */
static _Noreturn Wire *wire_none(void)
{
    bug("a message between ranks in a build without MPI");
}

Wire *wire_gather_sizes(const int64_t *mine, int64_t *all)
{
    (void)mine, (void)all;
    wire_none();
}

Wire *wire_gather(const void *mine, size_t bytes, void *all, const size_t *offset, size_t size)
{
    (void)mine, (void)bytes, (void)all, (void)offset, (void)size;
    wire_none();
}

Wire *wire_sum(int64_t *values, size_t n)
{
    (void)values, (void)n;
    wire_none();
}

Wire *wire_broadcast(size_t from, void *data, size_t bytes)
{
    (void)from, (void)data, (void)bytes;
    wire_none();
}

Wire *wire_tell(Word word, const int64_t *value)
{
    (void)word, (void)value;
    wire_none();
}

Wire *wire_hear(Word word, size_t from, int64_t *value)
{
    (void)word, (void)from, (void)value;
    wire_none();
}

Wire *wire_send(size_t to, const void *data, size_t bytes)
{
    (void)to, (void)data, (void)bytes;
    wire_none();
}

Wire *wire_receive(size_t from, void *data, size_t bytes)
{
    (void)from, (void)data, (void)bytes;
    wire_none();
}

bool wire_done(Wire *w)
{
    (void)w;
    wire_none();
}

void wire_abort(int status)
{
    exit(status);
}
