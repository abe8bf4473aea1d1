/*
 * The post-norm block of BLIP's text decoder: what a Block (block.h) is to other language models. Tokens attend to what is before
 * them, then to the keys and values of their image, which were made before (lm_memory).
 */
#ifndef MODELS_BERT_LAYER_H
#define MODELS_BERT_LAYER_H

#include "models/bert.h"
#include "models/block.h"

/* x [rows, hidden] to [rows, hidden], or to [n_wanted, hidden]; one tape_checkpoint. keys, values: the layer's, of all images. */
Tensor *bert_layer_forward(Tape *t, const BertLayer *layer, const BlockPass *pass, const Tensor *keys, const Tensor *values,
                           Tensor *x);

/* The same with a cache, as block_cached. */
Tensor *bert_layer_cached(Tape *t, const BertLayer *layer, const BlockPass *pass, const Tensor *keys, const Tensor *values,
                          Tensor *x, Tensor *cache_k, Tensor *cache_v, const size_t *at);

#endif
