/*
 * A language model, as its configuration says (config.h): OPT (Zhang et al. 2022), LLaMa (Touvron et al. 2023) and their like.
 * Alone and behind an image prefix: teacher-forced over ragged sequences for log-probabilities and learning, and with a cache of
 * keys and values for decoding. models.md section 3.6.
 *
 * A sequence is [prefix rows] BOS t_1 .. t_n; positions count from 0 with the first row, prefix included.
 *
 * BLIP's text decoder (config.memory) is one too: its layers attend to an image's rows, which stand in no sequence. There a
 * prefix is what lm_memory makes of these rows, once for all tokens, and a sequence is [lead] BOS t_1 .. t_n.
 */
#ifndef MODELS_LM_H
#define MODELS_LM_H

#include "models/bert.h"
#include "models/bind.h"
#include "models/block.h"
#include "models/config.h"

typedef struct Lm {
    LmConfig config;
    Tensor tokens;           /* [vocabulary, hidden]: embedding */
    Tensor positions;        /* [positions + position_offset, hidden]; empty with rotary positions */
    int32_t position_offset; /* of its rows: row p + offset is position p's */
    double *frequencies;     /* owned, [head_dim / 2]: how fast rotary positions turn; NULL with learned ones */
    Block *blocks;           /* owned; NULL with a memory */
    Norm norm;               /* after the last block; none with a memory */
    Linear head;             /* logits; tied: tokens again. With a memory it has a bias */

    /* With a memory alone. */
    size_t memory_rows;  /* of an image; set by whoever binds */
    BertLayer *layers;   /* owned */
    Norm first, last;    /* of the embeddings; behind the transform */
    Linear transform;    /* [hidden, hidden], GELU behind: before the head */
    const int32_t *lead; /* borrowed: ids before BOS, [n_lead] */
    size_t n_lead;
} Lm;

/* Binds what lies below `body` ("language_model.model.decoder", "model") and, unless the head is tied, HEAD.weight. */
void lm_bind(Lm *m, Binder *b, const LmConfig *config, const char *body, const char *head);
void lm_release(Lm *m);

/* One caption under teacher forcing. Neighbours share the work on the rows they begin with: the same prefix rows, equal tokens.
 */
typedef struct LmSequence {
    size_t prefix, n_prefix; /* rows of `prefixes`; n_prefix 0: text alone */
    const int32_t *tokens;   /* t_1 .. t_n, without BOS */
    size_t n;
} LmSequence;

/* Rows that stand before BOS in a sequence: its prefix, or the lead. */
size_t lm_front(const Lm *m, size_t n_prefix);

/*
 * With a memory: rows of images [n * memory_rows, memory] to their prefixes, the keys and values of every layer: an image has
 * n_prefix = 2 * layers * memory_rows of them. They lie by layer, keys before values, then by image: prefixes that were made
 * together are used together.
 */
Tensor *lm_memory(Tape *t, const Lm *m, const Tensor *rows);

/*
 * Final-norm hidden rows that predict t_1 .. t_n of each sequence, in order: [sum of n, hidden]. The input rows are
 * [prefix, BOS, t_1 .. t_{n-1}]. prefixes [.., hidden] may be NULL if nobody has one; gradients reach it. Uses the adapter in
 * force (tape_adapter). lm_front + n must not exceed the positions (lm_fits). With a memory: the last layer's rows.
 */
Tensor *lm_hidden(Tape *t, const Lm *m, const Tensor *prefixes, const LmSequence *sequences, size_t n);
bool lm_fits(const Lm *m, size_t n_prefix, size_t n);

/* logp [rows, 1] of targets, hidden as lm_hidden gives it; entropy: host [rows] or NULL. */
Tensor *lm_logp(Tape *t, const Lm *m, const Tensor *hidden, const int32_t *targets, double *entropy);

/* The same, and the entropies [rows, 1] as a result that gradients go through. */
Tensor *lm_logp_entropy(Tape *t, const Lm *m, const Tensor *hidden, const int32_t *targets, Tensor **entropy);

/* ---- decoding: never recorded ---- */

/*
 * Keys and values of `rows` rows, in every layer. Which row belongs to whom is the caller's business, by Spans: a prompt (image
 * prefix and BOS) takes n_prefix + 1 rows once, each continuation rows of its own, and a step of a continuation with j rows is
 * Span{.q = i, .nq = 1, .prefix = prompt's first row, .n_prefix = its rows, .k = own first row, .nk = j}.
 */
typedef struct KvCache {
    const Kernels *kernels;
    size_t layers, rows, cols;
    Tensor *k, *v; /* [layers] of [rows, cols], real, the device's */
} KvCache;

/* Room for `rows` rows of every layer; kv_cache_bytes says how much that takes. The caller frees it. */
KvCache *kv_cache_new(const Kernels *kernels, const Lm *m, size_t rows);
void kv_cache_free(KvCache *c);
size_t kv_cache_bytes(const Lm *m, size_t rows);

/*
 * Rows dst[i] become what rows src[i] were, all at once (so beams may swap): i = 0 .. n-1. Scratch comes from the tape's stack.
 * Pairs with dst == src cost nothing.
 */
void kv_cache_move(KvCache *c, Tape *t, const size_t *dst, const size_t *src, size_t n);

/* The tape's stack, as it stands, gets what kv_cache_move of n rows will take. */
void kv_cache_reserve(const KvCache *c, Tape *t, size_t n);

/* Input rows of tokens at positions (from 0): [n, hidden]. */
Tensor *lm_embed(Tape *t, const Lm *m, const int32_t *ids, const int32_t *positions, size_t n);

/*
 * Input rows of prompts, each [its prefix rows or the lead, BOS], n of them: [n * (lm_front + 1), hidden]. Prompt i takes rows
 * i * n_prefix .. of prefixes [n * n_prefix, hidden].
 */
Tensor *lm_prompts(Tape *t, const Lm *m, const Tensor *prefixes, size_t n_prefix, size_t n);

/*
 * Runs input rows x [m, hidden] through the blocks: keys and values of row i go to row at[i] of the cache, spans (over x's rows
 * and the cache's, in order) say who sees what, causally. Returns the last row of each span, which is what predicts its next
 * token, before the final norm: [n_spans, hidden]. A prompt's prefill and a step of decoding are both this; where every span has
 * one query it is a step (tape_step). With a memory span i attends to image images[i] of `prefixes`, else both may be NULL.
 */
Tensor *lm_advance(Tape *t, const Lm *m, KvCache *c, Tensor *x, const size_t *at, const Span *spans, size_t n_spans,
                   const Tensor *prefixes, const size_t *images);

/* Logits [n, vocabulary] of what lm_advance gives, through the final norm; always computed as in a step. */
Tensor *lm_logits(Tape *t, const Lm *m, const Tensor *x);

#endif
