/* Ranks; see recall.h. The similarities exist one at a time; texts are shared out over the threads. */
#include "eval/recall.h"

#include <math.h>
#include <stdlib.h>

#include "base/pool.h"

enum { LANES = 8 };

double row_dot(const real *a, const real *b, size_t cols)
{
    double sums[LANES] = {0}, all = 0;
    size_t k = 0;
    for (; k + LANES <= cols; k += LANES)
        for (size_t j = 0; j < LANES; j++)
            sums[j] += (double)a[k + j] * (double)b[k + j];
    for (; k < cols; k++)
        sums[0] += (double)a[k] * (double)b[k];
    for (size_t j = 0; j < LANES; j++)
        all += sums[j];
    return all;
}

typedef struct Work {
    const real *texts;
    const real *const *images;
    const size_t *own;
    const double *cosines, *best; /* of a text with its image; of an image with the best of its texts */
    size_t n_texts, n_images, cols, parts;
    size_t *ranks;
    size_t *greater; /* [parts, n_images]: other images' texts that are closer than best */
} Work;

static void rank_part(void *context, size_t part)
{
    const Work *w = context;
    size_t *greater = w->greater + part * w->n_images;
    for (size_t i = w->n_texts * part / w->parts; i < w->n_texts * (part + 1) / w->parts; i++) {
        w->ranks[i] = 1;
        for (size_t j = 0; j < w->n_images; j++) {
            if (j == w->own[i])
                continue;
            double s = row_dot(w->texts + i * w->cols, w->images[j], w->cols);
            w->ranks[i] += s > w->cosines[i];
            greater[j] += s > w->best[j];
        }
    }
}

void recall_ranks(size_t *ranks, size_t *image_ranks, double *cosines, const real *texts, size_t n_texts,
                  const real *const *images, size_t n_images, const size_t *own, size_t cols)
{
    double *best = xmalloc((n_images + 1) * sizeof *best);
    size_t parts = (size_t)pool_threads();
    size_t *greater = xcalloc(parts * n_images + 1, sizeof *greater);
    for (size_t j = 0; j < n_images; j++)
        best[j] = -INFINITY;
    for (size_t i = 0; i < n_texts; i++) {
        cosines[i] = row_dot(texts + i * cols, images[own[i]], cols);
        if (cosines[i] > best[own[i]])
            best[own[i]] = cosines[i];
    }
    Work w = {texts, images, own, cosines, best, n_texts, n_images, cols, parts, ranks, greater};
    pool_run(rank_part, &w, parts);
    for (size_t j = 0; j < n_images; j++) {
        image_ranks[j] = best[j] > -INFINITY;
        for (size_t p = 0; p < parts && image_ranks[j] > 0; p++)
            image_ranks[j] += greater[p * n_images + j];
    }
    free(best);
    free(greater);
}
