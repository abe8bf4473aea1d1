/* Hash tables of names and merges. Reading them from files is in vocab_read.c. */
#include "text/vocab.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/hash.h"

enum { MAX_ID = 1 << 20 }; /* four times any published vocabulary: a larger id in a file is damage, not a reason to allocate */

int32_t vocab_find(const Vocab *v, Slice name)
{
    if (!v->slots)
        return -1;
    for (size_t i = hash_id(name.data, name.size) & v->mask;; i = (i + 1) & v->mask) {
        int32_t id = v->slots[i];
        if (id < 0 || slice_same(v->names[id], name))
            return id;
    }
}

static void slot_fill(Vocab *v, int32_t id)
{
    Slice name = v->names[id];
    size_t i = hash_id(name.data, name.size) & v->mask;
    while (v->slots[i] >= 0 && !slice_same(v->names[v->slots[i]], name))
        i = (i + 1) & v->mask;
    v->slots[i] = id;
}

/* Keeps the table at most half full; old tables stay in the arena until the vocabulary goes. */
static void slots_grow(Vocab *v)
{
    size_t slots = v->slots ? 2 * (v->mask + 1) : 1024;
    while (slots < 2 * (size_t)v->size + 2)
        slots *= 2;
    v->mask = slots - 1;
    v->slots = arena_alloc(&v->arena, slots * sizeof *v->slots);
    memset(v->slots, 0xFF, slots * sizeof *v->slots);
    for (int32_t id = 0; id < v->size; id++)
        if (v->names[id].data)
            slot_fill(v, id);
}

bool vocab_add(Vocab *v, Slice name, int32_t id, Error *err)
{
    if (id < 0 || id >= MAX_ID)
        return error_set(err, "the id of \"%.*s\" is %d, expected 0 to %d", (int)name.size, name.data, id, MAX_ID - 1);
    if (id < v->size && v->names[id].data && !slice_same(v->names[id], name))
        return error_set(err, "the id %d is \"%.*s\" and \"%.*s\", expected one of them", id, (int)v->names[id].size,
                         v->names[id].data, (int)name.size, name.data);
    v->names = array_reserve(v->names, &v->capacity, (size_t)id + 1, sizeof *v->names);
    for (; v->size <= id; v->size++)
        v->names[v->size] = (Slice){0};
    v->names[id] = (Slice){arena_strndup(&v->arena, name.data, name.size), name.size};
    if (!v->slots || 2 * (size_t)v->size > v->mask)
        slots_grow(v);
    slot_fill(v, id);
    return true;
}

void vocab_merges_init(Vocab *v, size_t n)
{
    size_t slots = 16;
    while (slots < 2 * n + 2)
        slots *= 2;
    v->merge_mask = slots - 1;
    v->merges = arena_alloc(&v->arena, slots * sizeof *v->merges);
    for (size_t i = 0; i < slots; i++)
        v->merges[i].left = -1;
}

/* Where the merge of this pair is or would be. */
static Merge *merge_slot(const Vocab *v, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    size_t i = (h >> 32) & v->merge_mask;
    while (v->merges[i].left >= 0 && (v->merges[i].left != left || v->merges[i].right != right))
        i = (i + 1) & v->merge_mask;
    return &v->merges[i];
}

const Merge *vocab_merge_find(const Vocab *v, int32_t left, int32_t right)
{
    const Merge *m = merge_slot(v, left, right);
    return m->left >= 0 ? m : NULL;
}

bool vocab_merge_add(Vocab *v, Slice left, Slice right, uint32_t rank, Error *err)
{
    ArenaMark mark = arena_mark(&v->arena);
    Slice whole = {arena_alloc(&v->arena, left.size + right.size + 1), left.size + right.size};
    memcpy((char *)whole.data, left.data, left.size);
    memcpy((char *)whole.data + left.size, right.data, right.size);
    int32_t product = vocab_find(v, whole);
    arena_release_to(&v->arena, mark);
    int32_t l = vocab_find(v, left), r = vocab_find(v, right);
    if (l < 0 || r < 0)
        return error_set(err, "\"%.*s\" is not in the vocabulary", (int)(l < 0 ? left : right).size, (l < 0 ? left : right).data);
    if (product < 0)
        return error_set(err, "\"%.*s%.*s\" is not in the vocabulary", (int)left.size, left.data, (int)right.size, right.data);
    *merge_slot(v, l, r) = (Merge){l, r, product, rank};
    return true;
}

/* The rank of the first merge; ranks of merges.txt are lines, which a header moves. */
static uint32_t first_rank(const Vocab *v)
{
    uint32_t first = UINT32_MAX;
    for (size_t i = 0; v->merges && i <= v->merge_mask; i++)
        if (v->merges[i].left >= 0 && v->merges[i].rank < first)
            first = v->merges[i].rank;
    return first;
}

