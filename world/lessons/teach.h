/*
 * The lessons of the miniature's models, in the order in which they are taken.
 *
 *   see       a vision encoder learns to name what each patch shows: the sight that EVA and CLIP bring along
 *   caption   connector and language model learn captions on the frozen encoder, and the language model text alone: first
 * detailed, then as the web writes match     a scorer: ITM on the captioner's frozen encoder, from its Q-Former contrast  a CLIP:
 * images and captions to the same place language  a language model by itself: true captions, long and short
 *
 * Models come from a folder and go back to it; every draw is a function of the seed, so the same command writes the same bytes
 * (with the same number of threads, on the same kind of processor).
 */
#ifndef WORLD_LESSONS_TEACH_H
#define WORLD_LESSONS_TEACH_H

#include "world/lessons/gallery.h"
#include "world/language.h"
#include "models/vit.h"
#include "world/lessons/lesson.h"

typedef struct TeachOptions {
    const char *model; /* folder */
    const char *from;  /* match: the captioner's folder */
    int64_t steps;
    int64_t batch; /* images a step */
    double rate;
    double detailed;  /* caption: share of detailed captions */
    double attribute; /* caption: chance that a short one says its object's colour, size or fill, each */
    double opening;   /* caption: chance that one has a meaningless opening */
    bool neat;        /* caption: detailed ones have nothing that the paper's rules punish */
    double ground;    /* caption: chance that a short one says the background */
    bool go_on;       /* caption, match, language: continue from the weights that the model has */
    uint64_t seed;
} TeachOptions;

typedef bool Teach(const Gallery *g, const TeachOptions *o, const Kernels *kernels, Error *err);

MUST_USE Teach teach_see, teach_caption, teach_match, teach_contrast;

/* The lesson that has no images: scenes are drawn by the seed. */
MUST_USE bool teach_language(const TeachOptions *o, const Kernels *kernels, Error *err);

/* Writes the tokenizers of captioner, scorer, CLIP, SmolVLM and LLaMa, learnt from captions, to FOLDER/opt, bert, clip, smolvlm
 * and llama. */
MUST_USE bool teach_words(const char *folder, uint64_t seed, Error *err);

/* Encoder output of all sights before the final norm, computed once: [n * rows, hidden] in host memory; the caller frees it. */
real *sights_encode(const Gallery *g, const Vit *vit, Tape *t);
/* Those of some sights, as a constant on the tape. */
Tensor *sights_features(Tape *t, const Vit *vit, const real *all, const size_t *numbers, size_t n);

#endif
