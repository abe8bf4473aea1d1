/*
 * Processes that work on one thing together: who they are, and the few things that they say to one another.
 *
 * A launcher (mpirun, srun) starts them, MPI carries what they say; this folder alone knows of it. A build without MPI has
 * absent/ in place of mpi/. Without a launcher there is one rank, NULL, and every function does what one alone would: no call of
 * MPI is made.
 *
 * All ranks call the same functions in the same order, from one thread. A wait costs no processor, and has an end: when a rank
 * has not come within the patience given, the program names it, and all ranks are ended. So no function here fails: what fails is
 * the job. `what` says in such a message what was waited for ("the gradients of step 7").
 */
#ifndef RANKS_RANKS_H
#define RANKS_RANKS_H

#include "base/base.h"

typedef struct Ranks Ranks;

/* Whether a launcher has started this process, be it as the only one. */
bool ranks_launched(void);

/* Joins the others, which do the same; *out is NULL where no launcher has started us. patience: seconds that a wait may take, 0:
 * for ever. False with err set where this build has no MPI. Once in a process, before there are threads. */
MUST_USE bool ranks_open(Ranks **out, double patience, Error *err);

/* All have come to their end; NULL is fine. A program that ends without it ends the others too. */
void ranks_close(Ranks *r);

/* Which of how many, from 0. */
size_t ranks_rank(const Ranks *r);
size_t ranks_size(const Ranks *r);

/* The name of the machine that a rank is on, and how many machines there are; borrowed. */
const char *ranks_host(const Ranks *r, size_t rank);
size_t ranks_hosts(const Ranks *r);

/* Seconds spent in waiting for others since the last call. */
double ranks_waited(Ranks *r);

/* What every rank has given, one behind the other in the order of ranks. */
typedef struct Gathered {
    char *data;     /* owned */
    size_t *offset; /* owned: [size + 1], of each rank's bytes, then the end */
} Gathered;

/* Every rank gives some bytes, any number; every rank gets those of all. */
void ranks_gather(Ranks *r, const char *what, const void *mine, size_t bytes, Gathered *out);
void gathered_release(Gathered *g);

/* values[i] becomes the sum of all ranks' values[i]: exact, whatever the order, as long as it does not overflow. */
void ranks_sum(Ranks *r, const char *what, int64_t *values, size_t n);

/* ---- sums that stay on devices ---- */

/* What a rank computes on: a name that no other device of its machine has ("" : not on a device), and whether all that the device
 * was asked for is done. */
typedef struct RanksDevice {
    const char *name;
    bool (*idle)(void);
} RanksDevice;

/*
 * Whether sums of device memory go by NCCL from now on: where each rank has a device of its own, and libnccl.so.2 can be loaded.
 * All ranks come to the same answer. Where it is no, though all have devices, rank 0 says why: memory then goes through the
 * hosts. wanted: as the user says.
 */
bool ranks_use_devices(Ranks *r, const RanksDevice *device, bool wanted);
bool ranks_sums_devices(const Ranks *r);

/* As ranks_sum, of memory of the device; only where ranks_sums_devices. */
void ranks_sum_device(Ranks *r, const char *what, int64_t *values, size_t n);

/* All get the bytes that rank `from` has. */
void ranks_broadcast(Ranks *r, const char *what, size_t from, void *data, size_t bytes);

/* Hands bytes from one rank to another: the other receives, and no third takes part. */
void ranks_send(Ranks *r, const char *what, size_t to, const void *data, size_t bytes);

/* What rank `from` sends, as large as it is; the caller frees it. */
void *ranks_receive(Ranks *r, const char *what, size_t from, size_t *bytes);

/* Whether all have the same digest of a thing. If not, STATUS_MISMATCH, on every rank, naming those that differ from most (from
 * the lowest ranks, where there are as many of each). */
MUST_USE bool ranks_agree(Ranks *r, const char *what, uint64_t digest, Error *err);

#endif
