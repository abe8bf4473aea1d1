/*
 * Low-rank adapters (Hu et al. 2021) on any linear layer of a bound model, in PEFT's layout: adapter_config.json and
 * adapter_model.safetensors with base_model.model.<module>.lora_A.weight [r, in] and .lora_B.weight [out, r].
 *
 * Modules are called there as transformers calls them (Binder.adapters); files that call them as the checkpoint does are read
 * too.
 *
 * A set is attached to one slot (ops.h: Adapter) of its layers; whether it is in force is the tape's choice. A fused module
 * (EVA's qkv) shares A between its parts and splits B.
 */
#ifndef LEARN_LORA_H
#define LEARN_LORA_H

#include "learn/parameters.h"

typedef struct LoraSet LoraSet;

/* An empty set for one slot of the binder's layers. The binder must outlive it. */
LoraSet *lora_new(Binder *b, Adapter slot);
/* Detaches from the layers and frees; parameters stay with their set. */
void lora_free(LoraSet *s);

/* Modules within this name (name_within; borrowed) get no adapter of lora_train. */
void lora_leave(LoraSet *s, const char *scope);

/*
 * Adds trained adapters to every bound module within `scope` whose name ends in one of the targets ("q_proj", "fc1", "qkv"), as
 * parameters of this group: A uniform in +-1/sqrt(in) as PEFT does, drawn by (seed, name); B zero. alpha and rank are one per
 * set. Fails if a target matches no module.
 */
MUST_USE bool lora_train(LoraSet *s, Parameters *p, const char *group, const char *scope, const char *const *targets,
                         size_t n_targets, size_t rank, double alpha, uint64_t seed, Error *err);

/* Reads a PEFT folder: frozen adapters. Modules that the model lacks, missing halves and wrong shapes are errors. */
MUST_USE bool lora_open(LoraSet *s, const char *folder, Error *err);

/* Writes the set as a PEFT folder (made if missing). base: the name of the base model for adapter_config.json, may be "". */
MUST_USE bool lora_write(const LoraSet *s, const char *folder, const char *base, Error *err);

size_t lora_count(const LoraSet *s);      /* modules */
size_t lora_parameters(const LoraSet *s); /* values of A and B */

#endif
