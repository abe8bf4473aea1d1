/* The shapes of models.md and their configuration files; see shapes.h. */
#include "weights/shapes.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json_file.h"
#include "models/language.h"

#include "weights/weights.h"

typedef struct SizeRow {
    const char *name, *family;
    size_t vision[6];  /* hidden, layers, heads, mlp, image, patch */
    size_t qformer[4]; /* hidden, layers, heads, mlp */
    size_t queries;
    size_t text[4]; /* hidden, layers, heads, mlp: OPT's or CLIP's */
    size_t projection;
    double eos_logit;
} SizeRow;

/* The order is that of weights_shapes. */
static const SizeRow rows[] = {
    {"blip2-opt-2.7b", "blip2", {1408, 39, 16, 6144, 224, 14}, {768, 12, 12, 3072}, 32, {2560, 32, 32, 10240}, 0, 12},
    {"blip2-opt-6.7b", "blip2", {1408, 39, 16, 6144, 224, 14}, {768, 12, 12, 3072}, 32, {4096, 32, 32, 16384}, 0, 12},
    {"blip2-itm-vit-g", "itm", {1408, 39, 16, 6144, 224, 14}, {768, 12, 12, 3072}, 32, {2560, 32, 32, 10240}, 256, 0},
    {"clip-vit-g-14", "clip", {1408, 40, 16, 6144, 224, 14}, {0}, 0, {1024, 24, 16, 4096}, 1024, 0},
    {"clip-vit-bigg-14", "clip", {1664, 48, 16, 8192, 224, 14}, {0}, 0, {1280, 32, 20, 5120}, 1280, 0},
    {"blip2-small", "blip2", {384, 12, 6, 1536, 224, 14}, {384, 6, 6, 1536}, 32, {768, 12, 12, 3072}, 0, 8},
    {"itm-small", "itm", {384, 12, 6, 1536, 224, 14}, {384, 6, 6, 1536}, 32, {768, 12, 12, 3072}, 128, 0},
    {"clip-small", "clip", {384, 12, 6, 1536, 224, 14}, {0}, 0, {384, 6, 6, 1536}, 256, 0},
    {"blip2-mini", "blip2", {128, 4, 4, 256, 48, 8}, {128, 4, 4, 256}, 12, {128, 4, 4, 256}, 0, 8},
    {"itm-mini", "itm", {128, 4, 4, 256, 48, 8}, {128, 4, 4, 256}, 12, {128, 4, 4, 256}, 64, 0},
    {"clip-mini", "clip", {128, 4, 4, 256, 48, 8}, {0}, 0, {128, 3, 4, 256}, 64, 0},
    {"blip2-tiny", "blip2", {32, 2, 2, 64, 28, 14}, {24, 2, 2, 48}, 4, {32, 2, 2, 64}, 0, 1.2},
    {"itm-tiny", "itm", {32, 2, 2, 64, 28, 14}, {24, 2, 2, 48}, 4, {32, 2, 2, 64}, 8, 0},
    {"clip-tiny", "clip", {32, 2, 2, 64, 28, 14}, {0}, 0, {24, 2, 2, 48}, 16, 0},
};

const char weights_shapes[] =
    "blip2-opt-2.7b|blip2-opt-6.7b|blip2-itm-vit-g|clip-vit-g-14|clip-vit-bigg-14|blip2-small|itm-small|clip-small|"
    "blip2-mini|itm-mini|clip-mini|blip2-tiny|itm-tiny|clip-tiny|"
    "llama-2-7b|llama-3.2-1b|smollm2-135m|llama-mini|"
    "smolvlm-256m|smolvlm-500m|smolvlm-2.2b|smolvlm-mini|llava-1.5-7b|llava-1.5-13b|llava-mini|joycaption-beta-one|joycaption-mini|instructblip-vicuna-7b|instructblip-mini|"
    "siglip-base-patch16-224|siglip-so400m-patch14-384|siglip2-base-patch16-224|siglip-tiny|"
    "blip-itm-base|blip-itm-large|blip-itm-tiny|blip-captioning-base|blip-captioning-large|blip-captioning-tiny";

static bool is(const ModelShape *s, const char *family)
{
    return strcmp(s->family, family) == 0;
}

static bool is_blip(const ModelShape *s)
{
    return is(s, "blip-itm") || is(s, "blip-captioner");
}

/* ---- vocabularies ---- */

static size_t count_lines(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == '\n' || text[1] == '\0';
    return n;
}

