/*
 * vlrm-weights random: random checkpoints of true and small shapes in Hugging Face's layout.
 *
 * Unlike the libraries' own initialisation, under which a wrong bias goes unnoticed, every part of the network matters:
 * activations of unit variance, biases and norms away from their neutral values, captions that vary and end now and then. A value
 * is a function of (seed, name, index), drawn while the file is written: a checkpoint is never in memory.
 */
#include <endian.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/pool.h"
#include "base/random.h"
#include "models/captioner.h"
#include "models/matcher.h"
#include "models/language.h"
#include "models/scorer.h"
#include "weights/weights.h"
#include "weights/shapes.h"

/* How one tensor's values come to be: add + scale * normal, some of them with exceptions. */
typedef struct Recipe {
    uint64_t seed, key;
    double scale, add;
    bool signs;       /* times +-1 */
    size_t cols;      /* for rows: */
    size_t used_rows; /* rows from here on are 0 */
    size_t eos_row;   /* this row has `eos` added, or is three times as large where that is NULL; SIZE_MAX: none */
    const float *eos; /* [cols] */
} Recipe;

#define PART 16384

typedef struct DrawPart {
    const Recipe *recipe;
    size_t first, n;
    float *out;
} DrawPart;

/* Four uniform numbers of 16 bits added, of variance 1: near enough to a normal, and quick. */
static inline float near_normal(uint32_t a, uint32_t b)
{
    const float spread = 1.7320508f / 65536; /* sqrt(12 / 4) */
    return ((float)((a & 65535) + (a >> 16) + (b & 65535) + (b >> 16)) - 131070.0f) * spread;
}

static float adjusted(const Recipe *r, size_t i, float x)
{
    if (r->signs && (random_bits(r->seed, 1, r->key, (uint32_t)i) & 1))
        x = -x;
    if (r->used_rows && i / r->cols >= r->used_rows)
        return 0;
    return i / r->cols != r->eos_row ? x : r->eos ? x + r->eos[i % r->cols] : 3 * x;
}

/* Values 2j and 2j + 1 come from counter j. */
static void draw_part(void *context, size_t part)
{
    const DrawPart *d = context;
    const Recipe *r = d->recipe;
    const uint32_t key[2] = {(uint32_t)r->seed, (uint32_t)(r->seed >> 32)};
    const float add = (float)r->add, scale = (float)r->scale;
    size_t begin = d->first + part * PART, end = begin + PART < d->first + d->n ? begin + PART : d->first + d->n;
    for (size_t j = begin / 2; 2 * j < end; j++) {
        const uint32_t counter[4] = {(uint32_t)j, (uint32_t)(j >> 32), (uint32_t)r->key, (uint32_t)(r->key >> 32)};
        uint32_t bits[4];
        philox(counter, key, bits);
        for (size_t k = 0; k < 2; k++)
            if (2 * j + k >= begin && 2 * j + k < end)
                d->out[2 * j + k - d->first] = adjusted(r, 2 * j + k, add + scale * near_normal(bits[2 * k], bits[2 * k + 1]));
    }
}

static void produce(void *context, size_t first, size_t n, float *out)
{
    DrawPart d = {context, first, n, out};
    pool_run(draw_part, &d, (n + PART - 1) / PART);
}

/* ---- which recipe a name has ---- */

static bool has(const char *name, const char *part)
{
    return strstr(name, part) != NULL;
}

