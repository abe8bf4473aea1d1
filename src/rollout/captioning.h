/*
 * A decoding batch: frames gathered, encoded and decoded together, each written with its caption.
 */
#ifndef ROLLOUT_CAPTIONING_H
#define ROLLOUT_CAPTIONING_H

#include "base/hash.h"
#include "models/captioner.h"
#include "decode/decode.h"
#include "stage/frame.h"
#include "stage/plan.h"
#include "stream/filter.h"
#include "text/tokenizer.h"

typedef struct CaptioningOptions {
    const char *model, *prompt; /* prompt NULL: the family's */
    GenerateOptions generate;   /* eos is filled in from the model */
    size_t n_return, most;      /* captions per frame, a greedy one among them; frames decoded together */
    int64_t tiles;              /* along the longer edge of a picture; 1: it is not cut */
    bool crop, features;
    int features_dtype; /* 0: by the weights; else 1 + DType: F32, F16 or BF16 */
    bool plan;          /* only captioning_plan will be called: nothing is digested */
} CaptioningOptions;

/* A frame gathered; one without a readable image waits in its place. */
typedef struct GatheredFrame {
    Record record;       /* parsed from a copy in the batch's arena */
    const char *why;     /* it failed; NULL: to be captioned */
    TileGrid grid;       /* how it is cut */
    size_t first;        /* of its images in `pixels` */
    Generated *captions; /* [n_return], in the batch's arena, once there are any */
} GatheredFrame;

typedef struct Captioning {
    CaptioningOptions options;
    const Kernels *kernels;
    Captioner *captioner; /* owned */
    Tokenizer *tokenizer; /* owned */
    Decoder *decoder;     /* owned: for prompts of pictures cut as those of the last run */
    TileGrid grid;        /* that is how */
    uint64_t tokens;      /* of decoders before it */
    Tape *tape;           /* owned */
    Digest base, encoder;
    Preprocess preprocess;
    DType dtype;           /* of features */
    GatheredFrame *frames; /* in the order of the input: at most `most` to be captioned, and some that failed */
    float *pixels;         /* [most * room, 3, side, side]: tiles and the whole of each */
    size_t room;           /* images that a frame may become */
    size_t n, n_good;      /* frames gathered; those to be captioned */
    real *features;        /* owned while a batch runs: of `pixels`, where they are attached */
    bool said_small;       /* that pictures are enlarged */
    Arena arena;           /* of the batch in hand */
    double seconds_encode, seconds_decode;
} Captioning;

/* Opens the captioner and its decoder. False with err set; captioning_release frees what was opened, also after a failure. */
MUST_USE bool captioning_init(Captioning *c, const CaptioningOptions *options, const Kernels *kernels, Error *err);
void captioning_release(Captioning *c);

/* Takes a frame into the batch. */
void captioning_add(Captioning *c, const Record *r);
/* Whether the batch is to be run before the next frame. */
bool captioning_full(const Captioning *c);

/* Who samples: what goes into caption.policy and caption.step (-1: not written). */
typedef struct CaptionSource {
    const char *policy;
    int64_t step;
} CaptionSource;

/* Captions the frames gathered and writes them, those that failed in their places; returns the records written. */
size_t captioning_run(Captioning *c, Filter *f, const CaptionSource *source);

/* Of all runs so far, for progress. */
double captioning_tokens_per_second(const Captioning *c);

/*
 * Adds what a full batch of captions that end at --max-new-tokens takes to the plan; kernels: those that will compute. The
 * captioning was opened over an idle table (tensor/kernels_idle.h).
 */
void captioning_plan(Captioning *c, Plan *p, const Kernels *kernels);

/* With -v: memory and speed. */
void captioning_report(const Captioning *c);

#endif
