/* SigLIP's configuration; see siglip.h. The defaults are those of transformers' configuration classes. */
#include <math.h>

#include "models/config_fields.h"
#include "models/families/siglip/siglip.h"

static void read_vision(VisionConfig *c, ConfigFields *f)
{
    *c = (VisionConfig){
        .hidden = config_size(f, "hidden_size", 768),
        .layers = config_size(f, "num_hidden_layers", 12),
        .heads = config_size(f, "num_attention_heads", 12),
        .mlp = config_size(f, "intermediate_size", 3072),
        .image = config_size(f, "image_size", 224),
        .patch = config_size(f, "patch_size", 16),
        .eps = config_real(f, "layer_norm_eps", 1e-6),
        .qkv_bias = true,
        .activation = ACTIVATION_GELU_TANH,
    };
    config_expect_text(f, "hidden_act", "gelu_pytorch_tanh", "gelu_pytorch_tanh");
    config_expect_flag(f, "vision_use_head", true, true);
    config_expect_multiple(f, "hidden_size", c->hidden, "num_attention_heads", c->heads);
    config_expect_patches(f, c->image, c->patch);
}

static void read_text(TextTowerConfig *c, size_t *projection, ConfigFields *f)
{
    *c = (TextTowerConfig){
        .hidden = config_size(f, "hidden_size", 768),
        .layers = config_size(f, "num_hidden_layers", 12),
        .heads = config_size(f, "num_attention_heads", 12),
        .mlp = config_size(f, "intermediate_size", 3072),
        .vocabulary = config_size(f, "vocab_size", 32000),
        .positions = config_size(f, "max_position_embeddings", 64),
        .eps = config_real(f, "layer_norm_eps", 1e-6),
        .activation = ACTIVATION_GELU_TANH,
        .both_ways = true,
    };
    *projection = config_size(f, "projection_size", c->hidden);
    config_expect_text(f, "hidden_act", "gelu_pytorch_tanh", "gelu_pytorch_tanh");
    config_expect_multiple(f, "hidden_size", c->hidden, "num_attention_heads", c->heads);
}

static bool read_model(SiglipConfig *c, const json_t *root, Error *err)
{
    ConfigFields t = config_fields(root, "text_config", err), v = config_fields(root, "vision_config", err);
    read_vision(&c->vision, &v);
    read_text(&c->text, &c->projection, &t);
    if (v.ok && t.ok && c->projection != c->vision.hidden)
        return error_set(err, "text_config.projection_size is %zu, expected vision_config.hidden_size %zu", c->projection,
                         c->vision.hidden);
    return v.ok && t.ok;
}

/* Pillow's numbers of filters: 2 bilinear (SigLIP 2), 3 bicubic. */
static bool read_pixels(ImageInput *p, const json_t *root, Error *err)
{
    ConfigFields f = {.first = root, .what = "preprocessor_config", .err = err, .ok = true};
    const size_t filter = config_size(&f, "resample", 3);
    p->filter = filter == 2 ? IMAGE_BILINEAR : IMAGE_BICUBIC;
    if (filter != 2 && filter != 3)
        config_fail(&f, "resample", "2 (bilinear) or 3 (bicubic)");
    config_pixels(&f, p->side, p->mean, p->std);
    return f.ok;
}

bool siglip_config_read(SiglipConfig *out, const char *folder, Error *err)
{
    json_t *config = NULL, *pixels = NULL;
    *out = (SiglipConfig){0};
    bool ok = config_file(&config, folder, "config.json", true, err);
    if (ok && !(ok = read_model(out, config, err)))
        error_prefix(err, "%s/config.json", folder);
    out->images = (ImageInput){.side = out->vision.image, .mean = {0.5, 0.5, 0.5}, .std = {0.5, 0.5, 0.5}};
    ok = ok && config_file(&pixels, folder, "preprocessor_config.json", false, err);
    if (ok && pixels && !(ok = read_pixels(&out->images, pixels, err)))
        error_prefix(err, "%s/preprocessor_config.json", folder);
    json_decref(config);
    json_decref(pixels);
    return ok;
}
