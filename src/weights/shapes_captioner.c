/* SmolVLM2's, LLaVA-1.5's, JoyCaption's and InstructBLIP's shapes as published, and some of the miniature's size; see
 * shapes_captioner.h. */
#include "weights/shapes_captioner.h"

#include <stdlib.h>
#include <string.h>

#include "models/language.h"
#include "text/tokenizer.h"
#include "weights/shapes.h"

typedef struct CaptionerRow {
    const char *name, *family;
    size_t vision[6]; /* hidden, layers, heads, mlp, image, patch */
    size_t scale;
    size_t text[6]; /* hidden, layers, heads, kv_heads, ffn, positions */
    double theta;
    size_t vocabulary;
    int32_t image_token, eos;
    bool siglip;       /* LLaVA with SigLIP's encoder and Llama 3.1: JoyCaption */
    size_t qformer[5]; /* InstructBLIP: hidden, layers, heads, mlp, queries */
} CaptionerRow;

/* clang-format off */
static const CaptionerRow rows[] = {
    {"smolvlm-256m", "smolvlm", {768, 12, 12, 3072, 512, 16}, 4, {576, 30, 9, 3, 1536, 8192}, 1e5, 49280, 49190, 49279, false, {0}},
    {"smolvlm-500m", "smolvlm", {768, 12, 12, 3072, 512, 16}, 4, {960, 32, 15, 5, 2560, 8192}, 1e5, 49280, 49190, 49279, false, {0}},
    {"smolvlm-2.2b", "smolvlm", {1152, 27, 16, 4304, 384, 14}, 3, {2048, 24, 32, 32, 8192, 8192}, 273768, 49280, 49190, 49279, false, {0}},
    {"smolvlm-mini", "smolvlm", {128, 4, 4, 256, 48, 8}, 2, {128, 4, 4, 2, 256, 512}, 1e4, 512, 510, 511, false, {0}},
    {"llava-1.5-7b", "llava", {1024, 24, 16, 4096, 336, 14}, 0, {4096, 32, 32, 32, 11008, 4096}, 1e4, 32064, 32000, 2, false, {0}},
    {"llava-1.5-13b", "llava", {1024, 24, 16, 4096, 336, 14}, 0, {5120, 40, 40, 40, 13824, 4096}, 1e4, 32064, 32000, 2, false, {0}},
    {"joycaption-beta-one", "llava", {1152, 27, 16, 4304, 384, 14}, 0, {4096, 32, 32, 8, 14336, 131072}, 5e5, 128256, 128077, 128009, true, {0}},
    {"llava-mini", "llava", {128, 4, 4, 256, 48, 8}, 0, {128, 4, 4, 4, 384, 512}, 1e4, 512, 511, 2, false, {0}},
    {"joycaption-mini", "llava", {128, 4, 4, 256, 50, 8}, 0, {128, 4, 4, 2, 384, 4096}, 5e5, 512, 509, 511, true, {0}},
    {"instructblip-vicuna-7b", "instructblip", {1408, 39, 16, 6144, 224, 14}, 0, {4096, 32, 32, 32, 11008, 2048}, 1e4, 32001, 32000, 2, false, {768, 12, 12, 3072, 32}},
    {"instructblip-mini", "instructblip", {128, 4, 4, 256, 48, 8}, 0, {128, 4, 4, 4, 384, 512}, 1e4, 512, 511, 2, false, {128, 4, 4, 256, 12}},
};
/* clang-format on */

static bool is_llava(const CaptionerShape *s)
{
    return strcmp(s->family, "llava") == 0;
}

static bool is_instructblip(const CaptionerShape *s)
{
    return strcmp(s->family, "instructblip") == 0;
}

static bool is_joycaption(const CaptionerShape *s)
{
    return s->text.rope.scaling == ROPE_LLAMA3;
}

/* A row of the Q-Former's for each word of its own tokenizer, and [DEC]'s. */
static bool size_qformer_by(CaptionerShape *s, const char *folder, Error *err)
{
    char *reader = path_join(folder, "qformer_tokenizer");
    Tokenizer *t = tokenizer_open(reader, err);
    free(reader);
    if (!t)
        return false;
    if (s->qformer.hidden <= 128)
        s->qformer.vocabulary = (size_t)tokenizer_size(t) + 1;
    tokenizer_free(t);
    return true;
}

