/*
 * CLIP recall as IC3 computes it (Chan et al. 2023, caption-by-committee, cbc/metrics/clip_score.py): each caption asks for its
 * image among all images of the set.
 *
 * rank = 1 + number of images with a similarity STRICTLY greater than that of the caption's own: ties help. The other direction:
 * each image asks for a text; rank = 1 + number of other images' texts strictly closer than the best of its own.
 * Similarities are summed in double over unit rows, each pair in the same order, so equal rows give equal similarities.
 */
#ifndef EVAL_RECALL_H
#define EVAL_RECALL_H

#include "tensor/tensor.h"

/* The similarity of two rows. */
double row_dot(const real *a, const real *b, size_t cols);

/*
 * texts [n_texts, cols]; images: n_images pointers to rows [cols]; own[i]: the image of text i. Out: ranks [n_texts], of images
 * among which a text finds its own; image_ranks [n_images], of texts (0 for an image without a text); cosines [n_texts]. Memory
 * is n_texts + n_images beside that.
 */
void recall_ranks(size_t *ranks, size_t *image_ranks, double *cosines, const real *texts, size_t n_texts,
                  const real *const *images, size_t n_images, const size_t *own, size_t cols);

#endif