/* Words of the tokenizer: ids of vocab.json or lines of vocab.txt. *newline: the id of "\n", or -1. */
static bool vocabulary_size(const char *folder, size_t *words, int32_t *newline, Error *err)
{
    char *json = path_join(folder, "vocab.json"), *txt = path_join(folder, "vocab.txt");
    bool there, ok = path_exists(json, &there, err);
    *newline = -1;
    if (ok && there) {
        json_t *root = json_file_read(json, err);
        const json_t *id = json_object_get(root, "\u010a");
        ok = root != NULL;
        *words = json_object_size(root);
        *newline = json_is_integer(id) ? (int32_t)json_integer_value(id) : -1;
        json_decref(root);
    } else if (ok) {
        char *text = file_read(txt, NULL, err);
        ok = text != NULL;
        *words = ok ? count_lines(text) : 0;
        free(text);
    }
    free(json);
    free(txt);
    return ok;
}

static bool size_vocabulary(ModelShape *s, const char *tokenizer, Error *err)
{
    size_t words;
    int32_t newline;
    if (!vocabulary_size(tokenizer, &words, &newline, err))
        return false;
    if (is(s, "blip2")) {
        if (newline < 0)
            return error_set(err, "%s: vocab.json has no newline, which ends a caption", tokenizer);
        bool real_one = words > 50000;
        s->used_words = words;
        s->eos = newline;
        s->blip2.text.vocabulary = real_one ? 50304 : (words + 1 + 7) / 8 * 8;
        s->blip2.image_token = real_one ? 50265 : (int32_t)s->blip2.text.vocabulary - 1;
    } else if (is(s, "itm")) {
        s->blip2.qformer.vocabulary = words > 30000 ? 30523 : words + 1; /* [DEC] */
    } else {
        s->clip.text.vocabulary = words;
        s->clip.text.bos = (int32_t)words - 2;
        s->clip.text.eos = (int32_t)words - 1;
    }
    return true;
}

/* ---- shapes ---- */

static VisionConfig vision_of(const SizeRow *r, double eps)
{
    return (VisionConfig){.hidden = r->vision[0],
                          .layers = r->vision[1],
                          .heads = r->vision[2],
                          .mlp = r->vision[3],
                          .image = r->vision[4],
                          .patch = r->vision[5],
                          .eps = eps,
                          .qkv_bias = true};
}

static ModelShape shape_of(const SizeRow *r)
{
    ModelShape s = {.family = r->family, .eos_logit = r->eos_logit, .used_words = 50265, .eos = 50118};
    bool itm = strcmp(r->family, "itm") == 0;
    s.blip2 = (Blip2Config){.vision = vision_of(r, 1e-6), .queries = r->queries, .image_text_hidden = itm ? r->projection : 256};
    s.blip2.image_token = itm ? -1 : 50265;
    s.blip2.qformer = (QformerConfig){.hidden = r->qformer[0],
                                      .layers = r->qformer[1],
                                      .heads = r->qformer[2],
                                      .mlp = r->qformer[3],
                                      .encoder_hidden = r->vision[0],
                                      .cross_frequency = strcmp(r->name, "itm-mini") == 0 ? 1 : 2,
                                      .eps = 1e-12,
                                      .vocabulary = itm ? 30523 : 30522,
                                      .positions = 512,
                                      .text_input = itm};
    s.blip2.text = opt_config(r->text[0], r->text[1], r->text[2], r->text[3], r->text[0] >= 768 ? 2048 : 256, 50304);
    s.blip2.text.eos = (EosIds){{50118}, 1};
    s.clip = (ClipConfig){.vision = vision_of(r, 1e-5), .projection = r->projection};
    s.clip.text = (TextTowerConfig){.hidden = r->text[0],
                                    .layers = r->text[1],
                                    .heads = r->text[2],
                                    .mlp = r->text[3],
                                    .vocabulary = 49408,
                                    .positions = 77,
                                    .eps = 1e-5,
                                    .bos = 49406,
                                    .eos = 49407};
    return s;
}

bool shape_find(ModelShape *out, const char *name, const char *tokenizer, Error *err)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0) {
            *out = shape_of(&rows[i]);
            return !tokenizer || size_vocabulary(out, tokenizer, err);
        }
    Error unread = {0};
    *out = (ModelShape){.family = "language"};
    if (shape_captioner_find(&out->captioner, name, tokenizer, &unread)) {
        out->family = "captioner";
        out->eos = out->captioner.eos;
    } else if (shape_siglip_find(&out->siglip, name, tokenizer, &unread)) {
        out->family = "siglip";
    } else if (shape_blip_find(&out->blip, name, tokenizer, &unread)) {
        out->family = out->blip.image_text_hidden > 0 ? "blip-itm" : "blip-captioner";
        out->blip2.vision.image = out->blip.vision.image; /* whose pixels are BLIP-2's */
    } else if (!shape_language_find(&out->language, name, tokenizer, &unread)) {
        return error_set(err, "no shape %s", name);
    }
    if (unread.text[0])
        *err = unread;
    return !unread.text[0];
}

