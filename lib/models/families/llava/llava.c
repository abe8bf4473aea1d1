/*
 * LLaVA-1.5 (Liu et al. 2023, https://arxiv.org/abs/2310.03744): a CLIP encoder, of which an inner layer's rows are taken, two
 * linear layers with GELU between, and a LLaMA. JoyCaption (https://github.com/fpgaminer/joycaption) is the same with SigLIP's
 * encoder and Llama 3.1. Published tensors' names, and those that transformers 5 writes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/captioner.h"
#include "models/config_fields.h"
#include "models/language.h"

/* What stands around the image and the request. */
typedef enum LlavaChat { CHAT_VICUNA, CHAT_LLAMA3, CHAT_JOYCAPTION } LlavaChat;

typedef struct Llava {
    VisionConfig vision;
    LmConfig text;
    bool siglip;   /* the encoder is SigLIP's */
    size_t run;    /* blocks of the encoder that are run */
    bool all_rows; /* are read, the first too (vision_feature_select_strategy "full") */
    LlavaChat chat;
    Linear up, down; /* [text hidden, vision hidden], [text hidden, text hidden] */
} Llava;

/* ---- configuration ---- */

static void read_vision(VisionConfig *v, ConfigFields *f, bool siglip)
{
    *v = (VisionConfig){.hidden = config_size(f, "hidden_size", 768),
                        .layers = config_size(f, "num_hidden_layers", 12),
                        .heads = config_size(f, "num_attention_heads", 12),
                        .mlp = config_size(f, "intermediate_size", 3072),
                        .image = config_size(f, "image_size", 224),
                        .patch = config_size(f, "patch_size", siglip ? 16 : 32),
                        .eps = config_real(f, "layer_norm_eps", siglip ? 1e-6 : 1e-5),
                        .qkv_bias = true,
                        .activation = siglip ? ACTIVATION_GELU_TANH : ACTIVATION_QUICK_GELU};
    const char *activation = siglip ? "gelu_pytorch_tanh" : "quick_gelu";
    config_expect_text(f, "hidden_act", activation, activation);
    config_expect_multiple(f, "hidden_size", v->hidden, "num_attention_heads", v->heads);
    config_expect_patches(f, v->image, v->patch);
}

/* Whether the encoder is SigLIP's; else it is CLIP's. */
static bool read_kind(ConfigFields *f)
{
    const json_t *type = config_field(f, "model_type");
    const char *name = json_is_string(type) ? json_string_value(type) : type ? "" : "clip_vision_model";
    if (strcmp(name, "siglip_vision_model") == 0)
        return true;
    if (strcmp(name, "clip_vision_model") != 0)
        config_fail(f, "model_type", "\"clip_vision_model\" or \"siglip_vision_model\"");
    return false;
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
    l->siglip = read_kind(&vision);
    read_vision(&l->vision, &vision, l->siglip);
    c->image_token = config_id(&top, "image_token_index", config_id(&top, "image_token_id", 32000));
    const json_t *strategy = config_field(&top, "vision_feature_select_strategy");
    l->all_rows = json_is_string(strategy) && strcmp(json_string_value(strategy), "full") == 0;
    if (!l->all_rows)
        config_expect_text(&top, "vision_feature_select_strategy", "default", "default");
    config_expect_text(&top, "projector_hidden_act", "gelu", "gelu");
    config_expect_flag(&top, "multimodal_projector_bias", true, true);
    l->run = read_layer(&top, l->vision.layers);
    if (!top.ok || !vision.ok || !language_config(&l->text, config_fields(root, "text_config", err), "llama"))
        return false;
    l->text.tied = config_flag(&top, "tie_word_embeddings", false);
    return top.ok;
}

/* Of CLIP's images the shortest edge to the encoder's, then the centre; SigLIP's are squeezed to the square. */
static bool read_processor(Captioner *c, const char *folder, Error *err)
{
    json_t *root = NULL;
    const Llava *l = c->own;
    c->images.crop = c->images.low = !l->siglip;
    if (!config_file(&root, folder, "preprocessor_config.json", false, err))
        return false;
    ConfigFields f = {.first = root, .what = "preprocessor_config", .err = err, .ok = true};
    config_pixels(&f, c->images.side, c->images.mean, c->images.std);
    config_filter(&f, &c->images);
    config_expect_flag(&f, "do_center_crop", !l->siglip, !l->siglip);
    json_decref(root);
    return f.ok || error_prefix(err, "%s/preprocessor_config.json", folder);
}

/* Which of them a chat template is; nobody runs it. */
static LlavaChat chat_of(const char *template)
{
    if (!strstr(template, "<|start_header_id|>"))
        return CHAT_VICUNA;
    return strstr(template, "<|reserved_special_token_70|>") ? CHAT_JOYCAPTION : CHAT_LLAMA3;
}

