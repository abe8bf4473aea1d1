/* Micro-batches; see plan.h. */
#include "update/plan.h"

/* Rows per product from which kernels are efficient: below it, computing layers twice is cheaper than smaller products. */
enum { ROWS_WANTED = 256 };

/* Values of one recorded transformer block, per row: norms, q k v, attention, sums (d each), the inner layer twice. */
static double block_reals(double d, double ffn)
{
    return 11 * d + 2 * ffn;
}

/* Of a stack of blocks, per row: each one's values and its result's gradient, one block's gradients; or only results. */
static double stack_reals(double d, double ffn, double layers, bool segments)
{
    double block = block_reals(d, ffn);
    return segments ? 2 * d * layers + 2 * block : (block + d) * layers + block;
}

static double vision_reals(const Learner *l, bool segments)
{
    const VisionConfig *v = &l->captioner->config.vision;
    double rows = (double)vit_rows(&l->captioner->vit), d = (double)v->hidden, ffn = (double)v->mlp;
    /* Not recorded: about one block. */
    return rows * (l->train_vision ? stack_reals(d, ffn, (double)v->layers, segments) : 2 * block_reals(d, ffn));
}

static double qformer_reals(const Learner *l, bool segments)
{
    const QformerConfig *q = &l->captioner->config.qformer;
    double h = (double)q->hidden, layers = (double)q->layers, queries = (double)l->captioner->config.queries;
    double rows = (double)vit_rows(&l->captioner->vit);
    double crosses = (layers + (double)q->cross_frequency - 1) / (double)q->cross_frequency;
    double layer = 16 * h + 2 * (double)q->mlp;
    return queries * (segments ? 2 * h * layers + 2 * layer : (layer + h) * layers + layer) + crosses * rows * 4 * h +
           rows * 2 * (double)q->encoder_hidden;
}

size_t plan_bytes(const Learner *l, size_t n_tokens, bool segments)
{
    const OptConfig *o = &l->captioner->config.text;
    double d = (double)o->hidden, rows = (double)(l->captioner->config.queries + n_tokens);
    double opt = rows * stack_reals(d, (double)o->ffn, (double)o->layers, segments);
    double head = (double)n_tokens * (2 * 70 * d + (double)o->vocabulary / 4);
    return (size_t)((opt + head + qformer_reals(l, segments) + vision_reals(l, segments)) * sizeof(real));
}

/* How many captions from `first` on fit. At least one. */
static size_t captions_that_fit(const Learner *l, const Batch *b, size_t first, bool segments)
{
    size_t n = 0, used = 0;
    while (first + n < b->n) {
        used += plan_bytes(l, b->episodes[first + n].n, segments);
        if (n > 0 && used > l->options.memory)
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

bool plan_run(Learner *l, const Batch *b, StepReport *report, bool (*pass)(void *, size_t, size_t), void *context)
{
    size_t tokens = longest(b), rows = l->captioner->config.queries + tokens, whole = plan_bytes(l, tokens, false);
    bool segments = whole * b->n > l->options.memory && l->options.memory / whole * rows < ROWS_WANTED;
    tape_segments(l->tape, segments);
    report->micro_batches = 0;
    for (size_t first = 0, n; first < b->n; first += n) {
        n = captions_that_fit(l, b, first, segments);
        if (!pass(context, first, n))
            return false;
        report->micro_batches++;
        report->largest_micro = n > report->largest_micro ? n : report->largest_micro;
    }
    return true;
}
