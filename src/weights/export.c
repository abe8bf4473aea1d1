/*
 * vlrm-weights export: a published policy as a Hugging Face folder, or its delta alone.
 *
 * The base's tensors with the trained ones in their place, and the policy's own adapters (--train lora-...) added to the weights
 * they belong to: W + scale B A, row by row while it is written. The value pass's adapters are no part of a policy.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <math.h>

#include "base/hash.h"
#include "base/json_file.h"
#include "learn/policy.h"
#include "learn/policy_place.h"
#include "models/captioner.h"
#include "weights/weights.h"

/* The policy's adapters: an open PEFT folder; tensors NULL where there is none. */
typedef struct Adapters {
    Checkpoint *tensors; /* owned */
    size_t rank;
    double scale;
    const AdapterName *names; /* NULL: of modules as of their weights */
} Adapters;

/* One weight with its adapter: what merged_values computes. */
typedef struct Merged {
    const StoredTensor *weight; /* [out, in] */
    float *a, *b;               /* owned: [r, in], [out, r] */
    size_t rank, in;
    double scale;
} Merged;

static float *values_of(const StoredTensor *t)
{
    size_t n = shape_size(&t->shape);
    float *values = xmalloc((n + 1) * sizeof *values);
    stored_read(t, 0, n, DTYPE_F32, values);
    return values;
}

/* Values first .. first+n-1 of W + scale B A. */
static void merged_values(void *context, size_t first, size_t n, float *out)
{
    const Merged *m = context;
    stored_read(m->weight, first, n, DTYPE_F32, out);
    for (size_t i = 0; i < n; i++) {
        size_t row = (first + i) / m->in, col = (first + i) % m->in;
        double sum = 0;
        for (size_t r = 0; r < m->rank; r++)
            sum += (double)m->b[row * m->rank + r] * m->a[r * m->in + col];
        out[i] = (float)(out[i] + m->scale * sum);
    }
}

static void adapters_open(Adapters *a, const char *folder)
{
    Error err = {0};
    char *config = path_join(folder, "adapter_config.json"), *file = path_join(folder, "adapter_model.safetensors");
    *a = (Adapters){0};
    if (weights_there(folder)) {
        json_t *root = json_file_read(config, &err);
        if (!root)
            weights_die(&err);
        double rank = json_number_value(json_object_get(root, "r")),
               alpha = json_number_value(json_object_get(root, "lora_alpha"));
        if (!(rank >= 1))
            die_status(STATUS_MISMATCH, "%s: r is missing", config);
        a->rank = (size_t)rank;
        a->scale = alpha / (json_is_true(json_object_get(root, "use_rslora")) ? sqrt(rank) : rank);
        a->tensors = weights_open(file);
        json_decref(root);
    }
    free(config);
    free(file);
}

/* The half of the weight's adapter, of the shape expected; NULL where it has none. */
static const StoredTensor *half_of(const Adapters *a, const StoredTensor *weight, const char *half, size_t rows, size_t cols)
{
    size_t n = strlen(weight->name), suffix = strlen(".weight");
    if (!a->tensors || n <= suffix || strcmp(weight->name + n - suffix, ".weight") != 0)
        return NULL;
    char *module = xstrndup(weight->name, n - suffix), *file = adapter_name(a->names, module);
    char *name = xasprintf("base_model.model.%s.%s.weight", file, half);
    const StoredTensor *t = checkpoint_find(a->tensors, name);
    if (!t) { /* of a run that called modules as their weights */
        free(name);
        name = xasprintf("base_model.model.%s.%s.weight", module, half);
        t = checkpoint_find(a->tensors, name);
    }
    const Shape expected = SHAPE(rows, cols);
    char found[128], wanted[128];
    if (t && !shape_equal(&t->shape, &expected))
        die_status(STATUS_MISMATCH, "%s: tensor %s has shape %s, expected %s", checkpoint_path(a->tensors), name,
                   shape_text(&t->shape, found), shape_text(&expected, wanted));
    free(name);
    free(file);
    free(module);
    return t;
}

/* NULL for a weight without adapter. */
static Merged *merged_new(const Adapters *a, const StoredTensor *weight)
{
    if (weight->shape.ndim != 2)
        return NULL;
    size_t out = weight->shape.dim[0], in = weight->shape.dim[1];
    const StoredTensor *lora_a = half_of(a, weight, "lora_A", a->rank, in), *lora_b = half_of(a, weight, "lora_B", out, a->rank);
    if (!lora_a || !lora_b)
        return NULL;
    Merged *m = xcalloc(1, sizeof *m);
    *m = (Merged){weight, values_of(lora_a), values_of(lora_b), a->rank, in, a->scale};
    return m;
}

static void merged_free(Merged *m)
{
    if (!m)
        return;
    free(m->a);
    free(m->b);
    free(m);
}

/* What the policy's config.json says; ends the program for what is not one policy. */
static PolicyInfo info_read(const char *policy)
{
    Error err = {0};
    PolicyInfo info;
    PolicyPlace place = policy_place(policy, &err);
    if (place == POLICY_PUBLISHED)
        error_set(&err, "%s is where a run publishes its policies, expected one of them: %s/latest or %s/step-NNNNNN", policy,
                  policy, policy);
    if (place != POLICY_ONE || !policy_info(policy, &info, &err))
        weights_die(&err);
    return info;
}

