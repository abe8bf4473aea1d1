/* Reading config.json; see config.h. The defaults are those of transformers' configuration classes. */
#include "models/config.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/json_file.h"

/* Where fields are looked up: an object, or two, of which the first wins (CLIP's text_config_dict over text_config). */
typedef struct Fields {
    const json_t *first, *second;
    const char *what; /* for messages: "vision_config" */
    Error *err;
    bool ok;
} Fields;

static const json_t *field(const Fields *f, const char *name)
{
    const json_t *v = json_object_get(f->first, name);
    return v && !json_is_null(v) ? v : json_object_get(f->second, name);
}

static void fail(Fields *f, const char *name, const char *expected)
{
    const json_t *v = field(f, name);
    char *found = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
    f->ok = error_set(f->err, "%s.%s is %.64s, expected %s", f->what, name, found ? found : "?", expected);
    free(found);
}

static size_t get_size(Fields *f, const char *name, size_t fallback)
{
    const json_t *v = field(f, name);
    if (!v || json_is_null(v))
        return fallback;
    if (json_is_integer(v) && json_integer_value(v) > 0 && json_integer_value(v) <= 1 << 24)
        return (size_t)json_integer_value(v);
    fail(f, name, "a number from 1 to 16777216");
    return fallback;
}

/* An id, or the first of a list of ids (generation_config's eos_token_id may be one). */
static int32_t get_id(Fields *f, const char *name, int32_t fallback)
{
    const json_t *v = field(f, name);
    if (json_is_array(v))
        v = json_array_get(v, 0);
    if (!v || json_is_null(v))
        return fallback;
    if (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= INT32_MAX)
        return (int32_t)json_integer_value(v);
    fail(f, name, "a token id");
    return fallback;
}

static double get_real(Fields *f, const char *name, double fallback)
{
    const json_t *v = field(f, name);
    if (!v || json_is_null(v))
        return fallback;
    if (json_is_number(v) && json_number_value(v) > 0)
        return json_number_value(v);
    fail(f, name, "a number above 0");
    return fallback;
}

static bool get_flag(Fields *f, const char *name, bool fallback)
{
    const json_t *v = field(f, name);
    if (!v || json_is_null(v))
        return fallback;
    if (!json_is_boolean(v))
        fail(f, name, "true or false");
    return json_is_true(v);
}

/* A field that must have one value; what the file leaves out has the value `fallback`. */
static void expect_text(Fields *f, const char *name, const char *fallback, const char *expected)
{
    const json_t *v = field(f, name);
    const char *found = !v || json_is_null(v) ? fallback : json_string_value(v);
    if (!found || strcmp(found, expected) != 0) {
        char text[64];
        snprintf(text, sizeof text, "\"%s\"%s", expected, v ? "" : " (a missing one means something else)");
        fail(f, name, text);
    }
}

static void expect_flag(Fields *f, const char *name, bool fallback, bool expected)
{
    if (get_flag(f, name, fallback) != expected)
        fail(f, name, expected ? "true" : "false");
}

static void expect_multiple(Fields *f, const char *what, size_t a, const char *by, size_t b)
{
    if (f->ok && a % b != 0)
        f->ok = error_set(f->err, "%s: %s %zu is no multiple of %s %zu", f->what, what, a, by, b);
}

static Fields fields(const json_t *root, const char *name, Error *err)
{
    char dict[64];
    snprintf(dict, sizeof dict, "%s_dict", name);
    return (Fields){
        .first = json_object_get(root, dict), .second = json_object_get(root, name), .what = name, .err = err, .ok = true};
}

static bool read_vision(VisionConfig *c, const json_t *root, bool clip, Error *err)
{
    Fields f = fields(root, "vision_config", err);
    c->hidden = get_size(&f, "hidden_size", clip ? 768 : 1408);
    c->layers = get_size(&f, "num_hidden_layers", clip ? 12 : 39);
    c->heads = get_size(&f, "num_attention_heads", clip ? 12 : 16);
    c->mlp = get_size(&f, "intermediate_size", clip ? 3072 : 6144);
    c->image = get_size(&f, "image_size", 224);
    c->patch = get_size(&f, "patch_size", clip ? 32 : 14);
    c->eps = get_real(&f, "layer_norm_eps", clip ? 1e-5 : 1e-6);
    c->qkv_bias = get_flag(&f, "qkv_bias", true);
    expect_text(&f, "hidden_act", clip ? "quick_gelu" : "gelu", "gelu");
    expect_multiple(&f, "hidden_size", c->hidden, "num_attention_heads", c->heads);
    expect_multiple(&f, "image_size", c->image, "patch_size", c->patch);
    return f.ok;
}

static bool read_qformer(QformerConfig *c, const json_t *root, Error *err)
{
    Fields f = fields(root, "qformer_config", err);
    c->hidden = get_size(&f, "hidden_size", 768);
    c->layers = get_size(&f, "num_hidden_layers", 12);
    c->heads = get_size(&f, "num_attention_heads", 12);
    c->mlp = get_size(&f, "intermediate_size", 3072);
    c->encoder_hidden = get_size(&f, "encoder_hidden_size", 1408);
    c->cross_frequency = get_size(&f, "cross_attention_frequency", 2);
    c->eps = get_real(&f, "layer_norm_eps", 1e-12);
    c->vocabulary = get_size(&f, "vocab_size", 30522);
    c->positions = get_size(&f, "max_position_embeddings", 512);
    c->text_input = get_flag(&f, "use_qformer_text_input", false);
    expect_text(&f, "hidden_act", "gelu", "gelu");
    expect_text(&f, "position_embedding_type", "absolute", "absolute");
    expect_multiple(&f, "hidden_size", c->hidden, "num_attention_heads", c->heads);
    return f.ok;
}