static bool ends(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* The frozen encoder is the same in a captioner and a scorer of one seed, as in the published checkpoints. */
static uint64_t key_of(const char *name, const char *family)
{
    bool shared = strcmp(family, "clip") != 0 && strcmp(family, "siglip") != 0 &&
                  (has(name, "vision_model.embeddings.") || has(name, "vision_model.encoder."));
    char *text = xasprintf("%s/%s", shared ? "encoder" : family, name);
    uint64_t key = hash_id(text, strlen(text));
    free(text);
    return key;
}

static Recipe recipe_of(const Binding *b, const char *family, uint64_t seed)
{
    const char *n = b->name;
    bool norm = has(n, "norm") || has(n, "Norm") || has(n, "layrnorm");
    Recipe r = {.seed = seed, .key = key_of(n, family), .cols = b->cols, .eos_row = SIZE_MAX};
    if (ends(n, "logit_scale"))
        r.add = log(100.0);
    else if (norm && ends(n, "weight")) {
        r.add = 1;
        r.scale = 0.1;
    } else if (ends(n, "bias"))
        r.scale = 0.1;
    else if (has(n, "text_decoder.bert.embeddings") || has(n, "embed_positions") || has(n, "position_embedding") ||
             has(n, "embed_tokens"))
        r.scale = 0.3; /* the embedding is tied with the logits: small, or every token predicts itself */
    else if (has(n, "word_embeddings") || has(n, "token_embedding") || has(n, "class_embedding") || has(n, "query_tokens") ||
             ends(n, "probe"))
        r.scale = 0.7;
    else {
        r.scale = 1 / sqrt((double)b->cols);
        if (has(n, "decoder") && (ends(n, "out_proj.weight") || ends(n, "fc2.weight")))
            r.scale *= 2;
        if (ends(n, "itm_head.weight"))
            r.scale *= 4;
    }
    return r;
}

/*
 * So that captions vary and end now and then: signs in the last norm, or a tied embedding predicts its own token; padded rows are
 * zero; and eos lies along the last norm's bias. eos: [hidden], filled here.
 */
static void caption_ends(Recipe *tokens, Recipe *norm_weight, const Recipe *norm_bias, const ModelShape *shape, float *eos)
{
    const size_t d = tokens->cols;
    double square = 0;
    Recipe bias = *norm_bias;
    produce(&bias, 0, d, eos);
    for (size_t i = 0; i < d; i++)
        square += (double)eos[i] * eos[i];
    for (size_t i = 0; i < d; i++)
        eos[i] = (float)(eos[i] * shape->eos_logit / square);
    norm_weight->signs = true;
    tokens->used_rows = shape->used_words;
    tokens->eos_row = (size_t)shape->eos;
    tokens->eos = eos;
}

static size_t index_of(const Binder *b, const char *name)
{
    const Binding *found = binder_find(b, name);
    if (!found)
        bug("no tensor %s in the layout", name);
    return (size_t)(found - b->bindings);
}

/* All tensors zero, in a file that takes no room on disk: the header, and a hole. */
static void write_zeros(const Binder *b, const char *dtype, const char *folder)
{
    Error err = {0};
    char *path = path_join(folder, "model.safetensors");
    json_t *header = json_pack("{s: {s: s}}", "__metadata__", "format", "pt");
    json_int_t end = 0;
    for (size_t i = 0; i < b->n_bindings; i++) {
        const Shape *shape = &b->bindings[i].shape;
        json_t *dims = json_array();
        json_int_t begin = end;
        for (size_t k = 0; k < shape->ndim; k++)
            json_array_append_new(dims, json_integer((json_int_t)shape->dim[k]));
        end += (json_int_t)(shape_size(shape) * (strcmp(dtype, "F32") == 0 ? 4 : 2));
        json_object_set_new(header, b->bindings[i].name,
                            json_pack("{s: s, s: o, s: [I, I]}", "dtype", dtype, "shape", dims, "data_offsets", begin, end));
    }
    char *text = json_dumps(header, JSON_COMPACT);
    uint64_t length = htole64(strlen(text));
    AtomicFile f;
    if (!atomic_open(&f, path, &err))
        weights_die(&err);
    if (fwrite(&length, sizeof length, 1, f.stream) != 1 || fputs(text, f.stream) < 0 || fflush(f.stream) != 0 ||
        ftruncate(fileno(f.stream), (off_t)(sizeof length + strlen(text)) + (off_t)end) != 0)
        die("write %s:", path);
    if (!atomic_commit(&f, &err))
        weights_die(&err);
    free(text);
    free(path);
    json_decref(header);
}

static void write_tensors(const Binder *b, const ModelShape *shape, const char *dtype, const uint64_t *seed, const char *folder)
{
    if (!seed) {
        write_zeros(b, dtype, folder);
        return;
    }
    static const char *const metadata[] = {"format", "pt", NULL};
    TensorSource *sources = xcalloc(b->n_bindings, sizeof *sources);
    Recipe *recipes = xcalloc(b->n_bindings, sizeof *recipes);
    float *eos = xcalloc(shape->blip2.text.hidden + 1, sizeof *eos);
    for (size_t i = 0; i < b->n_bindings; i++) {
        recipes[i] = recipe_of(&b->bindings[i], shape->family, *seed);
        sources[i] = (TensorSource){.name = b->bindings[i].name, .shape = b->bindings[i].shape, .dtype = dtype};
        sources[i].produce = produce;
        sources[i].context = &recipes[i];
    }
    if (strcmp(shape->family, "blip2") == 0)
        caption_ends(&recipes[index_of(b, "language_model.model.decoder.embed_tokens.weight")],
                     &recipes[index_of(b, "language_model.model.decoder.final_layer_norm.weight")],
                     &recipes[index_of(b, "language_model.model.decoder.final_layer_norm.bias")], shape, eos);
    if (strcmp(shape->family, "captioner") == 0)
        recipes[index_of(b, shape_captioner_head(&shape->captioner))].eos_row = (size_t)shape->eos;
    const float likely = 0.75f * sqrtf((float)shape->blip.text.hidden); /* what other words' logits reach now and then */
    if (strcmp(shape->family, "blip-captioner") == 0) {
        Recipe *bias = &recipes[index_of(b, "text_decoder.cls.predictions.bias")];
        bias->cols = 1;
        bias->eos_row = (size_t)shape->blip.text.sep;
        bias->eos = &likely;
    }
    Error err = {0};
    char *path = path_join(folder, "model.safetensors");
    if (!safetensors_write(path, sources, b->n_bindings, metadata, &err))
        weights_die(&err);
    free(path);
    free(eos);
    free(recipes);
    free(sources);
}

int weights_random(const char *name, const char *dtype, const uint64_t *seed, const char *tokenizer, const char *out)
{
    Error err = {0};
    ModelShape shape;
    const Kernels *kernels = kernels_cpu(COMPUTE_AUTO);
    if (!shape_find(&shape, name, tokenizer, &err) || !folder_make(out, &err) || !shape_write_config(&shape, dtype, out, &err))
        weights_die(&err);
    if (tokenizer)
        shape_copy_tokenizer(tokenizer, out);
    if (strcmp(shape.family, "clip") == 0 || strcmp(shape.family, "siglip") == 0) {
        Scorer *s = scorer_layout(out, kernels, &err);
        if (!s)
            weights_die(&err);
        write_tensors(&s->binder, &shape, dtype, seed, out);
        scorer_free(s);
    } else if (strcmp(shape.family, "itm") == 0 || strcmp(shape.family, "blip-itm") == 0) {
        Matcher *m = matcher_layout(out, kernels, &err);
        if (!m)
            weights_die(&err);
        write_tensors(&m->binder, &shape, dtype, seed, out);
        matcher_free(m);
    } else if (strcmp(shape.family, "language") == 0) {
        LanguageModel *m = language_model_new(&shape.language, kernels);
        write_tensors(&m->binder, &shape, dtype, seed, out);
        language_model_free(m);
    } else {
        Captioner *c = captioner_layout(out, kernels, &err);
        if (!c)
            weights_die(&err);
        write_tensors(&c->binder, &shape, dtype, seed, out);
        captioner_free(c);
    }
    return STATUS_CLEAN;
}
