/*
 * LLaVA-1.5 (Liu et al. 2023, https://arxiv.org/abs/2310.03744): a CLIP encoder, of which an inner layer's rows are taken, two
 * linear layers with GELU between, and a LLaMA. Published tensors' names, and those that transformers 5 writes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/captioner.h"
#include "models/config_fields.h"
#include "models/language.h"

typedef struct Llava {
    VisionConfig vision;
    LmConfig text;
    size_t run;      /* blocks of the encoder that are run */
    bool class_row;  /* is read too (vision_feature_select_strategy "full") */
    Linear up, down; /* [text hidden, vision hidden], [text hidden, text hidden] */
} Llava;

/* ---- configuration ---- */

static void read_vision(VisionConfig *v, ConfigFields *f)
{
    *v = (VisionConfig){.hidden = config_size(f, "hidden_size", 768),
                        .layers = config_size(f, "num_hidden_layers", 12),
                        .heads = config_size(f, "num_attention_heads", 12),
                        .mlp = config_size(f, "intermediate_size", 3072),
                        .image = config_size(f, "image_size", 224),
                        .patch = config_size(f, "patch_size", 32),
                        .eps = config_real(f, "layer_norm_eps", 1e-5),
                        .qkv_bias = true,
                        .activation = ACTIVATION_QUICK_GELU};
    config_expect_text(f, "model_type", "clip_vision_model", "clip_vision_model");
    config_expect_text(f, "hidden_act", "quick_gelu", "quick_gelu");
    config_expect_multiple(f, "hidden_size", v->hidden, "num_attention_heads", v->heads);
    config_expect_multiple(f, "image_size", v->image, "patch_size", v->patch);
}

/* vision_feature_layer: an index among hidden states, of which there is one more than layers; from the end where negative. */
static size_t read_layer(ConfigFields *top, size_t layers)
{
    const json_t *v = config_field(top, "vision_feature_layer");
    const json_int_t layer = v ? json_integer_value(v) : -2, n = (json_int_t)layers, index = layer < 0 ? n + 1 + layer : layer;
    if ((!v || json_is_integer(v)) && index >= 1 && index <= n)
        return (size_t)index;
    config_fail(top, "vision_feature_layer", "one layer of the encoder, such as -2");
    return layers;
}

static bool read_networks(Captioner *c, const json_t *root, Error *err)
{
    Llava *l = c->own;
    ConfigFields top = {.first = root, .what = "config", .err = err, .ok = true};
    ConfigFields vision = config_fields(root, "vision_config", err);
    read_vision(&l->vision, &vision);
    c->image_token = config_id(&top, "image_token_index", config_id(&top, "image_token_id", 32000));
    const json_t *strategy = config_field(&top, "vision_feature_select_strategy");
    l->class_row = json_is_string(strategy) && strcmp(json_string_value(strategy), "full") == 0;
    if (!l->class_row)
        config_expect_text(&top, "vision_feature_select_strategy", "default", "default");
    config_expect_text(&top, "projector_hidden_act", "gelu", "gelu");
    config_expect_flag(&top, "multimodal_projector_bias", true, true);
    l->run = read_layer(&top, l->vision.layers);
    if (!top.ok || !vision.ok || !language_config(&l->text, config_fields(root, "text_config", err)))
        return false;
    l->text.tied = config_flag(&top, "tie_word_embeddings", false);
    return top.ok;
}

/* Shortest edge to the encoder's, bicubic, then the centre. */
static bool read_processor(Captioner *c, const char *folder, Error *err)
{
    json_t *root = NULL;
    c->images.crop = c->images.low = true;
    if (!config_file(&root, folder, "preprocessor_config.json", false, err))
        return false;
    ConfigFields f = {.first = root, .what = "preprocessor_config", .err = err, .ok = true};
    config_three(&f, "image_mean", -HUGE_VAL, c->images.mean);
    config_three(&f, "image_std", 0, c->images.std);
    if (config_size(&f, "resample", 3) != 3)
        config_fail(&f, "resample", "3 (bicubic)");
    config_expect_flag(&f, "do_center_crop", true, true);
    json_decref(root);
    return f.ok || error_prefix(err, "%s/preprocessor_config.json", folder);
}