/* Whether b has every merge of a, in the same order. */
static bool merges_within(const Vocab *a, const Vocab *b)
{
    uint32_t first = first_rank(a), other = first_rank(b);
    for (size_t i = 0; a->merges && i <= a->merge_mask; i++) {
        const Merge *m = &a->merges[i], *n = m->left >= 0 && b->merges ? vocab_merge_find(b, m->left, m->right) : NULL;
        if (m->left >= 0 && (!n || n->product != m->product || n->rank - other != m->rank - first))
            return false;
    }
    return true;
}

static bool scores_same(const Vocab *a, const Vocab *b)
{
    return a->n_scores == b->n_scores && a->bytes == b->bytes && a->n_steps == b->n_steps &&
           (a->n_scores == 0 || memcmp(a->scores, b->scores, a->n_scores * sizeof *a->scores) == 0) &&
           memcmp(a->steps, b->steps, a->n_steps * sizeof *a->steps) == 0;
}

bool vocab_same(const Vocab *a, const Vocab *b)
{
    int32_t both = a->size < b->size ? a->size : b->size;
    if (!scores_same(a, b))
        return false;
    if (a->kind != b->kind || a->cased != b->cased || a->split != b->split || a->front != b->front ||
        a->composed != b->composed || a->ignore_merges != b->ignore_merges)
        return false;
    for (int32_t id = 0; id < both; id++)
        if (!slice_same(a->names[id], b->names[id]))
            return false;
    return merges_within(a, b) && merges_within(b, a);
}

static AddedToken *added_find(Vocab *v, Slice content)
{
    for (size_t i = 0; i < v->n_added; i++)
        if (slice_same(v->added[i].content, content))
            return &v->added[i];
    return NULL;
}

bool vocab_added_add(Vocab *v, AddedToken token, Error *err)
{
    AddedToken *known = added_find(v, token.content);
    if (token.content.size == 0)
        return true;
    if (known) {
        known->special |= token.special;
        return true;
    }
    if (token.id < 0 && (token.id = vocab_find(v, token.content)) < 0)
        return true;
    if (vocab_find(v, token.content) != token.id && !vocab_add(v, token.content, token.id, err))
        return false;
    v->added = array_reserve(v->added, &v->added_capacity, v->n_added + 1, sizeof *v->added);
    token.content = v->names[token.id];
    v->added[v->n_added++] = token;
    return true;
}

static void digest_slice(XXH3_state_t *state, Slice s)
{
    XXH3_64bits_update(state, &s.size, sizeof s.size);
    XXH3_64bits_update(state, s.data ? s.data : "", s.size);
}

/* The same whatever the order of the merges in their table. */
static uint64_t merges_digest(const Vocab *v)
{
    uint64_t sum = 0;
    for (size_t i = 0; v->merges && i <= v->merge_mask; i++)
        if (v->merges[i].left >= 0)
            sum += hash_id(&v->merges[i], sizeof v->merges[i]);
    return sum;
}

uint64_t vocab_digest(const Vocab *v)
{
    const uint64_t head[] = {(uint64_t)v->kind, v->cased, (uint64_t)v->image, (uint64_t)v->size, merges_digest(v)};
    XXH3_state_t *state = XXH3_createState();
    XXH3_64bits_reset(state);
    XXH3_64bits_update(state, head, sizeof head);
    if (v->kind > TOKENIZER_BERT) { /* the others' digests are older than these settings */
        const int32_t settings[] = {(int32_t)v->split, (int32_t)v->front, v->composed, v->ignore_merges};
        XXH3_64bits_update(state, settings, sizeof settings);
    }
    if (v->n_steps > 0)
        XXH3_64bits_update(state, v->steps, v->n_steps * sizeof *v->steps);
    if (v->unopened || v->closed)
        XXH3_64bits_update(state, (const bool[]){v->unopened, v->closed}, 2 * sizeof(bool));
    if (v->kind == TOKENIZER_UNIGRAM) {
        XXH3_64bits_update(state, &v->bytes, sizeof v->bytes);
        XXH3_64bits_update(state, v->scores, v->n_scores * sizeof *v->scores);
        XXH3_64bits_update(state, v->charsmap.units, v->charsmap.n_units * sizeof *v->charsmap.units);
        digest_slice(state, v->charsmap.texts);
    }
    for (int32_t id = 0; id < v->size; id++)
        digest_slice(state, v->names[id]);
    digest_slice(state, v->unknown);
    for (size_t i = 0; i < v->n_added; i++) {
        const AddedToken *a = &v->added[i];
        const int32_t flags[] = {a->id, a->special, a->lstrip, a->rstrip};
        digest_slice(state, a->content);
        XXH3_64bits_update(state, flags, sizeof flags);
    }
    uint64_t digest = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return digest;
}

void vocab_release(Vocab *v)
{
    free(v->names);
    free(v->added);
    free(v->scores);
    arena_release(&v->arena);
    *v = (Vocab){0};
}
