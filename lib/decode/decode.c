/*
 * Batched decoding; see decode.h.
 *
 * Rows of the cache: first every image's prompt, front + 1 rows each (lm_front); then max_new_tokens rows for every lane. A
 * lane is one continuation: a sampled caption, or one live beam. A step feeds each live lane its last token.
 */
#include "decode/decode.h"

#include <stdlib.h>
#include <string.h>

#include "decode/candidates.h"

/* One continuation. */
typedef struct Lane {
    int32_t *ids; /* history, then the generated ones; in the decoder's arena. Not used by beams, which keep their own */
    double *logp;
    size_t n; /* generated */
    bool done, eos;
} Lane;

struct Decoder {
    const Kernels *kernels;
    const Lm *lm;
    GenerateOptions options;
    size_t n_prefix, front, max_images, n_return, width, n_history;
    const int32_t *history;
    KvCache *cache;    /* owned */
    Arena arena;       /* everything below */
    Lane *lanes;       /* [max_images * width] */
    BeamSearch *beams; /* [max_images], with num_beams > 1 */
    bool *searching;   /* [max_images]: the search goes on */
    size_t *live;      /* lanes in this step, in order of row; of prompts, the first lane of each */
    size_t n_live, images, length;
    int32_t *ids, *positions;
    size_t *at, *moved_to, *moved_from;
    Span *spans;
    size_t *image;          /* of each span */
    const Tensor *prefixes; /* of this run */
    Candidates candidates;  /* of each row of this step */
    uint64_t tokens;
    bool warm; /* the stack has all that any step will take */
};

static size_t width_of(const GenerateOptions *o, size_t n_return)
{
    return o->num_beams > 1 ? (size_t)o->num_beams : n_return;
}

static size_t cache_rows(const GenerateOptions *o, size_t front, size_t images, size_t n_return)
{
    return images * (front + 1 + width_of(o, n_return) * (size_t)o->max_new_tokens);
}

size_t decoder_bytes(const Lm *lm, const GenerateOptions *o, size_t n_prefix, size_t images, size_t n_return)
{
    return kv_cache_bytes(lm, cache_rows(o, lm_front(lm, n_prefix), images, n_return));
}

static void lanes_new(Decoder *d)
{
    size_t n = d->max_images * d->width, most = (size_t)d->options.max_new_tokens;
    d->lanes = arena_calloc(&d->arena, n, sizeof *d->lanes);
    for (size_t i = 0; i < n; i++) {
        d->lanes[i].ids = arena_calloc(&d->arena, d->n_history + most, sizeof *d->lanes[i].ids);
        d->lanes[i].logp = arena_calloc(&d->arena, most, sizeof *d->lanes[i].logp);
        memcpy(d->lanes[i].ids, d->history, d->n_history * sizeof *d->history);
    }
}

Decoder *decoder_new(const Kernels *kernels, const Lm *lm, const GenerateOptions *options, size_t n_prefix, size_t max_images,
                     size_t n_return, const int32_t *history, size_t n_history)
{
    Decoder *d = xcalloc(1, sizeof *d);
    *d = (Decoder){.kernels = kernels,
                   .lm = lm,
                   .options = *options,
                   .n_prefix = n_prefix,
                   .front = lm_front(lm, n_prefix),
                   .max_images = max_images,
                   .n_return = n_return,
                   .width = width_of(options, n_return),
                   .history = history,
                   .n_history = n_history};
    size_t lanes = max_images * d->width, most = (size_t)options->max_new_tokens;
    size_t prompt_rows = max_images * (d->front + 1);
    d->cache = kv_cache_new(kernels, lm, cache_rows(options, d->front, max_images, n_return));
    lanes_new(d);
    d->beams = arena_calloc(&d->arena, max_images, sizeof *d->beams);
    for (size_t i = 0; i < max_images && options->num_beams > 1; i++)
        beam_init(&d->beams[i], options, history, n_history, lm->config.vocabulary);
    d->searching = arena_calloc(&d->arena, max_images, sizeof *d->searching);
    d->live = arena_calloc(&d->arena, lanes, sizeof *d->live);
    d->ids = arena_calloc(&d->arena, lanes, sizeof *d->ids);
    d->positions = arena_calloc(&d->arena, lanes, sizeof *d->positions);
    d->spans = arena_calloc(&d->arena, lanes, sizeof *d->spans);
    d->image = arena_calloc(&d->arena, lanes, sizeof *d->image);
    d->at = arena_calloc(&d->arena, lanes > prompt_rows ? lanes : prompt_rows, sizeof *d->at);
    d->moved_to = arena_calloc(&d->arena, lanes * most, sizeof *d->moved_to);
    d->moved_from = arena_calloc(&d->arena, lanes * most, sizeof *d->moved_from);
    candidates_init(&d->candidates, &d->arena, kernels, &d->options, lm->config.vocabulary, lanes,
                    options->num_beams > 1 ? d->width : 1, n_history + most);
    return d;
}

