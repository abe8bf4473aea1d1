/* BLIP's text decoder as a language model: a BERT that reads from left to right, and attends to an image in every layer. */
#include <stdlib.h>
#include <string.h>

#include "models/families/blip/blip_config.h"
#include "models/language.h"

static void read_config(LmConfig *c, ConfigFields *f, const char *model_type)
{
    (void)model_type;
    BlipTextConfig t;
    blip_config_text(&t, f);
    *c = (LmConfig){.hidden = t.hidden,
                    .layers = t.layers,
                    .heads = t.heads,
                    .ffn = t.mlp,
                    .positions = t.positions,
                    .vocabulary = t.vocabulary,
                    .kv_heads = t.heads,
                    .head_dim = t.hidden / t.heads,
                    .activation = ACTIVATION_GELU,
                    .eps = t.eps,
                    .tied = true,
                    .qkv_bias = true,
                    .out_bias = true,
                    .mlp_bias = true,
                    .memory = config_size(f, "encoder_hidden_size", 768),
                    .bos = t.bos,
                    .eos = {{t.sep}, 1},
                    .pad = config_id(f, "pad_token_id", 0)};
    config_expect_flag(f, "tie_word_embeddings", true, true);
}

/* body: "text_decoder.bert"; the head lies beside it. */
static void bind(Lm *m, Binder *b, const char *body)
{
    const LmConfig *c = &m->config;
    const BertSizes sizes = {c->hidden, c->ffn, c->eps};
    const size_t d = c->hidden, words = c->vocabulary;
    char *head = xasprintf("%.*s.cls.predictions", (int)(strlen(body) - strlen(".bert")), body);
    bind_matrix(b, &m->tokens, words, d, SHAPE(words, d), "%s.embeddings.word_embeddings.weight", body);
    bind_matrix(b, &m->positions, c->positions, d, SHAPE(c->positions, d), "%s.embeddings.position_embeddings.weight", body);
    bind_norm(b, &m->first, d, c->eps, "%s.embeddings.LayerNorm", body);
    for (size_t i = 0; i < c->layers; i++) {
        char *name = xasprintf("%s.encoder.layer.%zu", body, i);
        bert_bind_layer(b, &m->layers[i], &sizes, c->memory, name);
        free(name);
    }
    bind_linear(b, &m->transform, d, d, true, "%s.transform.dense", head);
    bind_norm(b, &m->last, d, c->eps, "%s.transform.LayerNorm", head);
    bind_matrix(b, &m->head.weight, words, d, SHAPE(words, d), "%s.embeddings.word_embeddings.weight", body);
    bind_vector(b, &m->head.bias, 1, words, SHAPE(words), "%s.bias", head);
    free(head);
}

static const char *const types[] = {"blip_text_model", NULL};
static const char *const targets[] = {"self.query", "self.key", "self.value", "output.dense", "intermediate.dense", NULL};
static const char *const bodies[] = {"text_decoder.bert", NULL};

const LanguageFamily blip_text_family = {
    .model_types = types, .read = read_config, .bind = bind, .targets = targets, .bodies = bodies};
