/* The likeliest tokens of a step's rows; see candidates.h. */
#include "decode/candidates.h"

#include <math.h>

#include "decode/beam.h"

enum { MOST_LISTED = 128 };

/* With top_k 0 no list suffices. */
static size_t wanted(const GenerateOptions *o, size_t vocabulary)
{
    if (o->num_beams > 1)
        return beam_keeps(o);
    if (!o->sample)
        return 1;
    return o->top_k > 0 && (size_t)o->top_k < vocabulary ? (size_t)o->top_k : vocabulary;
}

void candidates_init(Candidates *s, Arena *arena, const Kernels *kernels, const GenerateOptions *options, size_t vocabulary,
                     size_t rows, size_t n_whole, size_t most_history)
{
    *s = (Candidates){.kernels = kernels, .options = options, .vocabulary = vocabulary};
    s->want = wanted(options, vocabulary);
    s->most_banned = most_history + MOST_EOS;
    s->banned = arena_calloc(arena, rows * s->most_banned, sizeof *s->banned);
    s->n_banned = arena_calloc(arena, rows, sizeof *s->n_banned);
    s->values = arena_calloc(arena, rows * MOST_LISTED, sizeof *s->values);
    s->ids = arena_calloc(arena, rows * MOST_LISTED, sizeof *s->ids);
    s->rest = arena_calloc(arena, rows, sizeof *s->rest);
    s->lse = arena_calloc(arena, rows, sizeof *s->lse);
    s->whole = arena_calloc(arena, n_whole * vocabulary, sizeof *s->whole);
}

void candidates_ban(Candidates *s, size_t row, History history)
{
    s->n_banned[row] = banned_tokens(s->banned + row * s->most_banned, s->options, history);
}

static void sort_by_id(real *values, int32_t *ids, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        real value = values[i];
        int32_t id = ids[i];
        size_t at = i;
        for (; at > 0 && id < ids[at - 1]; at--) {
            values[at] = values[at - 1];
            ids[at] = ids[at - 1];
        }
        values[at] = value;
        ids[at] = id;
    }
}

static bool is_banned(const Candidates *s, size_t row, int32_t id)
{
    for (size_t i = 0; i < s->n_banned[row]; i++)
        if (s->banned[row * s->most_banned + i] == id)
            return true;
    return false;
}

/*
 * The tokens that are wanted, those that will fall out, and one more: only what is above the last one listed is known to be above
 * all others. Too many, and nothing but lse is of use.
 */
void candidates_fetch(Candidates *s, const real *logits, size_t rows)
{
    size_t most = 0;
    for (size_t i = 0; i < rows; i++)
        most = s->n_banned[i] > most ? s->n_banned[i] : most;
    s->k = s->want + most + 1;
    if (s->k > MOST_LISTED || s->k > s->vocabulary)
        s->k = 1;
    s->logits = logits;
    s->kernels->top_k(s->values, s->ids, s->lse, logits, rows, s->vocabulary, s->k);
    for (size_t i = 0; i < rows; i++) {
        real *values = s->values + i * s->k;
        int32_t *ids = s->ids + i * s->k;
        s->rest[i] = values[s->k - 1];
        sort_by_id(values, ids, s->k);
        for (size_t j = 0; j < s->k; j++)
            if (is_banned(s, i, ids[j]))
                values[j] = -INFINITY;
    }
}

Choices candidates_get(const Candidates *s, size_t row)
{
    return (Choices){s->values + row * s->k, s->ids + row * s->k, s->k, s->lse[row], s->rest[row]};
}

Choices candidates_whole(Candidates *s, size_t row, size_t place)
{
    real *values = s->whole + place * s->vocabulary;
    s->kernels->download(values, s->logits + row * s->vocabulary, s->vocabulary * sizeof *values);
    for (size_t i = 0; i < s->n_banned[row]; i++) {
        int32_t id = s->banned[row * s->most_banned + i];
        if (id >= 0 && (size_t)id < s->vocabulary)
            values[id] = -INFINITY;
    }
    return (Choices){values, NULL, s->vocabulary, s->lse[row], -INFINITY};
}