void decoder_free(Decoder *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->max_images && d->options.num_beams > 1; i++)
        beam_release(&d->beams[i]);
    kv_cache_free(d->cache);
    arena_release(&d->arena);
    free(d);
}

static size_t prompt_row(const Decoder *d, size_t image)
{
    return image * (d->front + 1);
}

static size_t lane_row(const Decoder *d, size_t lane)
{
    return d->max_images * (d->front + 1) + lane * (size_t)d->options.max_new_tokens;
}

static History history_of(const Decoder *d, size_t lane)
{
    if (d->options.num_beams > 1)
        return beam_history(&d->beams[lane / d->width], lane % d->width);
    return (History){d->lanes[lane].ids, d->n_history + d->lanes[lane].n, d->n_history};
}

/* What may follow in every live lane, from one row of logits for each. */
static void fetch_choices(Decoder *d, const Tensor *logits)
{
    for (size_t i = 0; i < d->n_live; i++)
        candidates_ban(&d->candidates, i, history_of(d, d->live[i]));
    candidates_fetch(&d->candidates, tensor_data(logits), d->n_live);
}

/* Runs all prompts: the choices of each image's first token, one row an image. */
static void prefill(Decoder *d, Tape *t)
{
    size_t rows = d->front + 1;
    for (size_t i = 0; i < d->images; i++) {
        for (size_t r = 0; r < rows; r++)
            d->at[i * rows + r] = prompt_row(d, i) + r;
        d->spans[i] = (Span){.q = i * rows, .nq = rows, .k = prompt_row(d, i), .nk = rows};
        d->image[i] = i;
        d->live[i] = i * d->width;
    }
    d->n_live = d->images;
    Tensor *x = lm_prompts(t, d->lm, d->prefixes, d->n_prefix, d->images);
    x = lm_advance(t, d->lm, d->cache, x, d->at, d->spans, d->images, d->prefixes, d->image);
    fetch_choices(d, lm_logits(t, d->lm, x));
}

/* Feeds every live lane its last token: the choices of the next one. */
static void advance(Decoder *d, Tape *t)
{
    size_t prompt = d->front + 1;
    for (size_t i = 0; i < d->n_live; i++) {
        size_t lane = d->live[i];
        d->positions[i] = (int32_t)(prompt + d->length - 1);
        d->at[i] = lane_row(d, lane) + d->length - 1;
        d->spans[i] = (Span){.q = i,
                             .nq = 1,
                             .prefix = prompt_row(d, lane / d->width),
                             .n_prefix = prompt,
                             .k = lane_row(d, lane),
                             .nk = d->length};
        d->image[i] = lane / d->width;
    }
    Tensor *x = lm_embed(t, d->lm, d->ids, d->positions, d->n_live);
    x = lm_advance(t, d->lm, d->cache, x, d->at, d->spans, d->n_live, d->prefixes, d->image);
    fetch_choices(d, lm_logits(t, d->lm, x));
}

/* ---- greedy and sampled ---- */

/* The next token of a lane from its row of choices. */
static void lane_choose(Decoder *d, size_t row, size_t index, uint64_t key, uint32_t step)
{
    const GenerateOptions *o = &d->options;
    Lane *lane = &d->lanes[index];
    Choices c = candidates_get(&d->candidates, row);
    if (!choices_suffice(&c, d->candidates.want))
        c = candidates_whole(&d->candidates, row, 0);
    const bool greedy = !o->sample || (o->greedy_last && index % d->width == d->width - 1);
    size_t chosen = !greedy ? choices_draw(&c, o, step, key, (uint32_t)lane->n) : choices_first(&c);
    int32_t id = choices_id(&c, chosen);
    lane->logp[lane->n] = (double)c.logits[chosen] - c.lse;
    lane->ids[d->n_history + lane->n++] = id;
    lane->eos = eos_is(&o->eos, id);
    lane->done = lane->eos || (int64_t)lane->n == o->max_new_tokens;
    d->tokens++;
}

static void lanes_list(Decoder *d)
{
    d->n_live = 0;
    for (size_t lane = 0; lane < d->images * d->width; lane++)
        if (!d->lanes[lane].done) {
            d->ids[d->n_live] = d->lanes[lane].ids[d->n_history + d->lanes[lane].n - 1];
            d->live[d->n_live++] = lane;
        }
}

static void lanes_reset(Decoder *d)
{
    for (size_t lane = 0; lane < d->images * d->width; lane++)
        d->lanes[lane].n = 0;
}

/* All captions of an image begin from the same row. */
static void lanes_begin(Decoder *d, const uint64_t *keys, uint32_t step)
{
    for (size_t lane = 0; lane < d->images * d->width; lane++)
        lane_choose(d, lane / d->width, lane, keys[lane], step);
    lanes_list(d);
}

