/* One batch of several ranks; see shared.h. */
#include "update/shared.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what all ranks have ---- */

/* A group on its way: its name is in `names`. */
typedef struct GroupSent {
    size_t name, length;
    int64_t size;
} GroupSent;

/* Of every rank, one behind the other. */
typedef struct Parts {
    Gathered entries, episodes, tokens, returns, logp, groups, names, watched;
    Gathered rules, wholes, marks, given, images, texts; /* of rewards that are still to be completed */
} Parts;

static void gather_groups(Parts *p, const Batch *b, Ranks *ranks)
{
    GroupSent *groups = xcalloc(b->n_groups + 1, sizeof *groups);
    size_t bytes = 0;
    for (size_t i = 0; i < b->n_groups; i++) {
        groups[i] = (GroupSent){bytes, strlen(b->groups[i].name), b->groups[i].size};
        bytes += groups[i].length;
    }
    char *names = xmalloc(bytes + 1);
    for (size_t i = 0; i < b->n_groups; i++)
        memcpy(names + groups[i].name, b->groups[i].name, groups[i].length);
    ranks_gather(ranks, "the batch's groups", groups, b->n_groups * sizeof *groups, &p->groups);
    ranks_gather(ranks, "the names of groups", names, bytes, &p->names);
    free(groups);
    free(names);
}

/* Where any rank has such, all of their rewards, and CLIP's vectors. */
static void gather_wholes(Parts *p, const Batch *b, Ranks *ranks)
{
    const WholeRewards *w = &b->whole;
    const size_t n = w->rule.n, vector = w->rule.cols * sizeof(real);
    ranks_gather(ranks, "how rewards are completed", &w->rule, sizeof w->rule, &p->rules);
    ranks_gather(ranks, "rewards to be completed", w->entries, n * sizeof *w->entries, &p->wholes);
    if (p->wholes.offset[ranks_size(ranks)] == 0)
        return;
    ranks_gather(ranks, "their marks", w->marks, w->n_tokens * WHOLE_MARKS, &p->marks);
    ranks_gather(ranks, "their returns", w->returns, w->n_tokens * sizeof *w->returns, &p->given);
    ranks_gather(ranks, "vectors of images", w->images, n * vector, &p->images);
    ranks_gather(ranks, "vectors of captions", w->texts, n * vector, &p->texts);
}

static void gather_parts(Parts *p, const Batch *b, Ranks *ranks)
{
    ranks_gather(ranks, "the batch's records", b->entries, b->n_entries * sizeof *b->entries, &p->entries);
    ranks_gather(ranks, "its captions", b->episodes, b->n * sizeof *b->episodes, &p->episodes);
    ranks_gather(ranks, "their tokens", b->tokens, b->n_tokens * sizeof *b->tokens, &p->tokens);
    ranks_gather(ranks, "their returns", b->returns, b->n_tokens * sizeof *b->returns, &p->returns);
    ranks_gather(ranks, "their log-probabilities", b->logp, b->n_tokens * sizeof *b->logp, &p->logp);
    ranks_gather(ranks, "parts of their rewards", b->parts.values, b->parts.n * sizeof *b->parts.values, &p->watched);
    gather_groups(p, b, ranks);
    gather_wholes(p, b, ranks);
}

static void parts_release(Parts *p)
{
    Gathered *all[] = {&p->entries, &p->episodes, &p->tokens, &p->returns, &p->logp,  &p->groups, &p->names,
                       &p->watched, &p->rules,    &p->wholes, &p->marks,   &p->given, &p->images, &p->texts};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        gathered_release(all[i]);
}

/* What rank q has given. */
#define PART(gathered, type, q) ((const type *)(const void *)((gathered).data + (gathered).offset[q]))
#define PART_COUNT(gathered, type, q) (((gathered).offset[(q) + 1] - (gathered).offset[q]) / sizeof(type))

