/* Micro-batches; see plan.h. */
#include "update/plan.h"

#include <math.h>

#include "base/progress.h"
#include "models/reals.h"

/* Rows per product from which kernels are efficient: below it, computing layers twice is cheaper than smaller products. */
enum { ROWS_WANTED = 256 };

/* The encoder is recorded only when it is trained; else its features alone are there, as they are and normed. */
static double vision_reals(const Learner *l, bool checkpointing)
{
    const VisionConfig *v = &l->captioner->vit.config;
    double rows = (double)vit_rows(&l->captioner->vit), d = (double)v->hidden, inner = feed_reals(v->activation, (double)v->mlp);
    return rows * (2 * d + (l->train_vision ? stack_reals(d, inner, (double)v->layers, checkpointing) : 0));
}

/* The language model's activations, and on top of them those of a pass, value or policy, of which one is there at a time. */
static size_t caption_bytes(const Learner *l, TileGrid grid, size_t n_tokens, bool shared, bool checkpointing, bool images_kept)
{
    const LmConfig *o = &l->captioner->lm.config;
    double d = (double)o->hidden, tokens = (double)n_tokens, cross = o->memory > 0 ? 5 * d : 0; /* attention to an image */
    double rows = (shared ? 0 : (double)lm_front(&l->captioner->lm, captioner_prefix_rows(l->captioner, grid))) + tokens;
    double opt =
        rows * (4 * d + stack_reals(d, feed_reals(o->activation, (double)o->ffn) + cross, (double)o->layers, checkpointing));
    double one = vision_reals(l, checkpointing) + l->captioner->family->reals(l->captioner, checkpointing);
    double images = shared ? 0 : (double)tile_grid_images(grid) * one;
    double values = l->head ? tokens * (double)value_head_reals(l->head) * d + (images_kept ? images : 0) : 0;
    double policy = images + tokens * (double)o->vocabulary;
    return (size_t)((opt + fmax(values, policy)) * sizeof(real));
}

size_t plan_bytes(const Learner *l, TileGrid grid, size_t n_tokens, bool shared, bool checkpointing)
{
    return caption_bytes(l, grid, n_tokens, shared, checkpointing, false);
}

static size_t batch_bytes(const Learner *l, const Batch *b, bool checkpointing, bool images_kept)
{
    size_t bytes = 0;
    for (size_t i = 0; i < b->n; i++)
        bytes += caption_bytes(l, b->episodes[i].grid, b->episodes[i].n, batch_same_image(b, i), checkpointing, images_kept);
    return bytes;
}

/* How many captions from `first` on fit, but no more than `share` bytes need: a small rest would be no cheaper. At least one. */
static size_t captions_that_fit(const Learner *l, const Batch *b, size_t first, size_t end, size_t share, bool checkpointing)
{
    size_t n = 0, used = 0;
    while (first + n < end && used < share) {
        const Episode *e = &b->episodes[first + n];
        used += plan_bytes(l, e->grid, e->n, n > 0 && batch_same_image(b, first + n), checkpointing);
        if (n > 0 && used > l->memory)
            break;
        n++;
    }
    return n;
}

static size_t longest(const Batch *b)
{
    size_t most = 1;
    for (size_t i = 0; i < b->n; i++)
        most = b->episodes[i].n > most ? b->episodes[i].n : most;
    return most;
}

/* The grid of most rows. */
static TileGrid largest(const Learner *l, const Batch *b)
{
    TileGrid most = {0, 0};
    for (size_t i = 0; i < b->n; i++)
        if (captioner_prefix_rows(l->captioner, b->episodes[i].grid) > captioner_prefix_rows(l->captioner, most))
            most = b->episodes[i].grid;
    return most;
}

/* Layers are computed again only where keeping them would leave too few rows to a product. */
static bool wants_checkpointing(const Learner *l, const Batch *b)
{
    const TileGrid grid = largest(l, b);
    size_t tokens = longest(b), rows = lm_front(&l->captioner->lm, captioner_prefix_rows(l->captioner, grid)) + tokens;
    size_t whole = plan_bytes(l, grid, tokens, false, false);
    return whole * b->n > l->memory && l->memory / whole * rows < ROWS_WANTED;
}

bool plan_keeps_images(const Learner *l, const Batch *b)
{
    return batch_bytes(l, b, wants_checkpointing(l, b), true) <= l->memory;
}

bool plan_run_part(Learner *l, const Batch *b, size_t first, size_t end, StepReport *report, bool (*pass)(void *, size_t, size_t),
                   void *context)
{
    bool checkpointing = wants_checkpointing(l, b);
    size_t bytes = batch_bytes(l, b, checkpointing, false), parts = (bytes + l->memory - 1) / l->memory;
    size_t share = parts ? bytes / parts : 0;
    tape_checkpointing(l->tape, checkpointing);
    for (size_t n; first < end; first += n) {
        n = captions_that_fit(l, b, first, end, share, checkpointing);
        if (!pass(context, first, n))
            return false;
        report->micro_batches++;
        progress_moved();
        report->largest_micro = n > report->largest_micro ? n : report->largest_micro;
    }
    return true;
}

bool plan_run(Learner *l, const Batch *b, StepReport *report, bool (*pass)(void *, size_t, size_t), void *context)
{
    report->micro_batches = 0;
    return plan_run_part(l, b, 0, b->n, report, pass, context);
}