static void lanes_step(Decoder *d, const uint64_t *keys, uint32_t step)
{
    for (size_t i = 0; i < d->n_live; i++)
        lane_choose(d, i, d->live[i], keys[d->live[i]], step);
    lanes_list(d);
}

/* ---- beams ---- */

static void beams_list(Decoder *d)
{
    d->n_live = 0;
    for (size_t image = 0; image < d->images; image++)
        for (size_t k = 0; k < d->width && d->searching[image]; k++) {
            d->ids[d->n_live] = beam_last(&d->beams[image], k);
            d->live[d->n_live++] = image * d->width + k;
        }
}

static void beams_reset(Decoder *d)
{
    for (size_t image = 0; image < d->images; image++)
        beam_reset(&d->beams[image]);
}

/* One token more of an image's beams, whose choices begin with row `row`. */
static void beams_choose(Decoder *d, size_t image, size_t row)
{
    BeamSearch *b = &d->beams[image];
    Choices c[MAX_BEAMS];
    for (size_t k = 0; k < beam_live(b); k++) {
        c[k] = candidates_get(&d->candidates, row + k);
        if (!beam_settled(b, k, &c[k]))
            c[k] = candidates_whole(&d->candidates, row + k, k);
    }
    d->searching[image] = beam_step(b, c);
    d->tokens += d->width;
}

static void beams_begin(Decoder *d)
{
    for (size_t image = 0; image < d->images; image++)
        beams_choose(d, image, image);
    beams_list(d);
}

/* Each image's rows of choices stand together; afterwards its lanes of the cache follow their parents. */
static void beams_step(Decoder *d, Tape *t)
{
    size_t n_moved = 0, row = 0;
    for (size_t image = 0; image < d->images; image++) {
        if (!d->searching[image])
            continue;
        const BeamSearch *b = &d->beams[image];
        beams_choose(d, image, row);
        row += d->width;
        for (size_t k = 0; k < d->width && d->searching[image]; k++)
            for (size_t j = 0; j < d->length && b->parents[k] != k; j++, n_moved++) {
                d->moved_to[n_moved] = lane_row(d, image * d->width + k) + j;
                d->moved_from[n_moved] = lane_row(d, image * d->width + b->parents[k]) + j;
            }
    }
    if (n_moved > 0)
        kv_cache_move(d->cache, t, d->moved_to, d->moved_from, n_moved);
    beams_list(d);
}

/* ---- both ---- */

/* On: from here on memory that has to grow is a bug. */
static void forbid_growth(Tape *t, bool on)
{
    tape_forbid_growth(t, on);
    memory_forbid(on);
}

/*
 * After the first step of all lanes: no step takes more, but for the reordering of all beams at their full length, on top of what
 * a step holds. A batch in which a lane ended at its first token says nothing of the others.
 */
static void warm_up(Decoder *d, Tape *t)
{
    const size_t lanes = d->max_images * d->width;
    if (d->warm || d->n_live < lanes)
        return;
    if (d->options.num_beams > 1)
        kv_cache_reserve(d->cache, t, lanes * (size_t)d->options.max_new_tokens);
    d->warm = true;
    forbid_growth(t, true);
}

static void decode_loop(Decoder *d, Tape *t, const uint64_t *keys, uint32_t step)
{
    bool beams = d->options.num_beams > 1;
    for (d->length = 1; d->n_live > 0; d->length++) {
        TapeMark mark = tape_mark(t);
        advance(d, t);
        warm_up(d, t);
        if (beams)
            beams_step(d, t);
        else
            lanes_step(d, keys, step);
        tape_release(t, mark);
    }
}

void decoder_run(Decoder *d, Tape *t, const Tensor *prefixes, size_t images, const uint64_t *keys, uint32_t step)
{
    if (images > d->max_images)
        bug("%zu images for a decoder of %zu", images, d->max_images);
    d->images = images;
    d->prefixes = prefixes;
    bool beams = d->options.num_beams > 1;
    if (beams)
        beams_reset(d);
    else
        lanes_reset(d);
    TapeMark mark = tape_mark(t);
    prefill(d, t);
    if (beams)
        beams_begin(d);
    else
        lanes_begin(d, keys, step);
    tape_release(t, mark);
    forbid_growth(t, d->warm);
    decode_loop(d, t, keys, step);
    forbid_growth(t, false);
}

Generated decoder_result(const Decoder *d, size_t image, size_t k)
{
    if (d->options.num_beams > 1) {
        const Beam *b = beam_best(&d->beams[image], k);
        size_t n = b->n - d->n_history;
        return (Generated){b->ids + d->n_history, b->logp, n, n > 0 && eos_is(&d->options.eos, b->ids[b->n - 1])};
    }
    const Lane *lane = &d->lanes[image * d->width + k];
    return (Generated){lane->ids + d->n_history, lane->logp, lane->n, lane->eos};
}

uint64_t decoder_tokens(const Decoder *d)
{
    return d->tokens;
}