/* The rewards of rank q that are still to be completed, as it has them; nothing of it is owned. */
static WholeRewards wholes_of(const Parts *p, size_t q)
{
    WholeRewards w = {.rule = *PART(p->rules, WholeRule, q)};
    if (w.rule.n == 0)
        return w;
    w.entries = (WholeEntry *)(uintptr_t)PART(p->wholes, WholeEntry, q);
    w.marks = (uint8_t *)(uintptr_t)PART(p->marks, uint8_t, q);
    w.returns = (double *)(uintptr_t)PART(p->given, double, q);
    w.images = (real *)(uintptr_t)PART(p->images, real, q);
    w.texts = (real *)(uintptr_t)PART(p->texts, real, q);
    return w;
}

/* Whether all rewards of the batch are whole, or none is. */
static bool wholes_agree(const Parts *p, size_t size, Error *err)
{
    size_t to_come = 0, all = 0;
    for (size_t q = 0; q < size; q++) {
        to_come += PART(p->rules, WholeRule, q)->n;
        all += PART_COUNT(p->entries, BatchEntry, q);
    }
    return to_come == 0 || to_come == all ||
           error_set_status(err, STATUS_MISMATCH,
                            "reward.deferred: of the batch some ranks have rewards that are whole, others not");
}

/* ---- one batch of them ---- */

/* Parts of the reward of the entry that was added last. */
static void add_watched(Batch *b, const PartValue *part, const PartValue *end)
{
    for (; part < end; part++) {
        PartValue copy = *part;
        copy.entry = b->n_entries - 1;
        reward_parts_append(&b->parts, &copy);
    }
}

/* Adds the records of rank q; returns how many were there already. mine: they are in our spool. */
static int64_t add_part(Batch *b, Consumed *consumed, const Parts *p, size_t q, bool mine)
{
    const BatchEntry *entries = PART(p->entries, BatchEntry, q);
    const Episode *e = PART(p->episodes, Episode, q);
    const GroupSent *groups = PART(p->groups, GroupSent, q);
    const PartValue *watched = PART(p->watched, PartValue, q), *watched_end = watched + PART_COUNT(p->watched, PartValue, q);
    const size_t n = PART_COUNT(p->entries, BatchEntry, q);
    const WholeRewards whole = wholes_of(p, q);
    int64_t repeated = 0;
    for (size_t i = 0; i < n; i++) {
        const Episode *learned = entries[i].learned ? e++ : NULL;
        const PartValue *first = watched;
        while (watched < watched_end && watched->entry == i)
            watched++;
        if (!consumed_add_hash(consumed, entries[i].id)) {
            repeated++;
            continue;
        }
        const GroupSent *from = &groups[entries[i].group];
        const size_t group = batch_group(b, (Slice){PART(p->names, char, q) + from->name, from->length}, from->size);
        BatchEntry entry = entries[i];
        entry.group = group;
        entry.reader = q;
        batch_append_entry(b, &entry);
        if (whole.rule.n > 0)
            whole_append(&b->whole, &whole, i);
        if (learned) {
            Episode copy = *learned;
            copy.group = group;
            copy.record = mine ? entry.record : RECORD_ELSEWHERE;
            b->groups[group].members++;
            add_watched(b, first, watched);
            batch_append(b, &copy, PART(p->tokens, int32_t, q) + copy.first, PART(p->returns, double, q) + copy.first,
                         PART(p->logp, double, q) + copy.first);
        } else {
            b->groups[group].greedy = entries[i].greedy;
        }
    }
    return repeated;
}

/* ---- blocks ---- */

static size_t whole_blocks(size_t n, size_t block)
{
    return (n + block - 1) / block * block;
}

/* The rank that has read caption i; read: [size + 1], where each one's begin. */
static size_t reader_of(const size_t *read, size_t size, size_t i)
{
    size_t q = 0;
    while (q + 1 < size && read[q + 1] <= i)
        q++;
    return q;
}

/* A record that we have read, blob i, and rank `to` needs. */
static bool hand_over(Batch *b, Ranks *ranks, size_t i, size_t to, Error *err)
{
    size_t size;
    const void *data = spool_get(&b->records, i, &size, err);
    if (data)
        ranks_send(ranks, "a record of the batch", to, data, size);
    return data != NULL;
}

