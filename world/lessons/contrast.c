/* The contrastive loss; see contrast.h. */
#include "world/lessons/contrast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double SCALE = 1 / 0.07, SCALE_MOST = 100; /* of the cosines, as in CLIP */

typedef struct Scores {
    size_t images, texts, width;
    const real *image, *text; /* [.., width] */
    double scale;
    double *cosine;  /* [images, texts] */
    double *dcosine; /* of the loss */
    double dscale;
} Scores;

/* Softmax over n cosines `stride` apart: adds weight * (p - onehot) * scale to their gradient; returns -log p of the right one.
 */
static double softmax_row(Scores *s, size_t first, size_t stride, size_t n, size_t right, double weight)
{
    double most = -INFINITY, sum = 0;
    for (size_t j = 0; j < n; j++)
        most = fmax(most, s->cosine[first + j * stride]);
    for (size_t j = 0; j < n; j++)
        sum += exp(s->scale * (s->cosine[first + j * stride] - most));
    for (size_t j = 0; j < n; j++) {
        double cosine = s->cosine[first + j * stride], p = exp(s->scale * (cosine - most)) / sum;
        double d = weight * (p - (j == right));
        s->dcosine[first + j * stride] += d * s->scale;
        s->dscale += d * cosine;
    }
    return weight * (log(sum) - s->scale * (s->cosine[first + right * stride] - most));
}

static void cosines(Scores *s)
{
    for (size_t i = 0; i < s->images; i++)
        for (size_t j = 0; j < s->texts; j++) {
            double sum = 0;
            for (size_t k = 0; k < s->width; k++)
                sum += (double)s->image[i * s->width + k] * s->text[j * s->width + k];
            s->cosine[i * s->texts + j] = sum;
        }
}

static void cosines_backward(const Scores *s, real *dimage, real *dtext)
{
    memset(dimage, 0, s->images * s->width * sizeof *dimage);
    memset(dtext, 0, s->texts * s->width * sizeof *dtext);
    for (size_t i = 0; i < s->images; i++)
        for (size_t j = 0; j < s->texts; j++) {
            real d = (real)s->dcosine[i * s->texts + j];
            for (size_t k = 0; k < s->width; k++) {
                dimage[i * s->width + k] += d * s->text[j * s->width + k];
                dtext[j * s->width + k] += d * s->image[i * s->width + k];
            }
        }
}

double contrast(Lesson *l, Tensor *images, Tensor *texts, Tensor *log_scale, double *right)
{
    const Kernels *k = tape_kernels(l->tape);
    const size_t n = images->rows, m = texts->rows, width = images->cols;
    real *host = xmalloc(2 * (n + m) * width * sizeof *host), *grad = host + (n + m) * width, at = (real)log(SCALE);
    Scores s = {.images = n, .texts = m, .width = width, .image = host, .text = host + n * width};
    s.cosine = xcalloc(2 * n * m, sizeof *s.cosine);
    s.dcosine = s.cosine + n * m;
    k->download(host, images->data, n * width * sizeof *host);
    k->download(host + n * width, texts->data, m * width * sizeof *host);
    if (log_scale)
        k->download(&at, log_scale->data, sizeof at);
    s.scale = fmin(exp(at), SCALE_MOST);
    cosines(&s);
    double loss = 0;
    for (size_t i = 0; i < n; i++) {
        double one = softmax_row(&s, i * m, 1, m, i, 0.5 / (double)n);
        loss += one + softmax_row(&s, i, m, n, i, 0.5 / (double)n);
        *right += one * 2 * (double)n < log(2);
    }
    cosines_backward(&s, grad, grad + n * width);
    k->upload(images->grad, grad, n * width * sizeof *grad);
    k->upload(texts->grad, grad + n * width, m * width * sizeof *grad);
    real dlog = (real)(s.scale < SCALE_MOST ? s.dscale * s.scale : 0);
    if (log_scale)
        k->upload(log_scale->grad, &dlog, sizeof dlog);
    free(s.cosine);
    free(host);
    return loss;
}
