/*
 * Language models by family: how its config.json reads, and what its tensors are called. lm.h then runs any of them. A family is
 * a folder of families/ and a line in language.c.
 */
#ifndef MODELS_LANGUAGE_H
#define MODELS_LANGUAGE_H

#include "models/config_fields.h"
#include "models/lm.h"

typedef struct LanguageFamily {
    const char *const *model_types; /* of config.json, the last NULL */
    /* Its configuration; all but family, which the caller sets. f->ok and f->err say what is wrong. */
    void (*read)(LmConfig *out, ConfigFields *f, const char *model_type);
    /* Binds embedding (and a tied head), positions, blocks and last norm below `body`; config and room for blocks are there. */
    void (*bind)(Lm *m, Binder *b, const char *body);
    const char *const *targets; /* its blocks' linear layers, which adapters go to; the last NULL */
    const char *const *bodies;  /* where its body lies in a folder of its own, first the usual place; the last NULL */
} LanguageFamily;

/* The configuration of a language model of any family, by its model_type; without one by `fallback`. False with f.err set. */
MUST_USE bool language_config(LmConfig *out, ConfigFields f, const char *fallback);

/* An OPT of these sizes; what else its configuration says is the same in all of them. */
LmConfig opt_config(size_t hidden, size_t layers, size_t heads, size_t ffn, size_t positions, size_t vocabulary);

/* Whether a family has this model_type (NULL: none). */
bool language_knows(const char *model_type);

/* A language model from its own folder, or the one inside a captioner's. */
typedef struct LanguageModel {
    Checkpoint *checkpoint; /* owned; NULL if lent */
    const char *within;     /* what its tensors' names begin with inside of a captioner, but for a head of its own; else "" */
    Binder binder;
    Lm lm;
} LanguageModel;

LanguageModel *language_model_open(const char *folder, const Kernels *kernels, Error *err); /* NULL with err set */
/* One of this shape without values (bind.h): its layout. */
LanguageModel *language_model_new(const LmConfig *config, const Kernels *kernels);
void language_model_free(LanguageModel *m);

/* Digest of its tensors; of a captioner's folder those of the language model alone. */
uint64_t language_model_digest(const LanguageModel *m);

/* The families: families/NAME/. */
extern const LanguageFamily opt_family, llama_family, blip_text_family;

#endif
