/* Low-rank adapters and PEFT's files; see lora.h. */
#include "learn/lora.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_file.h"
#include "learn/draw.h"

#define PREFIX "base_model.model."

typedef struct LoraItem {
    BoundModule *module; /* borrowed from the binder */
    Tensor a, b;         /* [r, in], [out, r]: a parameter's, or owned (frozen) */
    bool owned;
    Lora parts[3]; /* what the module's layers point at */
} LoraItem;

struct LoraSet {
    Binder *binder; /* borrowed */
    Adapter slot;
    size_t rank;
    double alpha, scale;
    LoraItem **items; /* owned; an item never moves */
    size_t count, capacity;
    const char **left; /* owned, the names borrowed: what lora_leave was given */
    size_t n_left, left_capacity;
};

LoraSet *lora_new(Binder *b, Adapter slot)
{
    LoraSet *s = xcalloc(1, sizeof *s);
    s->binder = b;
    s->slot = slot;
    return s;
}

void lora_free(LoraSet *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        LoraItem *item = s->items[i];
        for (size_t p = 0; p < item->module->n_parts; p++)
            item->module->parts[p].linear->lora[s->slot] = NULL;
        if (item->owned) {
            s->binder->kernels->memory_free(item->a.data);
            s->binder->kernels->memory_free(item->b.data);
        }
        free(item);
    }
    free(s->items);
    free(s->left);
    free(s);
}

size_t lora_count(const LoraSet *s)
{
    return s->count;
}

size_t lora_parameters(const LoraSet *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        n += tensor_size(&s->items[i]->a) + tensor_size(&s->items[i]->b);
    return n;
}

/* Hangs the adapter into its module's layers: A is shared, each layer has its rows of B. */
static void attach(LoraSet *s, BoundModule *m, Tensor a, Tensor b, bool owned)
{
    LoraItem *item = xcalloc(1, sizeof *item);
    *item = (LoraItem){.module = m, .a = a, .b = b, .owned = owned};
    for (size_t p = 0; p < m->n_parts; p++) {
        Linear *layer = m->parts[p].linear;
        const size_t first = m->parts[p].row * b.cols;
        Tensor rows = {.data = tensor_data(&b) + first, .rows = layer->weight.rows, .cols = b.cols, .type = DTYPE_REAL};
        rows.grad = b.grad ? b.grad + first : NULL;
        item->parts[p] = (Lora){.a = a, .b = rows, .scale = s->scale};
        if (layer->lora[s->slot])
            bug("%s has an adapter in this slot already", m->name);
        layer->lora[s->slot] = &item->parts[p];
    }
    s->items = array_reserve(s->items, &s->capacity, s->count + 1, sizeof(LoraItem *));
    s->items[s->count++] = item;
}

/* One set has one rank and alpha. */
static bool set_scale(LoraSet *s, size_t rank, double alpha, double scale, Error *err)
{
    if (s->count > 0 && (s->rank != rank || s->alpha != alpha))
        return error_set(err, "an adapter of rank %zu, alpha %g beside one of rank %zu, alpha %g", rank, alpha, s->rank,
                         s->alpha);
    s->rank = rank;
    s->alpha = alpha;
    s->scale = scale;
    return true;
}

/* ---- training ---- */

static bool is_target(const char *name, const char *target)
{
    size_t n = strlen(name), m = strlen(target);
    return n >= m && strcmp(name + n - m, target) == 0 && (n == m || name[n - m - 1] == '.');
}

static bool has_item(const LoraSet *s, const BoundModule *m)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i]->module == m)
            return true;
    return false;
}

static void train_module(LoraSet *s, Parameters *p, const char *group, BoundModule *m, uint64_t seed)
{
    const size_t r = s->rank;
    char *name_a = xasprintf(PREFIX "%s.lora_A.weight", m->name), *name_b = xasprintf(PREFIX "%s.lora_B.weight", m->name);
    Parameter *a = parameters_add(p, group, name_a, SHAPE(r, m->in), r, m->in);
    Parameter *b = parameters_add(p, group, name_b, SHAPE(m->out, r), m->out, r);
    draw_uniform(p, a, 1 / sqrt((double)m->in), seed);
    attach(s, m, a->value, b->value, false);
    free(name_a);
    free(name_b);
}

void lora_leave(LoraSet *s, const char *scope)
{
    s->left = array_reserve(s->left, &s->left_capacity, s->n_left + 1, sizeof *s->left);
    s->left[s->n_left++] = scope;
}

static bool is_left(const LoraSet *s, const char *module)
{
    for (size_t i = 0; i < s->n_left; i++)
        if (name_within(module, s->left[i]))
            return true;
    return false;
}

