/* OPT (Zhang et al. 2022, https://arxiv.org/abs/2205.01068), alone and in BLIP-2. models.md section 3.6. */
#include <stdlib.h>

#include "models/language.h"

LmConfig opt_config(size_t hidden, size_t layers, size_t heads, size_t ffn, size_t positions, size_t vocabulary)
{
    return (LmConfig){.family = &opt_family,
                      .hidden = hidden,
                      .layers = layers,
                      .heads = heads,
                      .ffn = ffn,
                      .positions = positions,
                      .vocabulary = vocabulary,
                      .kv_heads = heads,
                      .head_dim = hidden / heads,
                      .activation = ACTIVATION_RELU,
                      .eps = 1e-5, /* torch's default; not in any config */
                      .tied = true,
                      .qkv_bias = true,
                      .out_bias = true,
                      .mlp_bias = true,
                      .bos = 2,
                      .eos = {{2}, 1},
                      .pad = 1};
}

static void read_config(LmConfig *c, ConfigFields *f, const char *model_type)
{
    (void)model_type;
    size_t hidden = config_size(f, "hidden_size", 768), layers = config_size(f, "num_hidden_layers", 12);
    size_t heads = config_size(f, "num_attention_heads", 12), ffn = config_size(f, "ffn_dim", 3072);
    *c = opt_config(hidden, layers, heads, ffn, config_size(f, "max_position_embeddings", 2048),
                    config_size(f, "vocab_size", 50272));
    c->bos = config_id(f, "bos_token_id", c->bos);
    c->eos = config_eos_ids(f, c->eos);
    c->pad = config_id(f, "pad_token_id", c->pad);
    config_expect_text(f, "activation_function", "relu", "relu");
    config_expect_flag(f, "do_layer_norm_before", true, true);
    config_expect_flag(f, "enable_bias", true, true);
    config_expect_flag(f, "layer_norm_elementwise_affine", true, true);
    config_expect_flag(f, "_remove_final_layer_norm", false, false);
    if (config_size(f, "word_embed_proj_dim", hidden) != hidden)
        config_fail(f, "word_embed_proj_dim", "hidden_size (projections inside OPT are not supported)");
    config_expect_multiple(f, "hidden_size", hidden, "num_attention_heads", heads);
}

static void bind_layer(Block *x, Binder *b, const LmConfig *c, const char *name)
{
    bind_norm(b, &x->norm1, c->hidden, c->eps, "%s.self_attn_layer_norm", name);
    bind_linear(b, &x->q, c->hidden, c->hidden, true, "%s.self_attn.q_proj", name);
    bind_linear(b, &x->k, c->hidden, c->hidden, true, "%s.self_attn.k_proj", name);
    bind_linear(b, &x->v, c->hidden, c->hidden, true, "%s.self_attn.v_proj", name);
    bind_linear(b, &x->out, c->hidden, c->hidden, true, "%s.self_attn.out_proj", name);
    bind_norm(b, &x->norm2, c->hidden, c->eps, "%s.final_layer_norm", name); /* per layer, despite its name */
    bind_linear(b, &x->fc1, c->ffn, c->hidden, true, "%s.fc1", name);
    bind_linear(b, &x->fc2, c->hidden, c->ffn, true, "%s.fc2", name);
}

static void bind(Lm *m, Binder *b, const char *body)
{
    enum { OFFSET = 2 }; /* as fairseq has it */
    const LmConfig *c = &m->config;
    const size_t d = c->hidden, rows = c->positions + OFFSET;
    m->position_offset = OFFSET;
    bind_matrix(b, &m->tokens, c->vocabulary, d, SHAPE(c->vocabulary, d), "%s.embed_tokens.weight", body);
    bind_matrix(b, &m->head.weight, c->vocabulary, d, SHAPE(c->vocabulary, d), "%s.embed_tokens.weight", body);
    bind_matrix(b, &m->positions, rows, d, SHAPE(rows, d), "%s.embed_positions.weight", body);
    for (size_t i = 0; i < c->layers; i++) {
        char *name = xasprintf("%s.layers.%zu", body, i);
        bind_layer(&m->blocks[i], b, c, name);
        free(name);
    }
    bind_norm(b, &m->norm, d, c->eps, "%s.final_layer_norm", body);
}

static const char *const types[] = {"opt", NULL};
static const char *const targets[] = {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2", NULL};
static const char *const bodies[] = {"model.decoder", "decoder", NULL}; /* the second: OPTModel, without a head */

const LanguageFamily opt_family = {.model_types = types, .read = read_config, .bind = bind, .targets = targets, .bodies = bodies};