/* ---- configuration files ---- */

static json_t *vision_json(const VisionConfig *v, bool clip, size_t projection)
{
    json_t *j =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:s, s:s}", "hidden_size", (json_int_t)v->hidden, "num_hidden_layers",
                  (json_int_t)v->layers, "num_attention_heads", (json_int_t)v->heads, "intermediate_size", (json_int_t)v->mlp,
                  "image_size", (json_int_t)v->image, "patch_size", (json_int_t)v->patch, "layer_norm_eps", v->eps, "hidden_act",
                  "gelu", "model_type", clip ? "clip_vision_model" : "blip_2_vision_model");
    if (clip)
        json_object_set_new(j, "projection_dim", json_integer((json_int_t)projection));
    else
        json_object_set_new(j, "qkv_bias", json_boolean(v->qkv_bias));
    return j;
}

static json_t *qformer_json(const QformerConfig *q)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:b, s:s, s:s}", "hidden_size", (json_int_t)q->hidden,
                     "num_hidden_layers", (json_int_t)q->layers, "num_attention_heads", (json_int_t)q->heads, "intermediate_size",
                     (json_int_t)q->mlp, "encoder_hidden_size", (json_int_t)q->encoder_hidden, "cross_attention_frequency",
                     (json_int_t)q->cross_frequency, "layer_norm_eps", q->eps, "vocab_size", (json_int_t)q->vocabulary,
                     "max_position_embeddings", (json_int_t)q->positions, "use_qformer_text_input", q->text_input, "hidden_act",
                     "gelu", "model_type", "blip_2_qformer");
}

static json_t *opt_json(const LmConfig *o, int32_t eos)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:s, s:i, s:i, s:i, s:s}", "hidden_size", (json_int_t)o->hidden,
                     "num_hidden_layers", (json_int_t)o->layers, "num_attention_heads", (json_int_t)o->heads, "ffn_dim",
                     (json_int_t)o->ffn, "word_embed_proj_dim", (json_int_t)o->hidden, "max_position_embeddings",
                     (json_int_t)o->positions, "vocab_size", (json_int_t)o->vocabulary, "do_layer_norm_before", 1,
                     "activation_function", "relu", "bos_token_id", o->bos, "eos_token_id", eos, "pad_token_id", o->pad,
                     "model_type", "opt");
}

static json_t *clip_json(const ClipConfig *c)
{
    const TextTowerConfig *t = &c->text;
    json_t *text = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:i, s:i, s:i, s:s, s:I, s:s}", "hidden_size",
                             (json_int_t)t->hidden, "num_hidden_layers", (json_int_t)t->layers, "num_attention_heads",
                             (json_int_t)t->heads, "intermediate_size", (json_int_t)t->mlp, "vocab_size",
                             (json_int_t)t->vocabulary, "max_position_embeddings", (json_int_t)t->positions, "layer_norm_eps",
                             t->eps, "bos_token_id", t->bos, "eos_token_id", t->eos, "pad_token_id", t->eos, "hidden_act", "gelu",
                             "projection_dim", (json_int_t)c->projection, "model_type", "clip_text_model");
    return json_pack("{s:[s], s:s, s:I, s:o, s:o}", "architectures", "CLIPModel", "model_type", "clip", "projection_dim",
                     (json_int_t)c->projection, "vision_config", vision_json(&c->vision, true, c->projection), "text_config",
                     text);
}

static json_t *blip2_json(const ModelShape *s)
{
    bool itm = is(s, "itm");
    json_t *j = json_pack("{s:[s], s:s, s:I, s:I, s:o, s:o, s:o}", "architectures",
                          itm ? "Blip2ForImageTextRetrieval" : "Blip2ForConditionalGeneration", "model_type", "blip-2",
                          "num_query_tokens", (json_int_t)s->blip2.queries, "image_text_hidden_size",
                          (json_int_t)s->blip2.image_text_hidden, "vision_config", vision_json(&s->blip2.vision, false, 0),
                          "qformer_config", qformer_json(&s->blip2.qformer), "text_config",
                          itm ? json_pack("{s:s}", "model_type", "opt") : opt_json(&s->blip2.text, s->eos));
    if (s->blip2.image_token >= 0)
        json_object_set_new(j, "image_token_index", json_integer(s->blip2.image_token));
    return j;
}

