/* SmolVLM2's shapes as published, and one of the miniature's size; see shapes_smolvlm.h. */
#include "weights/shapes_smolvlm.h"

#include <string.h>

#include "models/language.h"
#include "text/tokenizer.h"
#include "weights/shapes.h"

typedef struct SmolvlmRow {
    const char *name;
    size_t vision[6]; /* hidden, layers, heads, mlp, image, patch */
    size_t scale;
    size_t text[6]; /* hidden, layers, heads, kv_heads, ffn, positions */
    double theta;
    size_t vocabulary;
} SmolvlmRow;

static const SmolvlmRow rows[] = {
    {"smolvlm-256m", {768, 12, 12, 3072, 512, 16}, 4, {576, 30, 9, 3, 1536, 8192}, 1e5, 49280},
    {"smolvlm-500m", {768, 12, 12, 3072, 512, 16}, 4, {960, 32, 15, 5, 2560, 8192}, 1e5, 49280},
    {"smolvlm-2.2b", {1152, 27, 16, 4304, 384, 14}, 3, {2048, 24, 32, 32, 8192, 8192}, 273768, 49280},
    {"smolvlm-mini", {128, 4, 4, 256, 48, 8}, 2, {128, 4, 4, 2, 384, 512}, 1e4, 512},
};

enum { IMAGE_TOKEN = 49190, END_OF_UTTERANCE = 49279 }; /* of the published vocabulary */

/* <image> and <end_of_utterance> as the tokenizer has them, and a row for each of its ids. */
static void size_by(SmolvlmShape *s, const char *folder, Error *err)
{
    Tokenizer *t = tokenizer_open(folder, err);
    if (!t)
        return;
    const int32_t image = tokenizer_id(t, SLICE("<image>")), end = tokenizer_id(t, SLICE("<end_of_utterance>"));
    const size_t ids = (size_t)tokenizer_size(t);
    tokenizer_free(t);
    if (image < 0 || end < 0)
        error_set_status(err, STATUS_MISMATCH, "%s: its tokenizer has no <image> or no <end_of_utterance>", folder);
    s->image_token = image;
    s->eos = end;
    if (ids > s->text.vocabulary || s->text.hidden <= 128) /* true sizes keep their rows */
        s->text.vocabulary = (ids + 7) / 8 * 8;
}

bool shape_smolvlm_find(SmolvlmShape *out, const char *name, const char *tokenizer, Error *err)
{
    const SmolvlmRow *r = rows, *end = rows + sizeof rows / sizeof rows[0];
    while (r < end && strcmp(r->name, name) != 0)
        r++;
    if (r == end)
        return false;
    const bool whole = r->vocabulary > IMAGE_TOKEN;
    *out = (SmolvlmShape){.vision = {.hidden = r->vision[0],
                                     .layers = r->vision[1],
                                     .heads = r->vision[2],
                                     .mlp = r->vision[3],
                                     .image = r->vision[4],
                                     .patch = r->vision[5],
                                     .eps = 1e-6},
                          .text = {.family = &llama_family,
                                   .hidden = r->text[0],
                                   .layers = r->text[1],
                                   .heads = r->text[2],
                                   .kv_heads = r->text[3],
                                   .ffn = r->text[4],
                                   .positions = r->text[5],
                                   .vocabulary = r->vocabulary,
                                   .head_dim = r->text[0] / r->text[2],
                                   .eps = 1e-5,
                                   .rope = {.theta = r->theta},
                                   .bos = 1,
                                   .eos = 2,
                                   .pad = 2},
                          .scale = r->scale,
                          .image_token = whole ? IMAGE_TOKEN : (int32_t)r->vocabulary - 2,
                          .eos = whole ? END_OF_UTTERANCE : (int32_t)r->vocabulary - 1};
    if (tokenizer)
        size_by(out, tokenizer, err);
    return true;
}

json_t *shape_smolvlm_json(const SmolvlmShape *s)
{
    const VisionConfig *v = &s->vision;
    json_t *text = shape_language_json(&s->text);
    json_object_del(text, "architectures");
    json_t *vision = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:s}", "model_type", "smolvlm_vision", "hidden_size",
                               (json_int_t)v->hidden, "num_hidden_layers", (json_int_t)v->layers, "num_attention_heads",
                               (json_int_t)v->heads, "intermediate_size", (json_int_t)v->mlp, "image_size", (json_int_t)v->image,
                               "patch_size", (json_int_t)v->patch, "layer_norm_eps", v->eps, "hidden_act", "gelu_pytorch_tanh");
    return json_pack("{s:[s], s:s, s:i, s:I, s:b, s:o, s:o}", "architectures", "SmolVLMForConditionalGeneration", "model_type",
                     "smolvlm", "image_token_id", s->image_token, "scale_factor", (json_int_t)s->scale, "tie_word_embeddings", 0,
                     "text_config", text, "vision_config", vision);
}

json_t *shape_smolvlm_preprocessor(const SmolvlmShape *s)
{
    const json_int_t side = (json_int_t)s->vision.image;
    return json_pack("{s:b, s:b, s:b, s:b, s:b, s:b, s:[f, f, f], s:[f, f, f], s:i, s:f, s:s, s:{s:I}, s:{s:I}}",
                     "do_convert_rgb", 1, "do_image_splitting", 0, "do_normalize", 1, "do_pad", 1, "do_rescale", 1, "do_resize",
                     1, "image_mean", 0.5, 0.5, 0.5, "image_std", 0.5, 0.5, 0.5, "resample", 1, "rescale_factor", 1 / 255.0,
                     "image_processor_type", "SmolVLMImageProcessor", "max_image_size", "longest_edge", side, "size",
                     "longest_edge", 4 * side);
}