static bool read_opt(LmConfig *c, Fields f)
{
    c->hidden = get_size(&f, "hidden_size", 768);
    c->layers = get_size(&f, "num_hidden_layers", 12);
    c->heads = get_size(&f, "num_attention_heads", 12);
    c->ffn = get_size(&f, "ffn_dim", 3072);
    c->positions = get_size(&f, "max_position_embeddings", 2048);
    c->vocabulary = get_size(&f, "vocab_size", 50272);
    c->bos = get_id(&f, "bos_token_id", 2);
    c->eos = get_id(&f, "eos_token_id", 2);
    c->pad = get_id(&f, "pad_token_id", 1);
    expect_text(&f, "model_type", "opt", "opt");
    expect_text(&f, "activation_function", "relu", "relu");
    expect_flag(&f, "do_layer_norm_before", true, true);
    expect_flag(&f, "enable_bias", true, true);
    expect_flag(&f, "layer_norm_elementwise_affine", true, true);
    expect_flag(&f, "_remove_final_layer_norm", false, false);
    if (get_size(&f, "word_embed_proj_dim", c->hidden) != c->hidden)
        fail(&f, "word_embed_proj_dim", "hidden_size (projections inside OPT are not supported)");
    expect_multiple(&f, "hidden_size", c->hidden, "num_attention_heads", c->heads);
    if (f.ok && (size_t)c->bos >= c->vocabulary)
        fail(&f, "bos_token_id", "an id of the vocabulary");
    return f.ok;
}

static json_t *config_json(const char *folder, char **path, Error *err)
{
    *path = path_join(folder, "config.json");
    return json_file_read(*path, err);
}

/* generation_config.json says what ends a caption; without one the text configuration does. */
static bool read_eos(Blip2Config *c, const char *folder, Error *err)
{
    char *path = path_join(folder, "generation_config.json");
    bool there, ok = path_exists(path, &there, err);
    c->eos = c->text.eos;
    if (ok && there) {
        json_t *root = json_file_read(path, err);
        Fields f = {.first = root, .what = "generation_config", .err = err, .ok = root != NULL};
        if (root)
            c->eos = get_id(&f, "eos_token_id", c->eos);
        ok = f.ok;
        json_decref(root);
    }
    free(path);
    return ok;
}

static bool read_blip2(Blip2Config *c, const json_t *root, Error *err)
{
    Fields top = {.first = root, .what = "config", .err = err, .ok = true};
    *c = (Blip2Config){0};
    c->queries = get_size(&top, "num_query_tokens", 32);
    c->image_text_hidden = get_size(&top, "image_text_hidden_size", 256);
    c->image_token = get_id(&top, "image_token_index", get_id(&top, "image_token_id", -1));
    if (!top.ok || !read_vision(&c->vision, root, false, err) || !read_qformer(&c->qformer, root, err) ||
        !read_opt(&c->text, fields(root, "text_config", err)))
        return false;
    if (c->qformer.encoder_hidden != c->vision.hidden)
        return error_set(err, "qformer_config.encoder_hidden_size is %zu, expected vision_config.hidden_size %zu",
                         c->qformer.encoder_hidden, c->vision.hidden);
    return true;
}

bool blip2_config_read(Blip2Config *out, const char *folder, Error *err)
{
    char *path;
    json_t *root = config_json(folder, &path, err);
    bool ok = root != NULL;
    if (ok && !(ok = read_blip2(out, root, err)))
        error_prefix(err, "%s", path);
    ok = ok && read_eos(out, folder, err);
    json_decref(root);
    free(path);
    return ok;
}

static bool read_clip(ClipConfig *c, const json_t *root, Error *err)
{
    Fields top = {.first = root, .what = "config", .err = err, .ok = true};
    Fields f = fields(root, "text_config", err);
    c->projection = get_size(&top, "projection_dim", 512);
    c->text.hidden = get_size(&f, "hidden_size", 512);
    c->text.layers = get_size(&f, "num_hidden_layers", 12);
    c->text.heads = get_size(&f, "num_attention_heads", 8);
    c->text.mlp = get_size(&f, "intermediate_size", 2048);
    c->text.vocabulary = get_size(&f, "vocab_size", 49408);
    c->text.positions = get_size(&f, "max_position_embeddings", 77);
    c->text.eps = get_real(&f, "layer_norm_eps", 1e-5);
    c->text.bos = get_id(&f, "bos_token_id", 49406);
    c->text.eos = get_id(&f, "eos_token_id", 49407);
    expect_text(&f, "hidden_act", "quick_gelu", "gelu");
    expect_multiple(&f, "hidden_size", c->text.hidden, "num_attention_heads", c->text.heads);
    return top.ok && f.ok && read_vision(&c->vision, root, true, err);
}

bool clip_config_read(ClipConfig *out, const char *folder, Error *err)
{
    char *path;
    json_t *root = config_json(folder, &path, err);
    bool ok = root != NULL;
    if (ok && !(ok = read_clip(out, root, err)))
        error_prefix(err, "%s", path);
    json_decref(root);
    free(path);
    return ok;
}

bool lm_config_read(LmConfig *out, bool *inside, const char *folder, Error *err)
{
    char *path;
    json_t *root = config_json(folder, &path, err);
    bool ok = root != NULL;
    if (ok) {
        *inside = json_is_object(json_object_get(root, "text_config"));
        Fields whole = {.first = root, .what = "config", .err = err, .ok = true};
        ok = read_opt(out, *inside ? fields(root, "text_config", err) : whole);
        if (!ok)
            error_prefix(err, "%s", path);
    }
    json_decref(root);
    free(path);
    return ok;
}
