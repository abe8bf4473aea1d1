/* Records into a batch; see batch.h. */
#include "update/batch.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "stage/caption.h"
#include "stage/frame.h"
#include "stage/groups.h"
#include "stream/made_from.h"

void batch_init(Batch *b, const char *folder, size_t memory_limit)
{
    *b = (Batch){0};
    spool_init(&b->records, folder, memory_limit / 2);
    spool_init(&b->features, folder, memory_limit / 2);
}

void batch_release(Batch *b)
{
    spool_release(&b->records);
    spool_release(&b->features);
    free(b->episodes);
    free(b->tokens);
    free(b->returns);
    free(b->logp);
    free(b->feature_blob);
    free(b->groups);
    free(b->entries);
    hashmap_release(&b->ids);
    hashmap_release(&b->group_of);
    arena_release(&b->names);
    reward_parts_release(&b->parts);
    whole_release(&b->whole);
    *b = (Batch){0};
}

void batch_forget(Batch *b)
{
    b->parts.n = 0;
    whole_forget(&b->whole);
    b->n = b->n_tokens = b->n_groups = b->n_entries = b->own_first = b->own_end = 0;
    hashmap_release(&b->ids);
    hashmap_release(&b->group_of);
    arena_reset(&b->names);
}

void batch_reset(Batch *b)
{
    batch_forget(b);
    spool_reset(&b->records);
    spool_reset(&b->features);
}

static double real_or_nan(const Record *r, const char *path)
{
    double v;
    return record_real(r, path, &v) == FIELD_OK ? v : NAN;
}

/* How many entries of a penalty array are not 0. */
static int64_t count_hits(const Record *r, const char *path, Arena *a)
{
    double *v;
    size_t n;
    int64_t hits = 0;
    if (record_reals(r, path, a, &v, &n) == FIELD_OK)
        for (size_t i = 0; i < n; i++)
            hits += v[i] != 0;
    return hits;
}

static bool tokens_check(const int64_t *ids, size_t n, const BatchNeeds *needs, Error *err)
{
    if (n == 0 || n > needs->max_tokens)
        return error_set(err, "caption.tokens has %zu ids, expected 1 to %zu", n, needs->max_tokens);
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (uint64_t)ids[i] >= needs->vocabulary)
            return error_set_status(err, STATUS_MISMATCH, "caption.tokens[%zu] is %lld, the model has %zu tokens", i,
                                    (long long)ids[i], needs->vocabulary);
    return true;
}

/* The arrays of one record, checked, before anything is added. */
typedef struct Arrays {
    int64_t *ids;
    double *returns, *logp; /* logp NULL: a record that somebody has written by hand */
    size_t n;
    TileGrid grid;
    bool eos;
} Arrays;

/* How the picture is cut, which has to be one of the ways that --tiles makes. */
static bool grid_check(TileGrid *out, const Record *r, const Captioner *c, Error *err)
{
    if (!frame_grid(out, r, err))
        return false;
    if (captioner_cuts_so(c, *out))
        return true;
    if (out->rows == 0)
        return error_set_status(err, STATUS_MISMATCH, "caption.tiles is missing, expected a picture cut by --tiles %zu",
                                c->images.across);
    return error_set_status(err, STATUS_MISMATCH, "caption.tiles is [%u, %u], expected %s", out->rows, out->cols,
                            c->images.across > 0 ? "a grid that --tiles makes" : "a picture that is not cut (--tiles)");
}

static bool arrays_read(Arrays *c, const Record *r, const BatchNeeds *needs, Arena *a, Error *err)
{
    *c = (Arrays){0};
    size_t n_returns = 0;
    if (!caption_tokens_needed(r, a, &c->ids, &c->n, err) || !tokens_check(c->ids, c->n, needs, err))
        return false;
    if (needs->returns) {
        if (record_reals(r, "reward.returns", a, &c->returns, &n_returns) != FIELD_OK)
            return error_set(err, "reward.returns is missing or not an array of numbers");
        if (n_returns != c->n)
            return error_set(err, "reward.returns has %zu numbers for %zu tokens", n_returns, c->n);
        for (size_t i = 0; i < n_returns; i++)
            if (!isfinite(c->returns[i]))
                return error_set(err, "reward.returns[%zu] is not finite", i);
        if (!reward_check(r, err))
            return false;
    }
    return grid_check(&c->grid, r, needs->captioner, err) && caption_logp(r, a, &c->logp, c->n, err) != FIELD_WRONG &&
           caption_eos(r, &c->eos, err) != FIELD_WRONG;
}

