/*
 * Any bytes as a shard: its members, each with its bytes or a problem that says why not; those that are named first and taken
 * later (--shuffle) as well.
 *
 * About: src/extract/tar.c
 */
#include <stdlib.h>
#include <unistd.h>

#include "extract/tar.h"
#include "tests/fuzz/given.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MEMBERS_MAX = 100, BYTES_MAX = 1 << 16 };

static Source shard(const uint8_t *data, size_t size)
{
    return (Source){.name = xstrdup("shard.tar"),
                    .label = xstrdup("shard.tar"),
                    .opened = true,
                    .fd = given_file(data, size),
                    .spare = -1,
                    .is_archive = true};
}

/* A member that was named, by its place. */
static void load(Source *member, const uint8_t *data, size_t size)
{
    if (!member->shard)
        return;
    member->opened = true;
    member->fd = given_file(data, size);
    member->spare = -1;
    tar_load(member, BYTES_MAX);
}

static void read_shard(const uint8_t *data, size_t size, bool shuffled)
{
    const SourceSettings s = {.shuffled = shuffled};
    const Limits limits = {.max_bytes = BYTES_MAX};
    Source archive = shard(data, size), member;
    Tar *a = tar_new(&s, &limits, &archive);
    for (int i = 0; i < MEMBERS_MAX && tar_next(a, &member); i++) {
        load(&member, data, size);
        if (!member.name || !member.label || (!member.problem && !member.data) || member.size > BYTES_MAX)
            abort();
        source_release(&member);
    }
    tar_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_shard(data, size, false);
    read_shard(data, size, true);
    return 0;
}