bool lora_train(LoraSet *s, Parameters *p, const char *group, const char *scope, const char *const *targets, size_t n_targets,
                size_t rank, double alpha, uint64_t seed, Error *err)
{
    if (rank == 0)
        return error_set(err, "an adapter of rank 0");
    if (!set_scale(s, rank, alpha, alpha / (double)rank, err))
        return false;
    for (size_t k = 0; k < n_targets; k++) {
        size_t matches = 0;
        for (size_t i = 0; i < s->binder->n_modules; i++) {
            BoundModule *m = &s->binder->modules[i];
            if (!name_within(m->name, scope) || !is_target(m->name, targets[k]) || is_left(s, m->name))
                continue;
            matches++;
            if (!has_item(s, m))
                train_module(s, p, group, m, seed);
        }
        if (matches == 0)
            return error_set(err, "no linear layer of %s is called %s", scope, targets[k]);
    }
    return true;
}

/* ---- PEFT's folder ---- */

static bool refuse(const json_t *root, const char *key, const char *path, Error *err)
{
    const json_t *v = json_object_get(root, key);
    bool harmless = !v || json_is_null(v) || json_is_false(v) || (json_is_object(v) && json_object_size(v) == 0) ||
                    (json_is_array(v) && json_array_size(v) == 0);
    return harmless || error_set_status(err, STATUS_MISMATCH, "%s: %s is set, which is not supported", path, key);
}

static bool read_config(LoraSet *s, const json_t *root, const char *path, Error *err)
{
    static const char *const refused[] = {"use_dora",        "fan_in_fan_out",    "rank_pattern",      "alpha_pattern",
                                          "modules_to_save", "layer_replication", "target_parameters", "lora_bias"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (!refuse(root, refused[i], path, err))
            return false;
    const char *type = json_string_value(json_object_get(root, "peft_type"));
    const char *bias = json_string_value(json_object_get(root, "bias"));
    if (!type || strcmp(type, "LORA") != 0 || (bias && strcmp(bias, "none") != 0))
        return error_set_status(err, STATUS_MISMATCH, "%s: peft_type %s with bias %s, expected LORA and none", path,
                                type ? type : "(missing)", bias ? bias : "none");
    const json_t *r = json_object_get(root, "r"), *alpha = json_object_get(root, "lora_alpha");
    if (!json_is_integer(r) || json_integer_value(r) < 1 || json_integer_value(r) > 65536 || !json_is_number(alpha))
        return error_set_status(err, STATUS_MISMATCH, "%s: r and lora_alpha are missing or out of range", path);
    double rank = json_number_value(r);
    bool stabilised = json_is_true(json_object_get(root, "use_rslora"));
    return set_scale(s, (size_t)rank, json_number_value(alpha), json_number_value(alpha) / (stabilised ? sqrt(rank) : rank), err);
}

/* "base_model.model.X.lora_A.weight" to a new string X; NULL if the name is no such thing. */
static char *module_name(const char *name, const char *suffix)
{
    size_t n = strlen(name), p = strlen(PREFIX), m = strlen(suffix);
    if (n <= p + m || strncmp(name, PREFIX, p) != 0 || strcmp(name + n - m, suffix) != 0)
        return NULL;
    return xstrndup(name + p, n - p - m);
}

/* A frozen private copy. */
static bool copy_half(const LoraSet *s, Tensor *out, const Checkpoint *c, const char *name, size_t rows, size_t cols, Error *err)
{
    const StoredTensor *t = checkpoint_find(c, name);
    const Shape expected = SHAPE(rows, cols);
    char found[128], wanted[128];
    if (!t || !t->real_valued || !shape_equal(&t->shape, &expected))
        return error_set_status(err, STATUS_MISMATCH, "%s: tensor %s is %s, expected %s", checkpoint_path(c), name,
                                t ? shape_text(&t->shape, found) : "missing", shape_text(&expected, wanted));
    real *host = xmalloc(rows * cols * sizeof *host);
    stored_read(t, 0, rows * cols, DTYPE_REAL, host);
    *out = (Tensor){
        .data = s->binder->kernels->memory_new(rows * cols * sizeof *host), .rows = rows, .cols = cols, .type = DTYPE_REAL};
    s->binder->kernels->upload(out->data, host, rows * cols * sizeof *host);
    free(host);
    return true;
}

/* A module by its name in a file: its own, or what PEFT calls it. */
static BoundModule *find_module(const LoraSet *s, const char *name)
{
    BoundModule *m = binder_find_module(s->binder, name);
    for (const AdapterName *a = s->binder->adapters; !m && a && a->own; a++) {
        char *own = name_moved(name, a->file, a->own);
        m = own ? binder_find_module(s->binder, own) : NULL;
        free(own);
    }
    return m;
}

static bool open_module(LoraSet *s, const Checkpoint *c, const char *module, Error *err)
{
    BoundModule *m = find_module(s, module);
    if (!m)
        return error_set_status(err, STATUS_MISMATCH, "%s: an adapter for %s, which this model does not have", checkpoint_path(c),
                                module);
    char *name_a = xasprintf(PREFIX "%s.lora_A.weight", module), *name_b = xasprintf(PREFIX "%s.lora_B.weight", module);
    Tensor a = {0}, b = {0};
    bool ok = copy_half(s, &a, c, name_a, s->rank, m->in, err) && copy_half(s, &b, c, name_b, m->out, s->rank, err);
    if (ok)
        attach(s, m, a, b, true);
    else if (a.data)
        s->binder->kernels->memory_free(a.data);
    free(name_a);
    free(name_b);
    return ok;
}

static bool open_tensors(LoraSet *s, const Checkpoint *c, Error *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < checkpoint_count(c); i++) {
        const char *name = checkpoint_get(c, i)->name;
        char *a = module_name(name, ".lora_A.weight"), *b = module_name(name, ".lora_B.weight");
        if (a)
            ok = open_module(s, c, a, err);
        else if (b) {
            char *other = xasprintf(PREFIX "%s.lora_A.weight", b);
            if (!checkpoint_find(c, other))
                ok = error_set_status(err, STATUS_MISMATCH, "%s: tensor %s without %s", checkpoint_path(c), name, other);
            free(other);
        } else
            ok = error_set_status(err, STATUS_MISMATCH, "%s: tensor %s is not part of a LoRA adapter", checkpoint_path(c), name);
        free(a);
        free(b);
    }
    return ok;
}

