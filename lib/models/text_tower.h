/*
 * The text side of CLIP and SigLIP: words and learned positions, pre-norm blocks, a last norm. Which row speaks for a text, and
 * what is behind it, the family says. models.md sections 5.4 and 5.7.
 */
#ifndef MODELS_TEXT_TOWER_H
#define MODELS_TEXT_TOWER_H

#include "models/bind.h"
#include "models/block.h"
#include "models/config.h"

typedef struct TextTower {
    TextTowerConfig config;
    Tensor tokens, positions; /* [vocabulary, hidden], [positions, hidden] */
    Block *blocks;            /* owned */
    Norm norm;                /* after the last block */
} TextTower;

/* Hugging Face's name of the table of positions. */
#define TEXT_TOWER_POSITIONS "text_model.embeddings.position_embedding.weight"

/* Sets its configuration and makes room for its blocks; for who binds them under other names. */
void text_tower_init(TextTower *m, const TextTowerConfig *config);
/* Both, and binds text_model.*, Hugging Face's names. Faults stick in the binder. */
void text_tower_bind(TextTower *m, Binder *b, const TextTowerConfig *config);
void text_tower_release(TextTower *m);

/* The table of positions is as long as the checkpoint has it, whatever the configuration says (Long-CLIP). */
void text_tower_take_positions(TextTowerConfig *config, const Checkpoint *checkpoint, const char *name);

typedef struct ScorerText {
    const int32_t *ids; /* with what the tokenizer puts around them */
    size_t n;           /* 1 .. positions */
} ScorerText;

/* Final-norm rows, row speaks[i] of text i: [n, hidden]. */
Tensor *text_tower_rows(Tape *t, const TextTower *m, const ScorerText *texts, const size_t *speaks, size_t n);

#endif
