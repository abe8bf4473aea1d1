/* Reading BLIP-2's config.json; see blip2_config.h. The defaults are those of transformers' configuration classes. */
#include "models/families/blip2/blip2_config.h"

#include <stdlib.h>

#include "models/config_fields.h"
#include "models/language.h"

static bool read_vision(VisionConfig *c, const json_t *root, Error *err)
{
    ConfigFields f = config_fields(root, "vision_config", err);
    c->hidden = config_size(&f, "hidden_size", 1408);
    c->layers = config_size(&f, "num_hidden_layers", 39);
    c->heads = config_size(&f, "num_attention_heads", 16);
    c->mlp = config_size(&f, "intermediate_size", 6144);
    c->image = config_size(&f, "image_size", 224);
    c->patch = config_size(&f, "patch_size", 14);
    c->eps = config_real(&f, "layer_norm_eps", 1e-6);
    c->qkv_bias = config_flag(&f, "qkv_bias", true);
    config_expect_text(&f, "hidden_act", "gelu", "gelu");
    config_expect_multiple(&f, "hidden_size", c->hidden, "num_attention_heads", c->heads);
    config_expect_patches(&f, c->image, c->patch);
    return f.ok;
}

static bool read_qformer(QformerConfig *c, const json_t *root, Error *err)
{
    ConfigFields f = config_fields(root, "qformer_config", err);
    c->hidden = config_size(&f, "hidden_size", 768);
    c->layers = config_size(&f, "num_hidden_layers", 12);
    c->heads = config_size(&f, "num_attention_heads", 12);
    c->mlp = config_size(&f, "intermediate_size", 3072);
    c->encoder_hidden = config_size(&f, "encoder_hidden_size", 1408);
    c->cross_frequency = config_size(&f, "cross_attention_frequency", 2);
    c->eps = config_real(&f, "layer_norm_eps", 1e-12);
    c->vocabulary = config_size(&f, "vocab_size", 30522);
    c->positions = config_size(&f, "max_position_embeddings", 512);
    c->text_input = config_flag(&f, "use_qformer_text_input", false);
    config_expect_text(&f, "hidden_act", "gelu", "gelu");
    config_expect_text(&f, "position_embedding_type", "absolute", "absolute");
    config_expect_multiple(&f, "hidden_size", c->hidden, "num_attention_heads", c->heads);
    return f.ok;
}

static bool read_parts(Blip2Config *c, const json_t *root, Error *err)
{
    ConfigFields top = {.first = root, .what = "config", .err = err, .ok = true};
    *c = (Blip2Config){0};
    c->queries = config_size(&top, "num_query_tokens", 32);
    c->image_text_hidden = config_size(&top, "image_text_hidden_size", 256);
    c->image_token = config_id(&top, "image_token_index", config_id(&top, "image_token_id", -1));
    if (!top.ok || !read_vision(&c->vision, root, err) || !read_qformer(&c->qformer, root, err) ||
        !language_config(&c->text, config_fields(root, "text_config", err), "opt"))
        return false;
    if (c->qformer.encoder_hidden != c->vision.hidden)
        return error_set(err, "qformer_config.encoder_hidden_size is %zu, expected vision_config.hidden_size %zu",
                         c->qformer.encoder_hidden, c->vision.hidden);
    return true;
}

/* BLIP-2's names of tensors are known around an OPT alone; InstructBLIP has a LLaMA. */
static bool knows_language(const Blip2Config *c, const LanguageFamily *only, Error *err)
{
    return c->text.family == only ||
           error_set_status(err, STATUS_MISMATCH,
                            "text_config.model_type: expected \"%s\", the one language model that is known behind this Q-Former",
                            only->model_types[0]);
}

static bool read(Blip2Config *out, const char *folder, const LanguageFamily *language, Error *err)
{
    char *path;
    json_t *root = config_json(folder, &path, err);
    bool ok = root != NULL;
    if (ok && !(ok = read_parts(out, root, err) && knows_language(out, language, err)))
        error_prefix(err, "%s", path);
    if (ok)
        out->eos = out->text.eos;
    ok = ok && config_eos(&out->eos, folder, err);
    json_decref(root);
    free(path);
    return ok;
}

bool blip2_config_read(Blip2Config *out, const char *folder, Error *err)
{
    return read(out, folder, &opt_family, err);
}

bool instructblip_config_read(Blip2Config *out, const char *folder, Error *err)
{
    return read(out, folder, &llama_family, err);
}
