/* What the files of this folder share of the ranks: who they are, and a wait that has an end. */
#ifndef RANKS_INSIDE_H
#define RANKS_INSIDE_H

#include "ranks/ranks.h"
#include "ranks/wire.h"

typedef struct Devices Devices;

struct Ranks {
    size_t rank, size, hosts;
    char (*host)[WIRE_HOST]; /* owned: [size] */
    double patience, waited;
    int64_t exchange; /* how many there have been */
    int64_t told;     /* what the word to rank 0 says; its own memory until it is done */
    Wire *tell;       /* that word; NULL: none is under way */
    int64_t waits;    /* the exchange in which rank 0 was told that we wait; its own memory likewise */
    Wire *tell_waits; /* that word */
    Devices *devices; /* owned; NULL: device memory is not summed on devices */
};

/* Every exchange begins with it: all have come when rank 0 returns. */
void ranks_arrive(Ranks *r, const char *what);

/* Waits until done(context); `who` is who has not come, where that takes too long, which ends all ranks; NULL: what can be known
 * of that where all take part. */
void ranks_wait(Ranks *r, bool (*done)(void *), void *context, const char *what, const char *who);

/* Ends all ranks, this one too: what is under way on devices first. */
_Noreturn void ranks_abort(const Ranks *r, int status);

/* devices.c: what is under way is given up; and at the end, memory of it. NULL is fine. */
void devices_abort(Devices *d);
void devices_free(Devices *d);

#endif