static bool read_config(Captioner *c, const char *folder, Error *err)
{
    json_t *root = NULL;
    Llava *l = c->own = xcalloc(1, sizeof *l);
    if (!config_file(&root, folder, "config.json", true, err))
        return false;
    bool ok = read_networks(c, root, err) || error_prefix(err, "%s/config.json", folder);
    json_decref(root);
    c->eos = l->text.eos;
    c->images = (ImageInput){
        .side = l->vision.image, .mean = {0.48145466, 0.4578275, 0.40821073}, .std = {0.26862954, 0.26130258, 0.27577711}};
    return ok && config_eos(&c->eos, folder, err) && read_processor(c, folder, err);
}

/* ---- network ---- */

static bool has(const Captioner *c, const char *name)
{
    return c->checkpoint && checkpoint_find(c->checkpoint, name);
}

/* transformers 5 writes the encoder one level higher than what was published. */
static void bind(Captioner *c)
{
    Llava *l = c->own;
    const size_t d = l->text.hidden;
    const bool higher = has(c, "vision_tower.embeddings.class_embedding");
    if (c->checkpoint)
        l->text.tied = !has(c, "language_model.lm_head.weight");
    c->encoder = higher ? "vision_tower" : "vision_tower.vision_model";
    vit_bind(&c->vit, &c->binder, &l->vision, VIT_CLIP, c->encoder);
    c->vit.config.layers = l->run; /* those behind are carried along */
    bind_linear(&c->binder, &l->up, d, l->vision.hidden, true, "multi_modal_projector.linear_1");
    bind_linear(&c->binder, &l->down, d, d, true, "multi_modal_projector.linear_2");
    lm_bind(&c->lm, &c->binder, &l->text, "language_model.model", "language_model.lm_head");
    c->image_rows = c->vit.patches + l->class_row;
}

static void release(Captioner *c)
{
    free(c->own);
}

static Tensor *rows(Tape *t, const Captioner *c, const Tensor *features, size_t n)
{
    const Llava *l = c->own;
    const size_t all = vit_rows(&c->vit), kept = c->image_rows;
    RowRef *refs = xmalloc(n * kept * sizeof *refs);
    for (size_t i = 0; i < n * kept; i++)
        refs[i] = (RowRef){0, (uint32_t)(i / kept * all + (all - kept) + i % kept)};
    const Tensor *x = op_gather(t, &features, 1, refs, n * kept);
    free(refs);
    return op_linear(t, op_gelu_inplace(t, op_linear(t, x, &l->up)), &l->down);
}

/* The rows taken, twice what is between the linear layers, their result, and the prompt's rows; each with its gradient. */
static double reals(const Captioner *c, bool checkpointing)
{
    (void)checkpointing;
    const Llava *l = c->own;
    return 2 * (double)c->image_rows * (double)(l->vision.hidden + 3 * l->text.hidden) +
           2 * (double)(c->n_prefix * l->text.hidden);
}

static char *prompt(const Captioner *c, const char *request)
{
    char *images = captioner_images_text(c), *text = xasprintf("<s>USER: %s\n%s ASSISTANT:", images, request);
    free(images);
    return text;
}

static const char *const architectures[] = {"LlavaForConditionalGeneration", NULL};
static const char *const vision_targets[] = {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2", NULL};
static const CaptionerPart parts[] = {{"projection", "multi_modal_projector"}, {NULL, NULL}};

const CaptionerFamily llava_family = {.architectures = architectures,
                                      .type = "llava",
                                      .said = "a LLaVA",
                                      .read = read_config,
                                      .bind = bind,
                                      .release = release,
                                      .prompt = prompt,
                                      .request = "Describe the image.",
                                      .rows = rows,
                                      .reals = reals,
                                      .parts = parts,
                                      .vision = "vision_tower",
                                      .language = "language_model",
                                      .vision_targets = vision_targets};