/* Room for n captions and so many tokens. */
static void batch_reserve(Batch *b, size_t n, size_t tokens)
{
    b->episodes = array_reserve(b->episodes, &b->capacity, n, sizeof *b->episodes);
    b->feature_blob = array_reserve(b->feature_blob, &b->feature_capacity, n, sizeof *b->feature_blob);
    b->tokens = array_reserve(b->tokens, &b->tokens_capacity, tokens, sizeof *b->tokens);
    b->returns = array_reserve(b->returns, &b->returns_capacity, tokens, sizeof *b->returns);
    b->logp = array_reserve(b->logp, &b->logp_capacity, tokens, sizeof *b->logp);
}

void batch_append(Batch *b, const Episode *e, const int32_t *tokens, const double *returns, const double *logp)
{
    const size_t from = b->n_tokens;
    batch_reserve(b, b->n + 1, from + e->n);
    b->feature_blob[b->n] = 0;
    b->episodes[b->n] = *e;
    b->episodes[b->n++].first = from;
    for (size_t i = 0; i < e->n; i++) {
        b->tokens[from + i] = tokens[i];
        b->returns[from + i] = returns ? returns[i] : 0;
        b->logp[from + i] = logp ? logp[i] : NAN;
    }
    b->n_tokens = from + e->n;
    b->own_end = b->n;
}

/* ---- groups ---- */

/* Equal for records that show the same picture: whatever describes it, byte for byte. */
static uint64_t image_hash(const Record *r)
{
    const Slice frame = record_raw(r, "frame"), features = record_raw(r, "features");
    const uint64_t both[] = {hash_id(frame.data, frame.size), hash_id(features.data, features.size)};
    return hash_id(both, sizeof both);
}

size_t batch_group(Batch *b, Slice name, int64_t made)
{
    const uint64_t hash = hash_id(name.data, name.size);
    int64_t *at = hashmap_at(&b->group_of, hash);
    if (*at == 0) {
        b->groups = array_reserve(b->groups, &b->groups_capacity, b->n_groups + 1, sizeof *b->groups);
        b->groups[b->n_groups++] =
            (CaptionGroup){.name = arena_strndup(&b->names, name.data, name.size), .hash = hash, .greedy = NAN};
        *at = (int64_t)b->n_groups;
    }
    const size_t index = (size_t)*at - 1;
    b->groups[index].size = made > b->groups[index].size ? made : b->groups[index].size;
    return index;
}

static size_t count_lost(Batch *b)
{
    size_t groups = 0;
    for (size_t i = 0; i < b->n_groups; i++) {
        CaptionGroup *g = &b->groups[i];
        g->lost = g->size - g->members - !isnan(g->greedy);
        g->lost = g->lost > 0 ? g->lost : 0;
        groups += g->lost > 0;
    }
    return groups;
}

/* Such groups are compared as what is left of them. */
void batch_say_lost(Batch *b, int64_t index)
{
    const size_t groups = count_lost(b);
    for (size_t i = 0; i < b->n_groups && groups > 0; i++) {
        const CaptionGroup *g = &b->groups[i];
        if (g->lost == 0)
            continue;
        warn("batch %lld: %zu groups lack captions that failed before: %s has %lld of %lld%s", (long long)index, groups, g->name,
             (long long)(g->size - g->lost), (long long)g->size, groups > 1 ? ", .." : "");
        return;
    }
}

/* ---- records ---- */

static double words_of(const Record *r)
{
    Slice text;
    if (record_string(r, "caption.text", &text) != FIELD_OK)
        return NAN;
    size_t words = 0;
    for (size_t i = 0; i < text.size; i++)
        words += !isspace((unsigned char)((const char *)text.data)[i]) &&
                 (i == 0 || isspace((unsigned char)((const char *)text.data)[i - 1]));
    return (double)words;
}

