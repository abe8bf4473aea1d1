/*
 * What a model folder holds, by the architecture that its config.json names: so that a CLIP given as a scorer of another kind is
 * called a CLIP, before a tensor is missed.
 */
#ifndef MODELS_KIND_H
#define MODELS_KIND_H

#include "base/base.h"

typedef enum ModelKind {
    MODEL_ITM,      /* Blip2ForImageTextRetrieval, BlipForImageTextRetrieval (matcher.h) */
    MODEL_SCORER,   /* CLIPModel, SiglipModel (scorer.h) */
    MODEL_LANGUAGE, /* a causal language model (language.h); a captioner (captioner.h) has one inside */
} ModelKind;

/*
 * Whether FOLDER/config.json is that of the kind expected; false with STATUS_MISMATCH, saying what was found. True also where it
 * names no architecture, or cannot be read: whoever reads the rest of it says so.
 */
MUST_USE bool model_kind_check(const char *folder, ModelKind expected, Error *err);

/* What a model of this architecture or, where that says nothing, type is called: "a CLIP"; NULL for what nobody here knows. */
const char *model_kind_said(const char *architecture, const char *type);

/* "A, B, C": every architecture that this suite opens; the caller frees it. */
char *model_kinds_known(void);

#endif
