/*
 * LLaMa (Touvron et al. 2023, https://arxiv.org/abs/2302.13971) and what is built like it: LLaMa-2 and 3, SmolLM2 and Vicuna
 * ("llama"), Mistral 7B ("mistral"), Qwen2 and 2.5 ("qwen2"). Names and defaults are Hugging Face's.
 */
#include <stdlib.h>
#include <string.h>

#include "models/language.h"

/* rope_parameters of transformers 5, or rope_scaling of before; NULL where there is none. */
static const json_t *rope_object(const ConfigFields *f)
{
    const json_t *now = config_field(f, "rope_parameters"), *before = config_field(f, "rope_scaling");
    return json_is_object(now) ? now : json_is_object(before) ? before : NULL;
}

static const char *rope_type(const ConfigFields *f)
{
    const char *type = json_string_value(config_field(f, "rope_type"));
    return type ? type : json_string_value(config_field(f, "type"));
}

static void read_rope(RopeConfig *r, ConfigFields *f, double theta)
{
    ConfigFields o = {.first = rope_object(f), .what = "rope_scaling", .err = f->err, .ok = f->ok};
    *r = (RopeConfig){.theta = config_real(f, "rope_theta", theta)};
    if (!o.first)
        return;
    const char *type = rope_type(&o);
    r->theta = config_real(&o, "rope_theta", r->theta);
    if (type && strcmp(type, "linear") == 0) {
        r->scaling = ROPE_LINEAR;
        r->factor = config_real(&o, "factor", 1);
    } else if (type && strcmp(type, "llama3") == 0) {
        r->scaling = ROPE_LLAMA3;
        r->factor = config_real(&o, "factor", 8);
        r->low = config_real(&o, "low_freq_factor", 1);
        r->high = config_real(&o, "high_freq_factor", 4);
        r->original = config_size(&o, "original_max_position_embeddings", 8192);
        if (o.ok && r->high <= r->low)
            config_fail(&o, "high_freq_factor", "more than low_freq_factor");
    } else if (type && strcmp(type, "default") != 0) {
        config_fail(&o, json_object_get(o.first, "rope_type") ? "rope_type" : "type", "\"default\", \"linear\" or \"llama3\"");
    }
    f->ok = o.ok;
}

/* Mistral's window: what is further back is not seen, so a sequence must end within it. */
static size_t read_window(ConfigFields *f, size_t positions, const char *model_type)
{
    bool mistral = strcmp(model_type, "mistral") == 0;
    if (!(mistral || config_flag(f, "use_sliding_window", false)))
        return positions;
    return size_min(positions, config_size(f, "sliding_window", mistral ? 4096 : positions));
}

static void read_config(LmConfig *c, ConfigFields *f, const char *model_type)
{
    const bool qwen = strcmp(model_type, "qwen2") == 0, mistral = strcmp(model_type, "mistral") == 0;
    *c = (LmConfig){.activation = ACTIVATION_SWIGLU};
    c->hidden = config_size(f, "hidden_size", 4096);
    c->layers = config_size(f, "num_hidden_layers", 32);
    c->heads = config_size(f, "num_attention_heads", 32);
    c->kv_heads = config_size(f, "num_key_value_heads", mistral ? 8 : c->heads);
    c->head_dim = config_size(f, "head_dim", c->hidden / c->heads ? c->hidden / c->heads : 1);
    c->ffn = config_size(f, "intermediate_size", mistral ? 14336 : qwen ? 22016 : 11008);
    c->positions = read_window(f, config_size(f, "max_position_embeddings", mistral ? 131072 : qwen ? 32768 : 2048), model_type);
    c->vocabulary = config_size(f, "vocab_size", qwen ? 151936 : 32000);
    c->eps = config_real(f, "rms_norm_eps", 1e-6);
    c->out_bias = config_flag(f, "attention_bias", false);
    c->qkv_bias = qwen || c->out_bias;
    c->mlp_bias = config_flag(f, "mlp_bias", false);
    c->tied = config_flag(f, "tie_word_embeddings", false);
    c->bos = config_id(f, "bos_token_id", 1);
    c->eos = config_eos_ids(f, (EosIds){{2}, 1});
    c->pad = config_id(f, "pad_token_id", c->eos.ids[0]);
    config_expect_text(f, "hidden_act", "silu", "silu");
    read_rope(&c->rope, f, 10000);
    config_expect_multiple(f, "num_attention_heads", c->heads, "num_key_value_heads", c->kv_heads);
    config_expect_multiple(f, "head_dim", c->head_dim, "the two halves that turn:", 2);
}

static void bind_layer(Block *x, Binder *b, const LmConfig *c, const char *name)
{
    const size_t d = c->hidden, queries = c->heads * c->head_dim, keys = c->kv_heads * c->head_dim;
    bind_rmsnorm(b, &x->norm1, d, c->eps, "%s.input_layernorm", name);
    bind_linear(b, &x->q, queries, d, c->qkv_bias, "%s.self_attn.q_proj", name);
    bind_linear(b, &x->k, keys, d, c->qkv_bias, "%s.self_attn.k_proj", name);
    bind_linear(b, &x->v, keys, d, c->qkv_bias, "%s.self_attn.v_proj", name);
    bind_linear(b, &x->out, d, queries, c->out_bias, "%s.self_attn.o_proj", name);
    bind_rmsnorm(b, &x->norm2, d, c->eps, "%s.post_attention_layernorm", name);
    bind_linear(b, &x->gate, c->ffn, d, c->mlp_bias, "%s.mlp.gate_proj", name);
    bind_linear(b, &x->fc1, c->ffn, d, c->mlp_bias, "%s.mlp.up_proj", name);
    bind_linear(b, &x->fc2, d, c->ffn, c->mlp_bias, "%s.mlp.down_proj", name);
}

static void bind(Lm *m, Binder *b, const char *body)
{
    const LmConfig *c = &m->config;
    const char *dot = *body ? "." : ""; /* LlamaModel alone has no body's name */
    bind_matrix(b, &m->tokens, c->vocabulary, c->hidden, SHAPE(c->vocabulary, c->hidden), "%s%sembed_tokens.weight", body, dot);
    for (size_t i = 0; i < c->layers; i++) {
        char *name = xasprintf("%s%slayers.%zu", body, dot, i);
        bind_layer(&m->blocks[i], b, c, name);
        free(name);
    }
    bind_rmsnorm(b, &m->norm, c->hidden, c->eps, "%s%snorm", body, dot);
    if (c->tied)
        bind_matrix(b, &m->head.weight, c->vocabulary, c->hidden, SHAPE(c->vocabulary, c->hidden), "%s%sembed_tokens.weight",
                    body, dot);
}

static const char *const types[] = {"llama", "mistral", "qwen2", NULL};
static const char *const targets[] = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", NULL};
static const char *const bodies[] = {"model", "", NULL};

const LanguageFamily llama_family = {
    .model_types = types, .read = read_config, .bind = bind, .targets = targets, .bodies = bodies};