bool lora_open(LoraSet *s, const char *folder, Error *err)
{
    char *config = path_join(folder, "adapter_config.json"), *file = path_join(folder, "adapter_model.safetensors");
    json_t *root = json_file_read(config, err);
    Checkpoint *c = root && read_config(s, root, config, err) ? checkpoint_open(file, err) : NULL;
    bool ok = c && open_tensors(s, c, err);
    checkpoint_free(c);
    json_decref(root);
    free(config);
    free(file);
    return ok;
}

static json_t *config_of(const LoraSet *s, const char *base)
{
    json_t *targets = json_array(); /* whole names: "fc1" alone would match the vision encoder's too */
    for (size_t i = 0; i < s->count; i++) {
        char *name = adapter_name(s->binder->adapters, s->items[i]->module->name);
        json_array_append_new(targets, json_string(name));
        free(name);
    }
    bool plain = s->rank == 0 || fabs(s->scale - s->alpha / (double)s->rank) <= 1e-12 * fabs(s->scale);
    return json_pack("{s:s, s:s, s:I, s:f, s:f, s:s, s:b, s:b, s:b, s:n, s:o}", "peft_type", "LORA", "base_model_name_or_path",
                     base, "r", (json_int_t)s->rank, "lora_alpha", s->alpha, "lora_dropout", 0.0, "bias", "none",
                     "fan_in_fan_out", 0, "inference_mode", 1, "use_rslora", !plain, "task_type", "target_modules", targets);
}

static void add_source(TensorSources *out, const LoraItem *item, const AdapterName *names, const Kernels *device,
                       const char *suffix, const Tensor *t)
{
    char *module = adapter_name(names, item->module->name), *name = xasprintf(PREFIX "%s%s", module, suffix);
    sources_add(out, name, SHAPE(t->rows, t->cols), dtype_name(DTYPE_REAL), DTYPE_REAL, t->data);
    out->items[out->count - 1].device = device;
    free(module);
    free(name);
}

bool lora_write(const LoraSet *s, const char *folder, const char *base, Error *err)
{
    char *config = path_join(folder, "adapter_config.json"), *file = path_join(folder, "adapter_model.safetensors");
    TensorSources sources = {0};
    for (size_t i = 0; i < s->count; i++) {
        add_source(&sources, s->items[i], s->binder->adapters, s->binder->kernels, ".lora_A.weight", &s->items[i]->a);
        add_source(&sources, s->items[i], s->binder->adapters, s->binder->kernels, ".lora_B.weight", &s->items[i]->b);
    }
    json_t *root = config_of(s, base);
    char *text = json_dumps(root, JSON_INDENT(1));
    const char *const metadata[] = {"format", "pt", NULL};
    bool ok = folder_make(folder, err) && safetensors_write(file, sources.items, sources.count, metadata, err) &&
              file_write(config, text, strlen(text), err);
    free(text);
    json_decref(root);
    sources_release(&sources);
    free(config);
    free(file);
    return ok;
}
