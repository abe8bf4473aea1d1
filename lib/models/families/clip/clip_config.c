/*
 * Configurations of CLIP, Hugging Face's and open_clip's; see clip_config.h. The defaults are those of transformers' and
 * open_clip's configuration classes.
 */
#include "models/families/clip/clip_config.h"

#include <math.h>
#include <string.h>

#include "models/config_fields.h"

/* ---- what both have ---- */

static void check_sizes(ConfigFields *vision, const VisionConfig *v, ConfigFields *text, const TextTowerConfig *t,
                        const char *width)
{
    config_expect_multiple(vision, width, v->hidden, "heads", v->heads);
    config_expect_patches(vision, v->image, v->patch);
    config_expect_multiple(text, width, t->hidden, "heads", t->heads);
}

/* ---- Hugging Face ---- */

static Activation read_activation(ConfigFields *f)
{
    const json_t *v = config_field(f, "hidden_act");
    const char *name = !v || json_is_null(v) ? "quick_gelu" : json_string_value(v);
    if (name && strcmp(name, "quick_gelu") == 0)
        return ACTIVATION_QUICK_GELU;
    if (!name || strcmp(name, "gelu") != 0)
        config_fail(f, "hidden_act", "\"gelu\" or \"quick_gelu\"");
    return ACTIVATION_GELU;
}

static bool read_clip(ClipConfig *c, const json_t *root, Error *err)
{
    ConfigFields top = {.first = root, .what = "config", .err = err, .ok = true};
    ConfigFields t = config_fields(root, "text_config", err), v = config_fields(root, "vision_config", err);
    *c = (ClipConfig){.projection = config_size(&top, "projection_dim", 512)};
    c->text = (TextTowerConfig){
        .hidden = config_size(&t, "hidden_size", 512),
        .layers = config_size(&t, "num_hidden_layers", 12),
        .heads = config_size(&t, "num_attention_heads", 8),
        .mlp = config_size(&t, "intermediate_size", 2048),
        .vocabulary = config_size(&t, "vocab_size", 49408),
        .positions = config_size(&t, "max_position_embeddings", 77),
        .eps = config_real(&t, "layer_norm_eps", 1e-5),
        .bos = config_id(&t, "bos_token_id", 49406),
        .eos = config_id(&t, "eos_token_id", 49407),
        .activation = read_activation(&t),
    };
    c->vision = (VisionConfig){
        .hidden = config_size(&v, "hidden_size", 768),
        .layers = config_size(&v, "num_hidden_layers", 12),
        .heads = config_size(&v, "num_attention_heads", 12),
        .mlp = config_size(&v, "intermediate_size", 3072),
        .image = config_size(&v, "image_size", 224),
        .patch = config_size(&v, "patch_size", 32),
        .eps = config_real(&v, "layer_norm_eps", 1e-5),
        .qkv_bias = true,
        .activation = read_activation(&v),
    };
    check_sizes(&v, &c->vision, &t, &c->text, "hidden_size");
    return top.ok && t.ok && v.ok;
}

static bool read_pixels(ClipConfig *c, const json_t *root, Error *err)
{
    ConfigFields f = {.first = root, .what = "preprocessor_config", .err = err, .ok = true};
    config_pixels(&f, c->vision.image, c->mean, c->std);
    if (config_size(&f, "resample", 3) != 3)
        config_fail(&f, "resample", "3 (bicubic)");
    config_expect_flag(&f, "do_center_crop", true, true);
    return f.ok;
}

bool clip_config_read(ClipConfig *out, const char *folder, Error *err)
{
    json_t *config = NULL, *pixels = NULL;
    bool ok = config_file(&config, folder, "config.json", true, err);
    if (ok && !(ok = read_clip(out, config, err)))
        error_prefix(err, "%s/config.json", folder);
    ok = ok && config_file(&pixels, folder, "preprocessor_config.json", false, err);
    if (ok && pixels && !(ok = read_pixels(out, pixels, err)))
        error_prefix(err, "%s/preprocessor_config.json", folder);
    json_decref(config);
    json_decref(pixels);
    return ok;
}

/* ---- open_clip ---- */