/* <image>, and what ends a caption, as the tokenizer has them; a row for each of its ids. */
static void size_by(CaptionerShape *s, const char *folder, Error *err)
{
    Tokenizer *t = tokenizer_open(folder, err);
    if (!t)
        return;
    const char *end_name = is_joycaption(s) ? "<|eot_id|>" : is_llava(s) || is_instructblip(s) ? "</s>" : "<end_of_utterance>";
    const char *image_name = is_joycaption(s) ? "<|reserved_special_token_69|>" : "<image>";
    const int32_t image = tokenizer_id(t, slice_of(image_name)), end = tokenizer_id(t, slice_of(end_name));
    const size_t ids = (size_t)tokenizer_size(t);
    tokenizer_free(t);
    if (image < 0 || end < 0)
        error_set_status(err, STATUS_MISMATCH, "%s: its tokenizer has no %s or no %s", folder, image_name, end_name);
    s->image_token = image;
    s->eos = end;
    if (ids > s->text.vocabulary || s->text.hidden <= 128) /* true sizes keep their rows */
        s->text.vocabulary = (ids + 7) / 8 * 8;
}

bool shape_captioner_find(CaptionerShape *out, const char *name, const char *tokenizer, Error *err)
{
    const CaptionerRow *r = rows, *end = rows + sizeof rows / sizeof rows[0];
    while (r < end && strcmp(r->name, name) != 0)
        r++;
    if (r == end)
        return false;
    *out = (CaptionerShape){
        .family = r->family,
        .vision = {.hidden = r->vision[0],
                   .layers = r->vision[1],
                   .heads = r->vision[2],
                   .mlp = r->vision[3],
                   .image = r->vision[4],
                   .patch = r->vision[5]},
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
                 .rope = r->siglip ? (RopeConfig){r->theta, ROPE_LLAMA3, 8, 1, 4, 8192} : (RopeConfig){.theta = r->theta},
                 .bos = 1,
                 .eos = {{2}, 1},
                 .pad = 2},
        .qformer = {.hidden = r->qformer[0],
                    .layers = r->qformer[1],
                    .heads = r->qformer[2],
                    .mlp = r->qformer[3],
                    .encoder_hidden = r->vision[0],
                    .cross_frequency = 2,
                    .eps = 1e-12,
                    .vocabulary = 30523,
                    .positions = 512},
        .queries = r->qformer[4],
        .scale = r->scale,
        .image_token = r->image_token,
        .eos = r->eos};
    if (tokenizer && (!is_instructblip(out) || size_qformer_by(out, tokenizer, err)))
        size_by(out, tokenizer, err);
    return true;
}

const char *shape_captioner_head(const CaptionerShape *s)
{
    return is_llava(s) || is_instructblip(s) ? "language_model.lm_head.weight" : "lm_head.weight";
}

static json_t *vision_json(const CaptionerShape *s)
{
    const VisionConfig *v = &s->vision;
    const bool clip = is_llava(s) && !is_joycaption(s);
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:s}", "model_type",
                     clip               ? "clip_vision_model"
                     : is_joycaption(s) ? "siglip_vision_model"
                                        : "smolvlm_vision",
                     "hidden_size", (json_int_t)v->hidden, "num_hidden_layers", (json_int_t)v->layers, "num_attention_heads",
                     (json_int_t)v->heads, "intermediate_size", (json_int_t)v->mlp, "image_size", (json_int_t)v->image,
                     "patch_size", (json_int_t)v->patch, "layer_norm_eps", clip ? 1e-5 : 1e-6, "hidden_act",
                     clip ? "quick_gelu" : "gelu_pytorch_tanh");
}

static json_t *instructblip_json(const CaptionerShape *s, json_t *text)
{
    const VisionConfig *v = &s->vision;
    const QformerConfig *q = &s->qformer;
    json_t *vision =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:b, s:s}", "model_type", "instructblip_vision_model", "hidden_size",
                  (json_int_t)v->hidden, "num_hidden_layers", (json_int_t)v->layers, "num_attention_heads", (json_int_t)v->heads,
                  "intermediate_size", (json_int_t)v->mlp, "image_size", (json_int_t)v->image, "patch_size", (json_int_t)v->patch,
                  "layer_norm_eps", 1e-6, "qkv_bias", 1, "hidden_act", "gelu");
    json_t *qformer =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:s}", "model_type", "instructblip_qformer", "hidden_size",
                  (json_int_t)q->hidden, "num_hidden_layers", (json_int_t)q->layers, "num_attention_heads", (json_int_t)q->heads,
                  "intermediate_size", (json_int_t)q->mlp, "encoder_hidden_size", (json_int_t)q->encoder_hidden,
                  "cross_attention_frequency", (json_int_t)q->cross_frequency, "vocab_size", (json_int_t)q->vocabulary,
                  "max_position_embeddings", (json_int_t)q->positions, "layer_norm_eps", q->eps, "hidden_act", "gelu");
    return json_pack("{s:[s], s:s, s:I, s:i, s:b, s:b, s:o, s:o, s:o}", "architectures", "InstructBlipForConditionalGeneration",
                     "model_type", "instructblip", "num_query_tokens", (json_int_t)s->queries, "image_token_index",
                     s->image_token, "tie_word_embeddings", 0, "use_decoder_only_language_model", 1, "text_config", text,
                     "vision_config", vision, "qformer_config", qformer);
}

