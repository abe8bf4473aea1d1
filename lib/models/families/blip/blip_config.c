/* BLIP's configuration; see blip_config.h. The defaults are those of transformers' configuration classes. */
#include "models/families/blip/blip_config.h"

void blip_config_vision(VisionConfig *c, ConfigFields *f, ConfigFields *text)
{
    *c = (VisionConfig){.hidden = config_size(f, "hidden_size", 768),
                        .layers = config_size(f, "num_hidden_layers", 12),
                        .heads = config_size(f, "num_attention_heads", 12),
                        .mlp = config_size(f, "intermediate_size", 3072),
                        .image = config_size(f, "image_size", 384),
                        .patch = config_size(f, "patch_size", 16),
                        .eps = config_real(f, "layer_norm_eps", 1e-5),
                        .qkv_bias = true};
    config_expect_text(f, "hidden_act", "gelu", "gelu");
    config_expect_multiple(f, "hidden_size", c->hidden, "num_attention_heads", c->heads);
    config_expect_patches(f, c->image, c->patch);
    if (config_size(text, "encoder_hidden_size", c->hidden) != c->hidden)
        config_fail(text, "encoder_hidden_size", "vision_config.hidden_size");
}

void blip_config_text(BlipTextConfig *c, ConfigFields *f)
{
    *c = (BlipTextConfig){.hidden = config_size(f, "hidden_size", 768),
                          .layers = config_size(f, "num_hidden_layers", 12),
                          .heads = config_size(f, "num_attention_heads", 8),
                          .mlp = config_size(f, "intermediate_size", 3072),
                          .vocabulary = config_size(f, "vocab_size", 30524),
                          .positions = config_size(f, "max_position_embeddings", 512),
                          .eps = config_real(f, "layer_norm_eps", 1e-12),
                          .bos = config_id(f, "bos_token_id", 30522),
                          .sep = config_id(f, "sep_token_id", 102)};
    config_expect_text(f, "hidden_act", "gelu", "gelu");
    config_expect_flag(f, "is_decoder", true, true); /* else there would be no cross-attention */
    config_expect_multiple(f, "hidden_size", c->hidden, "num_attention_heads", c->heads);
}

static bool read_blip(BlipConfig *c, const json_t *root, Error *err)
{
    ConfigFields top = {.first = root, .what = "config", .err = err, .ok = true};
    ConfigFields v = config_fields(root, "vision_config", err), t = config_fields(root, "text_config", err);
    *c = (BlipConfig){.image_text_hidden = config_size(&top, "image_text_hidden_size", 256)};
    blip_config_text(&c->text, &t);
    blip_config_vision(&c->vision, &v, &t);
    return top.ok && v.ok && t.ok;
}

bool blip_config_read(BlipConfig *out, const char *folder, Error *err)
{
    json_t *root = NULL;
    bool ok = config_file(&root, folder, "config.json", true, err) &&
              (read_blip(out, root, err) || error_prefix(err, "%s/config.json", folder));
    json_decref(root);
    return ok;
}