/* Fields that leave the network as it is, or are read here. */
static bool is_harmless(const char *name)
{
    static const char *const names[] = {
        "layers",           "width",          "head_width",        "heads",          "mlp_ratio",        "patch_size",
        "image_size",       "context_length", "vocab_size",        "norm_kwargs",    "patch_dropout",    "output_tokens",
        "pad_id",           "eos_id",         "hf_tokenizer_name", "tokenizer_mode", "tokenizer_kwargs", "attn_pooler_queries",
        "attn_pooler_heads"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Whether a field says what it says where it is left out. */
static bool is_default(const char *name, const json_t *v)
{
    const char *text = json_string_value(v);
    if (strcmp(name, "pool_type") == 0)
        return text && (strcmp(text, "tok") == 0 || strcmp(text, "argmax") == 0);
    if (strcmp(name, "pos_embed_type") == 0)
        return text && strcmp(text, "learnable") == 0;
    if (strcmp(name, "proj_type") == 0)
        return text && strcmp(text, "linear") == 0;
    if (strcmp(name, "block_type") == 0 && text)
        return strcmp(text, "default") == 0;
    return json_is_null(v) || json_is_false(v);
}

/* The fields of one tower: those that would make another network must be as if they were not there. */
static ConfigFields tower(const json_t *model, const char *name, Error *err)
{
    ConfigFields f = config_fields(model, name, err);
    const char *key;
    json_t *v;
    json_object_foreach ((json_t *)f.second, key, v)
        if (f.ok && !is_harmless(key) && !is_default(key, v))
            config_fail(&f, key, "nothing: another network than CLIP's two transformers");
    return f;
}

static double read_eps(ConfigFields *f)
{
    ConfigFields norm = {.first = config_field(f, "norm_kwargs"), .what = f->what, .err = f->err, .ok = f->ok};
    double eps = config_real(&norm, "eps", 1e-5);
    f->ok = norm.ok;
    return eps;
}

static size_t read_mlp(ConfigFields *f, size_t width)
{
    double mlp = (double)width * config_real(f, "mlp_ratio", 4);
    if (mlp >= 1 && mlp <= 1 << 24)
        return (size_t)mlp;
    config_fail(f, "mlp_ratio", "a ratio that makes 1 to 16777216 of the width");
    return 1;
}

static bool read_towers(ClipConfig *c, const json_t *model, Error *err)
{
    ConfigFields top = {.first = model, .what = "model_cfg", .err = err, .ok = true};
    ConfigFields v = tower(model, "vision_cfg", err), t = tower(model, "text_cfg", err);
    Activation activation = config_flag(&top, "quick_gelu", false) ? ACTIVATION_QUICK_GELU : ACTIVATION_GELU;
    *c = (ClipConfig){.projection = config_size(&top, "embed_dim", 512)};
    c->vision = (VisionConfig){.hidden = config_size(&v, "width", 768),
                               .layers = config_size(&v, "layers", 12),
                               .image = config_size(&v, "image_size", 224),
                               .patch = config_size(&v, "patch_size", 16),
                               .eps = read_eps(&v),
                               .qkv_bias = true,
                               .activation = activation};
    c->vision.mlp = read_mlp(&v, c->vision.hidden);
    c->vision.heads = c->vision.hidden / config_size(&v, "head_width", 64);
    c->text = (TextTowerConfig){.hidden = config_size(&t, "width", 512),
                                .layers = config_size(&t, "layers", 12),
                                .heads = config_size(&t, "heads", 8),
                                .vocabulary = config_size(&t, "vocab_size", 49408),
                                .positions = config_size(&t, "context_length", 77),
                                .eps = read_eps(&t),
                                .eos = 2, /* the row of the largest id */
                                .activation = activation};
    c->text.mlp = read_mlp(&t, c->text.hidden);
    if (v.ok && c->vision.heads == 0)
        config_fail(&v, "head_width", "at most the width");
    if (!v.ok || !t.ok || !top.ok)
        return false;
    check_sizes(&v, &c->vision, &t, &c->text, "width");
    return v.ok && t.ok;
}

static bool read_preprocess(ClipConfig *c, const json_t *root, Error *err)
{
    ConfigFields f = {.first = json_object_get(root, "preprocess_cfg"), .what = "preprocess_cfg", .err = err, .ok = true};
    config_three(&f, "mean", -HUGE_VAL, c->mean);
    config_three(&f, "std", 0, c->std);
    config_expect_text(&f, "interpolation", "bicubic", "bicubic");
    config_expect_text(&f, "resize_mode", "shortest", "shortest");
    return f.ok;
}

bool open_clip_config_read(ClipConfig *out, const char *folder, Error *err)
{
    json_t *root = NULL;
    if (!config_file(&root, folder, "open_clip_config.json", true, err))
        return false;
    bool ok = read_towers(out, json_object_get(root, "model_cfg"), err) && read_preprocess(out, root, err);
    json_decref(root);
    return ok || error_prefix(err, "%s/open_clip_config.json", folder);
}
