/* Language models by themselves among the shapes of vlrm-weights random: LLaMa's family. See shapes.h. */
#include <string.h>

#include "base/json_file.h"
#include "models/language.h"
#include "text/tokenizer.h"
#include "weights/shapes.h"

typedef struct LanguageRow {
    const char *name;
    size_t hidden, layers, heads, kv_heads, ffn, positions, vocabulary;
    bool tied;
    double theta;
    int32_t bos, eos;
    RopeConfig scaled; /* theta 0: as it is */
} LanguageRow;

static const LanguageRow rows[] = {
    {"llama-2-7b", 4096, 32, 32, 32, 11008, 4096, 32000, false, 1e4, 1, 2, {0, ROPE_PLAIN, 0, 0, 0, 0}},
    {"llama-3.2-1b", 2048, 16, 32, 8, 8192, 131072, 128256, true, 5e5, 128000, 128001, {5e5, ROPE_LLAMA3, 32, 1, 4, 8192}},
    {"smollm2-135m", 576, 30, 9, 3, 1536, 8192, 49152, true, 1e5, 0, 0, {0, ROPE_PLAIN, 0, 0, 0, 0}},
    {"llama-mini", 128, 4, 4, 2, 384, 512, 512, true, 1e4, 1, 2, {0, ROPE_PLAIN, 0, 0, 0, 0}},
};

bool shape_language_find(LmConfig *out, const char *name, const char *tokenizer, Error *err)
{
    const LanguageRow *r = rows;
    const size_t n = sizeof rows / sizeof rows[0];
    while (r < rows + n && strcmp(r->name, name) != 0)
        r++;
    if (r == rows + n)
        return false;
    *out = (LmConfig){.family = &llama_family,
                      .hidden = r->hidden,
                      .layers = r->layers,
                      .heads = r->heads,
                      .ffn = r->ffn,
                      .positions = r->positions,
                      .vocabulary = r->vocabulary,
                      .kv_heads = r->kv_heads,
                      .head_dim = r->hidden / r->heads,
                      .activation = ACTIVATION_SWIGLU,
                      .eps = 1e-5,
                      .rope = r->scaled.theta > 0 ? r->scaled : (RopeConfig){.theta = r->theta},
                      .tied = r->tied,
                      .bos = r->bos,
                      .eos = {{r->eos}, 1},
                      .pad = r->eos};
    Tokenizer *t = tokenizer ? tokenizer_open(tokenizer, err) : NULL;
    if (t) {
        TokenizerIds ids = tokenizer_ids(t);
        out->vocabulary = ((size_t)tokenizer_size(t) + 7) / 8 * 8;
        out->eos = (EosIds){{ids.eos}, 1};
        out->pad = ids.eos;
        out->bos = ids.bos >= 0 ? ids.bos : ids.eos;
        tokenizer_free(t);
    }
    return true;
}

json_t *shape_language_json(const LmConfig *c)
{
    json_t *scaling = json_null();
    if (c->rope.scaling == ROPE_LLAMA3)
        scaling = json_pack("{s:s, s:f, s:f, s:f, s:I}", "rope_type", "llama3", "factor", c->rope.factor, "low_freq_factor",
                            c->rope.low, "high_freq_factor", c->rope.high, "original_max_position_embeddings",
                            (json_int_t)c->rope.original);
    return json_pack("{s:[s], s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:o, s:s, s:b, s:i, s:i}", "architectures",
                     "LlamaForCausalLM", "model_type", "llama", "hidden_size", (json_int_t)c->hidden, "num_hidden_layers",
                     (json_int_t)c->layers, "num_attention_heads", (json_int_t)c->heads, "num_key_value_heads",
                     (json_int_t)c->kv_heads, "head_dim", (json_int_t)c->head_dim, "intermediate_size", (json_int_t)c->ffn,
                     "max_position_embeddings", (json_int_t)c->positions, "vocab_size", (json_int_t)c->vocabulary, "rms_norm_eps",
                     c->eps, "rope_theta", c->rope.theta, "rope_scaling", scaling, "hidden_act", "silu", "tie_word_embeddings",
                     (int)c->tied, "bos_token_id", c->bos, "eos_token_id", c->eos.ids[0]);
}