static void episode_append(Batch *b, const Record *r, const Arrays *c, size_t group, Arena *arena)
{
    int32_t *tokens = arena_calloc(arena, c->n, sizeof *tokens);
    double noeos = real_or_nan(r, "reward.noeos");
    for (size_t i = 0; i < c->n; i++)
        tokens[i] = (int32_t)c->ids[i];
    batch_append(b,
                 &(Episode){.record = b->records.n - 1,
                            .n = c->n,
                            .group = group,
                            .image = image_hash(r),
                            .grid = c->grid,
                            .eos = c->eos,
                            .words = words_of(r),
                            .sim = real_or_nan(r, "reward.sim"),
                            .ref = real_or_nan(r, "reward.ref"),
                            .itm = real_or_nan(r, "reward.parts.itm"),
                            .phi = real_or_nan(r, "reward.parts.phi"),
                            .noeos = noeos > 0,
                            .bad = count_hits(r, "reward.bad", arena),
                            .repeat = count_hits(r, "reward.repeat", arena)},
                 tokens, c->returns, c->logp);
}

bool batch_has(const Batch *b, const void *id, size_t size)
{
    return hashmap_get(&b->ids, hash_id(id, size)) != 0;
}

void batch_append_entry(Batch *b, const BatchEntry *entry)
{
    b->entries = array_reserve(b->entries, &b->entries_capacity, b->n_entries + 1, sizeof *b->entries);
    b->entries[b->n_entries++] = *entry;
    hashmap_add(&b->ids, entry->id);
}

bool batch_add(Batch *b, const Record *r, const BatchNeeds *needs, Error *err)
{
    Arena arena = {0};
    Arrays c;
    GroupInfo info;
    bool ok = arrays_read(&c, r, needs, &arena, err) && group_read(&info, r, err) &&
              spool_add(&b->records, r->raw.data, r->raw.size, err) &&
              (!c.returns || whole_add(&b->whole, r, b->n_entries, &info, c.returns, c.n, needs->header, err));
    if (ok) {
        const size_t group = batch_group(b, info.name, info.size);
        if (info.baseline) {
            b->groups[group].greedy = c.returns ? c.returns[0] : NAN;
        } else {
            b->groups[group].members++;
            episode_append(b, r, &c, group, &arena);
            reward_parts_add(&b->parts, r, b->n_entries);
        }
        batch_append_entry(b, &(BatchEntry){.id = hash_id(r->id.data, r->id.size),
                                            .group = group,
                                            .greedy = info.baseline ? b->groups[group].greedy : NAN,
                                            .record = b->records.n - 1,
                                            .learned = !info.baseline});
    }
    arena_release(&arena);
    return ok;
}

void batch_complete(Batch *b, const Kernels *kernels)
{
    Episode *learned = b->episodes;
    if (b->whole.rule.n == 0)
        return;
    whole_complete(&b->whole, kernels);
    for (size_t i = 0; i < b->n_entries; i++) {
        const WholeEntry *e = &b->whole.entries[i];
        const double *returns = b->whole.returns + e->first;
        if (!b->entries[i].learned) {
            b->entries[i].greedy = b->groups[b->entries[i].group].greedy = returns[0];
            continue;
        }
        memcpy(b->returns + learned->first, returns, e->n * sizeof *returns);
        learned->sim = e->sim;
        learned->phi = e->phi;
        learned++;
    }
}

bool batch_same_image(const Batch *b, size_t i)
{
    return i > 0 && b->episodes[i].image == b->episodes[i - 1].image;
}

size_t batch_images(const Batch *b, size_t first, size_t n)
{
    size_t images = n > 0;
    for (size_t i = first + 1; i < first + n; i++)
        images += !batch_same_image(b, i);
    return images;
}

size_t batch_grids(const Batch *b, size_t first, size_t n, TileGrid *out)
{
    size_t images = 0, all = 0;
    for (size_t i = first; i < first + n; i++)
        if (i == first || !batch_same_image(b, i)) {
            if (out)
                out[images++] = b->episodes[i].grid;
            all += tile_grid_images(b->episodes[i].grid);
        }
    return all;
}

bool batch_blob(Batch *b, size_t i, Record *out, Arena *arena, Error *err)
{
    size_t size;
    const void *data = spool_get(&b->records, i, &size, err);
    return data && record_parse((Slice){data, size}, out, arena, err);
}

bool batch_record(Batch *b, size_t i, Record *out, Arena *arena, Error *err)
{
    if (b->episodes[i].record == RECORD_ELSEWHERE)
        return error_set(err, "the record of caption %zu of the batch is at another rank", i);
    return batch_blob(b, b->episodes[i].record, out, arena, err);
}