/* The template in chat_template.json or tokenizer_config.json: a text, or a list of named ones; NULL where there is none. */
static const char *template_in(const json_t *root)
{
    const json_t *found = json_object_get(root, "chat_template");
    const char *name, *text = json_string_value(found);
    for (size_t i = 0; !text && i < json_array_size(found); i++) {
        name = json_string_value(json_object_get(json_array_get(found, i), "name"));
        if (name && strcmp(name, "default") == 0)
            text = json_string_value(json_object_get(json_array_get(found, i), "template"));
    }
    return text;
}

/* The chat template where a folder may have it; with none the chat is Vicuna's. */
static bool read_chat(LlavaChat *out, const char *folder, Error *err)
{
    bool there;
    size_t size;
    json_t *own = NULL, *tokenizer = NULL;
    char *path = path_join(folder, "chat_template.jinja"), *jinja = NULL;
    bool ok = path_exists(path, &there, err) && (!there || (jinja = file_read(path, &size, err)));
    ok = ok && config_file(&own, folder, "chat_template.json", false, err) && config_tokenizer(&tokenizer, folder, err);
    const char *template = jinja ? jinja : template_in(own);
    template = template ? template : template_in(tokenizer);
    *out = template ? chat_of(template) : CHAT_VICUNA;
    json_decref(own);
    json_decref(tokenizer);
    free(jinja);
    free(path);
    return ok;
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
    c->images = l->siglip ? (ImageInput){.side = l->vision.image, .mean = {0.5, 0.5, 0.5}, .std = {0.5, 0.5, 0.5}}
                          : (ImageInput){.side = l->vision.image,
                                         .mean = {0.48145466, 0.4578275, 0.40821073},
                                         .std = {0.26862954, 0.26130258, 0.27577711}};
    return ok && config_eos(&c->eos, folder, err) && read_processor(c, folder, err) && read_chat(&l->chat, folder, err);
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
    const bool higher = has(c, "vision_tower.embeddings.patch_embedding.weight");
    if (c->checkpoint)
        l->text.tied = !has(c, "language_model.lm_head.weight");
    c->encoder = higher ? "vision_tower" : "vision_tower.vision_model";
    vit_bind(&c->vit, &c->binder, &l->vision, l->siglip ? VIT_SIGLIP : VIT_CLIP, c->encoder);
    c->vit.config.layers = l->run; /* those behind are carried along */
    bind_linear(&c->binder, &l->up, d, l->vision.hidden, true, "multi_modal_projector.linear_1");
    bind_linear(&c->binder, &l->down, d, d, true, "multi_modal_projector.linear_2");
    lm_bind(&c->lm, &c->binder, &l->text, "language_model.model", "language_model.lm_head");
    c->image_rows = vit_rows(&c->vit) - !l->all_rows;
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

/* Llama 3's turns; JoyCaption's image stands between two marks, and its system's turn is the one that it was trained with. */
static char *prompt_llama3(const char *images, const char *request, bool joycaption)
{
    static const char before[] = "<|start_header_id|>user<|end_header_id|>\n\n";
    static const char behind[] = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n";
    if (!joycaption)
        return xasprintf("<|begin_of_text|>%s%s\n%s%s", before, images, request, behind);
    return xasprintf("<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
                     "Today Date: 26 July 2024\n\nYou are a helpful image captioner.<|eot_id|>%s<|reserved_special_token_70|>%s"
                     "<|reserved_special_token_71|>%s%s",
                     before, images, request, behind);
}

static char *prompt(const Captioner *c, const char *request)
{
    const Llava *l = c->own;
    char *images = captioner_images_text(c);
    char *text = l->chat == CHAT_VICUNA ? xasprintf("<s>USER: %s\n%s ASSISTANT:", images, request)
                                        : prompt_llama3(images, request, l->chat == CHAT_JOYCAPTION);
    free(images);
    return text;
}

static const char *const architectures[] = {"LlavaForConditionalGeneration", NULL};
static const char *const vision_targets[] = {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2", NULL};
static const CaptionerPart parts[] = {{"projection", "multi_modal_projector"}, {NULL, NULL}};

/* What transformers calls its modules since 4.52, and so PEFT, whatever tensors are called in files. */
static const AdapterName adapters[] = {{"language_model.model.", "model.language_model."},
                                       {"vision_tower.vision_model.", "model.vision_tower."},
                                       {"vision_tower.", "model.vision_tower."},
                                       {NULL, NULL}};

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
                                      .vision_targets = vision_targets,
                                      .adapters = adapters};
