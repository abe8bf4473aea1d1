/*
 * BLIP's captioner, BlipForConditionalGeneration (Li et al. 2022, https://arxiv.org/abs/2201.12086): an encoder as EVA's, and a
 * text decoder (blip_lm.c) whose every layer attends to its rows. What it reads of an image are keys and values of all layers,
 * made once for all tokens and captions; the layers that make them are the part that is trained. models.md section 4.7.
 */
#include <stdlib.h>

#include "models/captioner.h"
#include "models/families/blip/blip_config.h"
#include "models/language.h"

typedef struct Blip {
    VisionConfig vision;
    LmConfig text;
} Blip;

static bool read_networks(Blip *m, const json_t *root, Error *err)
{
    ConfigFields vision = config_fields(root, "vision_config", err), text = config_fields(root, "text_config", err);
    blip_config_vision(&m->vision, &vision, &text);
    if (!vision.ok || !text.ok || !language_config(&m->text, text, "blip_text_model"))
        return false;
    if (m->text.memory == 0)
        config_fail(&text, "model_type", "\"blip_text_model\"");
    m->text.memory = m->vision.hidden; /* also where text_config leaves it out */
    return text.ok;
}

/* generation_config.json is not read: its eos_token_id is another than what ends a caption, and transformers passes it by too. */
static bool read_config(Captioner *c, const char *folder, Error *err)
{
    json_t *root = NULL;
    Blip *m = c->own = xcalloc(1, sizeof *m);
    bool ok = config_file(&root, folder, "config.json", true, err) &&
              (read_networks(m, root, err) || error_prefix(err, "%s/config.json", folder));
    json_decref(root);
    c->begin = m->text.bos;
    c->eos = m->text.eos;
    c->images = (ImageInput){
        .side = m->vision.image, .mean = {0.48145466, 0.4578275, 0.40821073}, .std = {0.26862954, 0.26130258, 0.27577711}};
    return ok && config_pixels_file(&c->images, folder, err);
}

static void bind(Captioner *c)
{
    Blip *m = c->own;
    vit_bind(&c->vit, &c->binder, &m->vision, VIT_EVA, "vision_model");
    lm_bind(&c->lm, &c->binder, &m->text, "text_decoder.bert", "");
    c->lm.memory_rows = vit_rows(&c->vit);
    c->image_rows = 2 * m->text.layers * c->lm.memory_rows;
}

static void release(Captioner *c)
{
    free(c->own);
}

static Tensor *rows(Tape *t, const Captioner *c, const Tensor *features, size_t n)
{
    (void)n;
    return lm_memory(t, &c->lm, vit_norm(t, &c->vit, features));
}

/* The normed rows, and keys and values with their gradient. */
static double reals(const Captioner *c, bool checkpointing)
{
    (void)checkpointing;
    return (double)(c->lm.memory_rows * c->vit.config.hidden) + 2 * (double)(c->image_rows * c->lm.config.hidden);
}

/* [CLS] becomes [DEC], which the tokenizer does not have (captioner_prompt). */
static char *prompt(const Captioner *c, const char *request)
{
    (void)c;
    return xasprintf("[CLS]%s", request);
}

static const char *const architectures[] = {"BlipForConditionalGeneration", NULL};
static const char *const vision_targets[] = {"qkv", "projection", "fc1", "fc2", NULL};
static const CaptionerPart parts[] = {{"projection", "text_decoder.bert.encoder.layer.*.crossattention.self.key"},
                                      {"projection", "text_decoder.bert.encoder.layer.*.crossattention.self.value"},
                                      {NULL, NULL}};

const CaptionerFamily blip_family = {.architectures = architectures,
                                     .type = "blip",
                                     .said = "a BLIP captioner",
                                     .read = read_config,
                                     .bind = bind,
                                     .release = release,
                                     .prompt = prompt,
                                     .request = "a picture of",
                                     .wordpieces = true,
                                     .rows = rows,
                                     .reals = reals,
                                     .parts = parts,
                                     .vision = "vision_model",
                                     .language = "text_decoder.bert",
                                     .vision_targets = vision_targets};
