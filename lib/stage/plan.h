/*
 * What a stage will take, said before it begins (--plan): one JSON object of its models' files, the parts of its private memory,
 * and what may wait on disk (formats/plan.md). Each program adds up its own; `vlrm train --dry-run` adds up the programs.
 */
#ifndef STAGE_PLAN_H
#define STAGE_PLAN_H

#include <jansson.h>

#include "base/options/options.h"
#include "checkpoint/checkpoint.h"
#include "media/preprocess.h"
#include "tensor/tape.h"

/* The option; value: an int64_t, 0 where nobody asked. */
/* clang-format off */
#define PLAN_OPTION(value) \
    OPT_INT("plan", 0, &(value), "0", 0, 1e6, "TOKENS", \
            "say only, in JSON, the memory that captions of so many tokens will take (formats/plan.md)", .may_change = true)
/* clang-format on */

typedef struct Plan {
    json_t *models, *memory, *more; /* owned */
    double besides;                 /* seconds */
} Plan;

/* Begins with the private memory that the program has by now: call it after models and tokenizers are open. */
void plan_init(Plan *p);

/* A model: its file, its parameters, the bytes that are mapped. */
void plan_model(Plan *p, const char *option, const Checkpoint *c);

/* Bytes of private memory. What is called the same adds up. */
void plan_memory(Plan *p, const char *part, double bytes);

/* What went over an idle table (tensor/kernels_idle.h): the tape's most, and the scratch of `real` kernels for its products. */
void plan_activations(Plan *p, const Tape *t, const Kernels *kernels);

/* Records that wait together: what is beyond `limit` bytes is on disk. */
void plan_spool(Plan *p, double bytes, double limit);

/* Seconds that the stage takes besides kernels: its own code, which went over the idle table in so long. plan_seconds counts
 * them in. */
void plan_besides(Plan *p, double seconds);

/* Seconds in which a picture, a JPEG as large as the model wants it, becomes pixels; and those in which so many features become a
 * record's. */
double plan_picture(const Preprocess *how);
double plan_features(DType dtype, size_t rows, size_t cols);

/*
 * `share` of the seconds that what went over the idle table takes over `kernels` on this machine, by a sample of it (tempo.h),
 * and of what there is besides; after the models.
 */
void plan_seconds(Plan *p, const char *name, const Kernels *kernels, double share);

/* Any other number. */
void plan_number(Plan *p, const char *name, double value);

/* Trained parameters of a group. */
void plan_trained(Plan *p, const char *group, size_t n);

/* Prints the object, and releases it; returns the exit status. */
int plan_finish(Plan *p, const Program *program);

#endif