static bool take_over(Batch *b, Ranks *ranks, size_t i, size_t from, Error *err)
{
    size_t size;
    void *data = ranks_receive(ranks, "a record of the batch", from, &size);
    const bool ok = spool_add(&b->records, data, size, err);
    b->episodes[i].record = b->records.n - 1;
    free(data);
    return ok;
}

/* Records go to the owner of their block. A rank sends to those before it, then receives from those behind: nobody waits in a
 * ring. */
static bool complete_blocks(Batch *b, Ranks *ranks, const size_t *read, size_t block, Error *err)
{
    const size_t me = ranks_rank(ranks), size = ranks_size(ranks);
    bool ok = true;
    b->own_first = size_min(b->n, whole_blocks(read[me], block));
    b->own_end = size_min(b->n, whole_blocks(read[me + 1], block));
    for (size_t i = read[me]; ok && i < size_min(b->own_first, read[me + 1]); i++)
        ok = hand_over(b, ranks, b->episodes[i].record, reader_of(read, size, i / block * block), err);
    for (size_t i = read[me + 1]; ok && i < b->own_end; i++)
        if (i >= b->own_first)
            ok = take_over(b, ranks, i, reader_of(read, size, i), err);
    return ok;
}

/* ---- */

static void consume(const Batch *b, Consumed *consumed)
{
    for (size_t i = 0; i < b->n_entries; i++)
        consumed_add_hash(consumed, b->entries[i].id);
}

bool batch_share(Batch *b, Consumed *consumed, Ranks *ranks, size_t block, int64_t *repeated, Error *err)
{
    Parts p = {0};
    const size_t size = ranks_size(ranks);
    if (size == 1) {
        consume(b, consumed);
        return true;
    }
    size_t *read = xcalloc(size + 1, sizeof *read);
    gather_parts(&p, b, ranks);
    batch_forget(b);
    bool ok = wholes_agree(&p, size, err);
    for (size_t q = 0; q < size && ok; q++) {
        *repeated += add_part(b, consumed, &p, q, q == ranks_rank(ranks));
        read[q + 1] = b->n;
    }
    parts_release(&p);
    ok = ok && complete_blocks(b, ranks, read, block, err);
    free(read);
    return ok;
}

/* What rank `from` has in its spool, at rank 0. */
static bool receive_record(Ranks *ranks, size_t from, Record *out, Arena *arena, Error *err)
{
    size_t size;
    void *data = ranks_receive(ranks, "a record of the batch", from, &size);
    void *copy = memcpy(arena_alloc(arena, size), data, size);
    free(data);
    return record_parse((Slice){copy, size}, out, arena, err);
}

bool batch_entry(Batch *b, Ranks *ranks, size_t i, Record *out, Arena *arena, Error *err)
{
    const BatchEntry *e = &b->entries[i];
    const size_t me = ranks_rank(ranks);
    if (e->reader == me)
        return me == 0 ? batch_blob(b, e->record, out, arena, err) : hand_over(b, ranks, e->record, 0, err);
    return me > 0 || receive_record(ranks, e->reader, out, arena, err);
}

void batch_gather(const Batch *b, Ranks *ranks, const char *what, double *array)
{
    Gathered all = {0};
    if (ranks_size(ranks) == 1)
        return;
    const size_t from = b->own_first < b->n ? b->episodes[b->own_first].first : b->n_tokens;
    const size_t end = b->own_end < b->n ? b->episodes[b->own_end].first : b->n_tokens;
    ranks_gather(ranks, what, array + from, (end - from) * sizeof *array, &all);
    if (all.offset[ranks_size(ranks)] != b->n_tokens * sizeof *array)
        bug("%s: %zu bytes for %zu tokens", what, all.offset[ranks_size(ranks)], b->n_tokens);
    memcpy(array, all.data, b->n_tokens * sizeof *array);
    gathered_release(&all);
}