static json_t *preprocessor_json(const ModelShape *s)
{
    if (is(s, "captioner"))
        return shape_captioner_preprocessor(&s->captioner);
    if (is(s, "siglip"))
        return shape_siglip_pixels_json(&s->siglip);
    bool clip = is(s, "clip");
    json_int_t size = (json_int_t)(clip ? s->clip.vision.image : s->blip2.vision.image);
    json_t *j = json_pack("{s:b, s:b, s:b, s:b, s:[f, f, f], s:[f, f, f], s:i, s:f, s:s}", "do_convert_rgb", 1, "do_normalize", 1,
                          "do_rescale", 1, "do_resize", 1, "image_mean", 0.48145466, 0.4578275, 0.40821073, "image_std",
                          0.26862954, 0.26130258, 0.27577711, "resample", 3, "rescale_factor", 1 / 255.0, "image_processor_type",
                          clip ? "CLIPImageProcessor" : "BlipImageProcessor");
    json_object_set_new(
        j, "size", clip ? json_pack("{s:I}", "shortest_edge", size) : json_pack("{s:I, s:I}", "height", size, "width", size));
    if (clip) {
        json_object_set_new(j, "do_center_crop", json_true());
        json_object_set_new(j, "crop_size", json_pack("{s:I, s:I}", "height", size, "width", size));
    }
    return j;
}

/* Takes the object. */
static bool write_json(json_t *j, const char *folder, const char *name, Error *err)
{
    bool ok = json_file_write(folder, name, j, err);
    json_decref(j);
    return ok;
}

/* What SmolVLM's processor wants beside: how many rows an image has, and the text around it. */
static bool write_processor(const CaptionerShape *s, const char *folder, Error *err)
{
    return write_json(shape_smolvlm_processor(s), folder, "processor_config.json", err) &&
           write_json(shape_smolvlm_chat(), folder, "chat_template.json", err);
}

bool shape_write_config(const ModelShape *s, const char *dtype, const char *folder, Error *err)
{
    const bool language = is(s, "language"), captioner = is(s, "captioner");
    json_t *config = language          ? shape_language_json(&s->language)
                     : captioner       ? shape_captioner_json(&s->captioner)
                     : is(s, "clip")   ? clip_json(&s->clip)
                     : is(s, "siglip") ? shape_siglip_json(&s->siglip)
                     : is_blip(s)      ? shape_blip_json(&s->blip)
                                       : blip2_json(s);
    json_object_set_new(config, "torch_dtype",
                        json_string(strcmp(dtype, "F16") == 0    ? "float16"
                                    : strcmp(dtype, "BF16") == 0 ? "bfloat16"
                                                                 : "float32"));
    json_t *generation = json_pack("{s:i, s:i, s:i}", "bos_token_id", captioner ? 1 : 2, "eos_token_id", s->eos, "pad_token_id",
                                   captioner ? 2 : 1);
    bool ok = write_json(config, folder, "config.json", err) &&
              (language || write_json(preprocessor_json(s), folder, "preprocessor_config.json", err)) &&
              (!captioner || strcmp(s->captioner.family, "smolvlm") != 0 || write_processor(&s->captioner, folder, err));
    if (ok && (captioner || is(s, "blip2")))
        return write_json(generation, folder, "generation_config.json", err);
    json_decref(generation);
    return ok;
}

/* The files of a tokenizer that a folder has. */
static void copy_tokenizer_files(const char *from, const char *to)
{
    static const char *const names[] = {"vocab.json",
                                        "merges.txt",
                                        "vocab.txt",
                                        "tokenizer.json",
                                        "tokenizer_config.json",
                                        "special_tokens_map.json",
                                        "added_tokens.json",
                                        "tokenizer.model",
                                        "spiece.model",
                                        "chat_template.json",
                                        "chat_template.jinja"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *source = path_join(from, names[i]), *target = path_join(to, names[i]);
        if (weights_there(source))
            weights_copy(source, target);
        free(source);
        free(target);
    }
}

void shape_copy_tokenizer(const char *from, const char *to)
{
    copy_tokenizer_files(from, to);
    Error err = {0};
    char *source = path_join(from, "qformer_tokenizer"), *target = path_join(to, "qformer_tokenizer");
    bool there;
    if (!path_exists(source, &there, &err) || (there && !folder_make(target, &err)))
        weights_die(&err);
    if (there)
        copy_tokenizer_files(source, target);
    free(source);
    free(target);
}
