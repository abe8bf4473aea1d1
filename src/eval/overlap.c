/* BLEU's parts, ROUGE-L and CIDEr-D; see overlap.h. */
#include "eval/overlap.h"

#include <math.h>
#include <string.h>

/* ---- BLEU ---- */

typedef struct Grams {
    const Gram *grams;
    size_t n;
} Grams;

/* How often a list has the gram; at: where to look on, for grams come in order. */
static uint32_t count_of(const Grams *list, size_t *at, const Gram *g)
{
    while (*at < list->n && gram_compare(&list->grams[*at], g) < 0)
        ++*at;
    return *at < list->n && gram_compare(&list->grams[*at], g) == 0 ? list->grams[*at].count : 0;
}

static void bleu_parts(Overlap *o, const Words *caption, const Words *references, const Grams *of, const Grams *own, size_t n,
                       Arena *scratch)
{
    size_t *at = arena_calloc(scratch, n, sizeof *at);
    for (size_t i = 0; i < own->n; i++) {
        const Gram *g = &own->grams[i];
        uint32_t most = 0;
        for (size_t r = 0; r < n; r++) {
            uint32_t count = count_of(&of[r], &at[r], g);
            most = count > most ? count : most;
        }
        o->correct[g->order] += g->count < most ? g->count : most;
    }
    for (size_t k = 0; k < GRAM_ORDERS; k++)
        o->guess[k] = caption->n > k ? (double)(caption->n - k) : 0;
    o->length = (double)caption->n;
    double best = INFINITY;
    for (size_t r = 0; r < n; r++) {
        double length = (double)references[r].n, far = fabs(length - o->length);
        if (far < best || (far <= best && length < o->closest)) {
            best = far;
            o->closest = length;
        }
    }
}

/* ---- ROUGE-L ---- */

/* Length of the longest common subsequence. */
static size_t common(const Words *a, const Words *b, Arena *scratch)
{
    size_t *row = arena_calloc(scratch, b->n_tokens + 1, sizeof *row);
    for (size_t i = 0; i < a->n_tokens; i++) {
        size_t corner = 0;
        for (size_t j = 0; j < b->n_tokens; j++) {
            size_t above = row[j + 1];
            if (a->tokens[i] == b->tokens[j])
                row[j + 1] = corner + 1;
            else
                row[j + 1] = row[j] > above ? row[j] : above;
            corner = above;
        }
    }
    return row[b->n_tokens];
}

static double rouge(const Words *caption, const Words *references, size_t n, Arena *scratch)
{
    const double beta2 = 1.2 * 1.2;
    double precision = 0, recall = 0;
    for (size_t r = 0; r < n; r++) {
        double same = (double)common(&references[r], caption, scratch);
        precision = fmax(precision, same / (double)caption->n_tokens);
        recall = fmax(recall, same / (double)references[r].n_tokens);
    }
    return precision > 0 && recall > 0 ? (1 + beta2) * precision * recall / (recall + beta2 * precision) : 0;
}

/* ---- CIDEr-D ---- */

typedef struct Vector { /* tf-idf of a text's n-grams, in their order */
    double *weights;
    double norm[GRAM_ORDERS], length; /* length: as pycocoevalcap has it, the number of bigrams */
} Vector;

static Vector vector_of(const Grams *g, const Frequencies *f, double log_images, Arena *scratch)
{
    Vector v = {.weights = arena_alloc(scratch, (g->n + 1) * sizeof(double))};
    for (size_t i = 0; i < g->n; i++) {
        uint32_t order = g->grams[i].order;
        double w = g->grams[i].count * (log_images - frequencies_log(f, g->grams[i].hash));
        v.weights[i] = w;
        v.norm[order] += w * w;
        v.length += order == 1 ? g->grams[i].count : 0;
    }
    for (size_t k = 0; k < GRAM_ORDERS; k++)
        v.norm[k] = sqrt(v.norm[k]);
    return v;
}

/* The sum over n-gram lengths of the clipped cosine of two vectors, under the penalty of a difference of length. */
static double similarity(const Grams *a, const Vector *x, const Grams *b, const Vector *y)
{
    const double sigma = 6, delta = x->length - y->length, penalty = exp(-delta * delta / (2 * sigma * sigma));
    double dots[GRAM_ORDERS] = {0}, sum = 0;
    size_t j = 0;
    for (size_t i = 0; i < a->n; i++)
        if (count_of(b, &j, &a->grams[i]) > 0)
            dots[a->grams[i].order] += fmin(x->weights[i], y->weights[j]) * y->weights[j];
    for (size_t k = 0; k < GRAM_ORDERS; k++)
        sum += (x->norm[k] > 0 && y->norm[k] > 0 ? dots[k] / (x->norm[k] * y->norm[k]) : dots[k]) * penalty;
    return sum;
}

static double cider(const Grams *own, const Grams *of, size_t n, const Frequencies *f, Arena *scratch)
{
    const double log_images = log((double)f->images);
    const Vector x = vector_of(own, f, log_images, scratch);
    double sum = 0;
    for (size_t r = 0; r < n; r++) {
        const Vector y = vector_of(&of[r], f, log_images, scratch);
        sum += similarity(own, &x, &of[r], &y);
    }
    return 10 * sum / GRAM_ORDERS / (double)n;
}

Overlap overlap_measure(const Words *caption, const Words *references, size_t n, const Frequencies *frequencies, Arena *scratch)
{
    Overlap o = {0};
    Grams own, *of = arena_alloc(scratch, n * sizeof *of);
    own.grams = grams_new(caption, &own.n, scratch);
    for (size_t r = 0; r < n; r++)
        of[r].grams = grams_new(&references[r], &of[r].n, scratch);
    bleu_parts(&o, caption, references, of, &own, n, scratch);
    o.rouge = rouge(caption, references, n, scratch);
    o.cider = cider(&own, of, n, frequencies, scratch);
    return o;
}
