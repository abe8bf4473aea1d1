/* The contrastive loss of CLIP and of BLIP-2's image-text contrast (Radford et al. 2021). */
#ifndef WORLD_LESSONS_CONTRAST_H
#define WORLD_LESSONS_CONTRAST_H

#include "world/lessons/lesson.h"

/*
 * images [n, width] and texts [m, width], m >= n, of unit length; text i < n belongs to image i, the others to none. Cross
 * entropy of each image among all texts and of each of the first n texts among all images, halved and averaged; seeds both
 * gradients. log_scale: [1, 1], the log of the cosines' factor, taught too; NULL: a factor of 1 / 0.07. *right grows by one for
 * each image that is surer of its text than of all others together.
 */
double contrast(Lesson *l, Tensor *images, Tensor *texts, Tensor *log_scale, double *right);

#endif