json_t *shape_captioner_json(const CaptionerShape *s)
{
    json_t *text = shape_language_json(&s->text);
    if (is_instructblip(s))
        return instructblip_json(s, text);
    json_t *vision = vision_json(s);
    json_object_del(text, "architectures");
    if (is_joycaption(s))
        json_object_set_new(vision, "vision_use_head", json_false());
    if (is_llava(s))
        return json_pack("{s:[s], s:s, s:i, s:i, s:s, s:s, s:b, s:o, s:o}", "architectures", "LlavaForConditionalGeneration",
                         "model_type", "llava", "image_token_index", s->image_token, "vision_feature_layer", -2,
                         "vision_feature_select_strategy", is_joycaption(s) ? "full" : "default", "projector_hidden_act", "gelu",
                         "tie_word_embeddings", 0, "text_config", text, "vision_config", vision);
    return json_pack("{s:[s], s:s, s:i, s:I, s:b, s:o, s:o}", "architectures", "SmolVLMForConditionalGeneration", "model_type",
                     "smolvlm", "image_token_id", s->image_token, "scale_factor", (json_int_t)s->scale, "tie_word_embeddings", 0,
                     "text_config", text, "vision_config", vision);
}

static json_t *siglip_preprocessor(json_int_t side)
{
    return json_pack("{s:b, s:b, s:b, s:b, s:[f, f, f], s:[f, f, f], s:i, s:f, s:s, s:{s:I, s:I}}", "do_convert_rgb", 1,
                     "do_normalize", 1, "do_rescale", 1, "do_resize", 1, "image_mean", 0.5, 0.5, 0.5, "image_std", 0.5, 0.5, 0.5,
                     "resample", 3, "rescale_factor", 1 / 255.0, "image_processor_type", "SiglipImageProcessor", "size", "height",
                     side, "width", side);
}

static json_t *blip_preprocessor(json_int_t side)
{
    return json_pack("{s:b, s:b, s:b, s:b, s:[f, f, f], s:[f, f, f], s:i, s:f, s:s, s:{s:I, s:I}}", "do_convert_rgb", 1,
                     "do_normalize", 1, "do_rescale", 1, "do_resize", 1, "image_mean", 0.48145466, 0.4578275, 0.40821073,
                     "image_std", 0.26862954, 0.26130258, 0.27577711, "resample", 3, "rescale_factor", 1 / 255.0,
                     "image_processor_type", "BlipImageProcessor", "size", "height", side, "width", side);
}

static json_t *clip_preprocessor(json_int_t side)
{
    return json_pack("{s:b, s:b, s:b, s:b, s:b, s:[f, f, f], s:[f, f, f], s:i, s:f, s:s, s:{s:I, s:I}, s:{s:I}}",
                     "do_center_crop", 1, "do_convert_rgb", 1, "do_normalize", 1, "do_rescale", 1, "do_resize", 1, "image_mean",
                     0.48145466, 0.4578275, 0.40821073, "image_std", 0.26862954, 0.26130258, 0.27577711, "resample", 3,
                     "rescale_factor", 1 / 255.0, "image_processor_type", "CLIPImageProcessor", "crop_size", "height", side,
                     "width", side, "size", "shortest_edge", side);
}

json_t *shape_captioner_preprocessor(const CaptionerShape *s)
{
    const json_int_t side = (json_int_t)s->vision.image;
    if (is_joycaption(s))
        return siglip_preprocessor(side);
    if (is_llava(s))
        return clip_preprocessor(side);
    if (is_instructblip(s))
        return blip_preprocessor(side);
    return json_pack("{s:b, s:b, s:b, s:b, s:b, s:b, s:[f, f, f], s:[f, f, f], s:i, s:f, s:s, s:{s:I}, s:{s:I}}",
                     "do_convert_rgb", 1, "do_image_splitting", 0, "do_normalize", 1, "do_pad", 1, "do_rescale", 1, "do_resize",
                     1, "image_mean", 0.5, 0.5, 0.5, "image_std", 0.5, 0.5, 0.5, "resample", 1, "rescale_factor", 1 / 255.0,
                     "image_processor_type", "SmolVLMImageProcessor", "max_image_size", "longest_edge", side, "size",
                     "longest_edge", 4 * side);
}

json_t *shape_smolvlm_processor(const CaptionerShape *s)
{
    const size_t across = s->vision.image / s->vision.patch / s->scale;
    return json_pack("{s:I, s:s}", "image_seq_len", (json_int_t)(across * across), "processor_class", "SmolVLMProcessor");
}

json_t *shape_smolvlm_chat(void)
{
    return json_pack(
        "{s:s}", "chat_template",
        "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}{% if message['content'][0]['type'] == 'image' "
        "%}{{':'}}{% else %}{{': '}}{% endif %}{% for line in message['content'] %}{% if line['type'] == 'text' "
        "%}{{line['text']}}{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n"
        "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}");
}
