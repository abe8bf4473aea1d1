/* The commands of vlrm-weights, each in a file of its own: look.c, convert.c, export.c, random.c. */
#ifndef WEIGHTS_WEIGHTS_H
#define WEIGHTS_WEIGHTS_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors_write.h"

/* Opens a checkpoint or dies with the right status. */
Checkpoint *weights_open(const char *path);

/* Dies with what a library said. */
_Noreturn void weights_die(const Error *err);

/* Name, type, shape and bytes of each tensor, tab-separated. */
int weights_list(const char *path);

/* One line: the digest of all tensors, or of those whose names begin with one of the prefixes, each of which must find some. */
int weights_digest(const char *path, const char *const *prefixes, size_t n);

/*
 * Every tensor of one has its like in the other: same shape, and max |a - b| <= tolerance * max |a| (over finite values). A
 * line on stdout for each that differs. STATUS_CLEAN or STATUS_CHECK.
 */
int weights_compare(const char *a, const char *b, double tolerance);

/* All tensors into one file, real values as dtype (NULL: as they are). */
int weights_convert(const char *in, const char *out, const char *dtype);

/* A whole model folder: base with the tensors of delta (of the same names and shapes) in place of its own. */
int weights_merge(const char *base, const char *delta, const char *out, const char *dtype);

/* A random checkpoint of one of weights_shapes ("a|b|c") into a folder; seed NULL: all zero, a file without blocks on disk.
 * tokenizer: a folder whose files are copied, or NULL. */
extern const char weights_shapes[];
int weights_random(const char *shape, const char *dtype, const uint64_t *seed, const char *tokenizer, const char *out);

/*
 * A published policy (a step folder of vlrm-update's) over its base as a whole model folder, adapters merged; or with delta_only
 * what was trained alone (base is not read). dtype NULL: what was trained as it was trained (f32), all else as the base has it;
 * what another dtype rounds is said.
 */
int weights_export(const char *base, const char *policy, const char *out, const char *dtype, bool delta_only);

/* t as it will be written, its values as dtype (NULL: as they are). */
TensorSource weights_source(const StoredTensor *t, const char *dtype);

/* How many bytes a value of the type takes: 2 for F16 and BF16, 4 for F32, 8 for F64; 0 for another. */
size_t weights_value_size(const char *dtype);

/* Whether there is something at path; dies where that cannot be told. */
bool weights_there(const char *path);

/* The folder is there, made if missing, and holds no index of other files; or dies. */
void weights_folder(const char *folder);

/* model.safetensors in such a folder, or dies. */
void weights_write_folder(const char *folder, const TensorSource *sources, size_t n);

/* Dies unless every tensor of the delta can replace one of the base; returns how many can. With pass_over, as
 * load_state_dict(strict=False): what the base has not is said and skipped, unless it makes a model of another kind. */
size_t weights_check_delta(const Checkpoint *base, const Checkpoint *delta, bool pass_over);

/* Copies one file, or dies. */
void weights_copy(const char *from, const char *to);

/* Copies those files of a model folder that are not weights, and folders with a tokenizer, or dies. */
void weights_copy_others(const char *from, const char *to);

#endif
