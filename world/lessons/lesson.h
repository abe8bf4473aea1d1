/*
 * What every part of the pretraining has in common: parameters drawn anew, AdamW with one cycle of the learning rate, a line of
 * log now and then, and the model written back to its folder.
 *
 *   lesson_begin(&l, &binder, ..);      which tensors are taught
 *   while (lesson_step(&l)) { forward; seed gradients; lesson_learn(&l, loss); }
 *   lesson_save(&l, folder, &err);
 */
#ifndef WORLD_LESSONS_LESSON_H
#define WORLD_LESSONS_LESSON_H

#include "learn/parameters.h"
#include "models/lm.h"
#include "text/tokenizer.h"

typedef struct LessonOptions {
    const char *name; /* in the log */
    int64_t steps;
    double rate, decay; /* peak learning rate; decoupled weight decay of matrices */
    uint64_t seed;
} LessonOptions;

typedef struct Lesson {
    LessonOptions options;
    Binder *binder; /* borrowed */
    Tape *tape;     /* owned */
    Parameters parameters;
    int64_t step;      /* 0 .. steps - 1 while it runs */
    double loss, seen; /* since the last line of the log */
    double started;
} Lesson;

/* A lesson's first call: a tape and no parameters yet. binder is borrowed; lesson_release frees the rest. */
void lesson_begin(Lesson *l, const LessonOptions *options, Binder *binder);
void lesson_release(Lesson *l);

/* Teaches the bound tensors within prefix. anew: their values are drawn first (std 0.8 / sqrt(fan in), norms 1, biases 0). */
void lesson_teach(Lesson *l, const char *prefix, bool anew);

/* A classifier's table [classes, cols] of its own: taught, and not saved. The tensor lives as long as the lesson. */
Tensor *lesson_table(Lesson *l, const char *name, size_t classes, size_t cols);

/* Begins a step with gradients zeroed and the tape recording; false when all are done. The first call ends the set-up. */
bool lesson_step(Lesson *l);

/* Runs the tape backwards and learns: gradients clipped to norm 1, AdamW. */
void lesson_learn(Lesson *l, double loss);

/* FOLDER/model.safetensors: all tensors of the binder, in f32. */
MUST_USE bool lesson_save(const Lesson *l, const char *folder, Error *err);

/* The ids of a caption of the world's language, in the arena. flags, limit: tokenizer_encode's. */
Tokens lesson_tokens(const Tokenizer *t, const char *caption, int flags, size_t limit, Arena *arena);

/* The loss of captions behind rows of `prefix` (NULL: of texts alone): lesson_likely of all their tokens. Records. */
double lesson_captions(Lesson *l, const Lm *lm, const Tensor *prefix, const LmSequence *captions, size_t n, double weight);

/* Seeds logp [n, 1] with -weight / n each, so that the tape's backward pass lowers weight * mean(-logp). Returns that. */
double lesson_likely(Lesson *l, Tensor *logp, double weight);

#endif