/* The policy must have been trained over this very base. */
static void check_base(const char *policy, const Checkpoint *base)
{
    const PolicyInfo info = info_read(policy);
    const Digest digest = digest_text(checkpoint_digest(base, NULL, 0));
    if (strcmp(digest.text, info.base.text) != 0)
        die_status(STATUS_MISMATCH, "%s: is a policy over the base model %s, %s is %s", policy, info.base.text,
                   checkpoint_path(base), digest.text);
}

/* The type that a tensor is written in: what was trained keeps its digits, all else is as the base has it. */
static const char *dtype_kept(const StoredTensor *old, const StoredTensor *new, bool merged)
{
    if (!old->real_valued)
        return NULL;
    const char *trained = merged ? "F32" : new ? new->dtype : old->dtype;
    return weights_value_size(trained) > weights_value_size(old->dtype) ? trained : old->dtype;
}

/* Says where trained tensors differ in type from the base's, or lose digits. */
static void say_types(const char *out, size_t wider, size_t rounded, const char *dtype)
{
    if (rounded > 0)
        warn("%s: %zu trained tensors are rounded from F32 to %s: a caption may now and then differ from the policy's; without "
             "--dtype they stay F32",
             out, rounded, dtype);
    if (wider > 0)
        warn(
            "%s: %zu trained tensors stay F32 beside the base's, so that captions are the policy's; --dtype f16 or bf16 rounds them, "
            "and transformers does where it loads with dtype \"auto\"",
            out, wider);
}

static int write_model(const char *base_path, const char *policy, const char *out, const char *dtype)
{
    Checkpoint *base = weights_open(base_path);
    Adapters adapters;
    Error unknown = {0};
    size_t n = checkpoint_count(base), n_merged = 0, wider = 0, rounded = 0;
    char *model = path_join(policy, "model.safetensors"), *adapter = path_join(policy, "adapter");
    check_base(policy, base);
    Checkpoint *delta = weights_open(model);
    weights_check_delta(base, delta, false);
    adapters_open(&adapters, adapter);
    const CaptionerFamily *family = captioner_family(base_path, &unknown);
    adapters.names = family ? family->adapters : NULL;
    TensorSource *sources = xcalloc(n + 1, sizeof *sources);
    Merged **merged = xcalloc(n + 1, sizeof(Merged *));
    for (size_t i = 0; i < n; i++) {
        const StoredTensor *old = checkpoint_get(base, i), *new = checkpoint_find(delta, old->name);
        const StoredTensor *t = new ? new : old;
        merged[i] = merged_new(&adapters, t);
        const char *kept = dtype_kept(old, new, merged[i] != NULL);
        sources[i] = weights_source(t, dtype && old->real_valued ? dtype : kept);
        if (merged[i]) {
            n_merged++;
            sources[i].raw = false;
            sources[i].data = NULL;
            sources[i].dtype = dtype ? dtype : kept;
            sources[i].produce = merged_values;
            sources[i].context = merged[i];
        }
        wider += kept && weights_value_size(sources[i].dtype) > weights_value_size(old->dtype) && !dtype;
        rounded += (new || merged[i]) && kept && weights_value_size(sources[i].dtype) < weights_value_size(kept);
    }
    if (adapters.tensors && 2 * n_merged != checkpoint_count(adapters.tensors))
        die_status(STATUS_MISMATCH, "%s: %zu tensors, of which %zu pairs belong to weights of %s", adapter,
                   checkpoint_count(adapters.tensors), n_merged, base_path);
    weights_write_folder(out, sources, n);
    weights_copy_others(base_path, out);
    say_types(out, wider, rounded, dtype);
    note("%s: %zu of %zu tensors replaced, %zu with adapters added", out, checkpoint_count(delta), n, n_merged);
    for (size_t i = 0; i < n; i++)
        merged_free(merged[i]);
    free(merged);
    free(sources);
    free(model);
    free(adapter);
    checkpoint_free(adapters.tensors);
    checkpoint_free(delta);
    checkpoint_free(base);
    return STATUS_CLEAN;
}

/* The trained tensors and, beside them, the adapters as PEFT reads them. */
static int write_delta(const char *policy, const char *out, const char *dtype)
{
    Error err = {0};
    info_read(policy);
    char *model = path_join(policy, "model.safetensors"), *adapter = path_join(policy, "adapter"),
         *copy = path_join(out, "adapter");
    Checkpoint *delta = weights_open(model);
    size_t n = checkpoint_count(delta);
    TensorSource *sources = xcalloc(n + 1, sizeof *sources);
    for (size_t i = 0; i < n; i++)
        sources[i] = weights_source(checkpoint_get(delta, i), dtype);
    weights_write_folder(out, sources, n);
    weights_copy_others(policy, out);
    if (weights_there(adapter)) {
        static const char *const files[] = {"adapter_config.json", "adapter_model.safetensors"};
        if (!folder_make(copy, &err))
            weights_die(&err);
        for (size_t i = 0; i < 2; i++) {
            char *from = path_join(adapter, files[i]), *to = path_join(copy, files[i]);
            weights_copy(from, to);
            free(from);
            free(to);
        }
    }
    free(sources);
    free(model);
    free(adapter);
    free(copy);
    checkpoint_free(delta);
    return STATUS_CLEAN;
}

int weights_export(const char *base, const char *policy, const char *out, const char *dtype, bool delta_only)
{
    return delta_only ? write_delta(policy, out, dtype) : write_model(base, policy, out, dtype);
}
