/*
 * The captioner; see blip2.h. Accepted: tied or duplicate lm_head, 50272 or 50304 rows, with or without image_token_index.
 */
#include "models/families/blip2/blip2.h"

#include <stdlib.h>
#include <string.h>

#include "models/config_fields.h"

#define BOS 2 /* `</s>`, which OPT puts before every text */

static bool read_config(Captioner *c, const char *folder, Error *err)
{
    static const ImageInput input = {.mean = {0.48145466, 0.4578275, 0.40821073}, .std = {0.26862954, 0.26130258, 0.27577711}};
    Blip2 *b = c->own = xcalloc(1, sizeof *b);
    if (!blip2_config_read(&b->config, folder, err))
        return false;
    b->config.text.bos = BOS;
    c->images = input;
    c->images.side = b->config.vision.image;
    c->eos = b->config.eos;
    c->image_token = b->config.image_token;
    return config_pixels_file(&c->images, folder, err);
}

/* What generate() takes to stand before the caption: since transformers 4.47 the <image> ids and BOS, before that nothing. */
static void set_prompt(Captioner *c, size_t queries)
{
    c->image_rows = c->n_prefix = queries;
    if (c->image_token < 0)
        return;
    c->n_prompt = queries + 1;
    c->prompt = xmalloc(c->n_prompt * sizeof *c->prompt);
    for (size_t i = 0; i < queries; i++)
        c->prompt[i] = c->image_token;
    c->prompt[queries] = BOS;
}

static void bind(Captioner *c)
{
    Blip2 *b = c->own;
    const Blip2Config *config = &b->config;
    vit_bind(&c->vit, &c->binder, &config->vision, VIT_EVA, "vision_model");
    qformer_bind(&b->qformer, &c->binder, &config->qformer, config->queries, QFORMER_NO_TEXT);
    bind_linear(&c->binder, &b->projection, config->text.hidden, config->qformer.hidden, true, "language_projection");
    lm_bind(&c->lm, &c->binder, &config->text, "language_model.model.decoder", NULL);
    set_prompt(c, config->queries);
}

static void release(Captioner *c)
{
    Blip2 *b = c->own;
    qformer_release(&b->qformer);
    free(b);
}

static Tensor *rows(Tape *t, const Captioner *c, const Tensor *features, size_t n)
{
    const Blip2 *b = c->own;
    QformerMemory memory = qformer_memory(t, &b->qformer, vit_norm(t, &c->vit, features), n);
    return op_linear(t, qformer_queries(t, &b->qformer, &memory), &b->projection);
}

static double reals(const Captioner *c, bool checkpointing)
{
    const Blip2 *b = c->own;
    return qformer_reals(&b->qformer, vit_rows(&c->vit), b->config.queries, checkpointing);
}

static const char *const architectures[] = {"Blip2ForConditionalGeneration", NULL};
static const char *const vision_targets[] = {"qkv", "projection", "fc1", "fc2", NULL};
static const CaptionerPart parts[] = {
    {"query", "query_tokens"}, {"qformer", "qformer"}, {"projection", "language_projection"}, {NULL, NULL}};

const CaptionerFamily blip2_family = {.architectures = architectures,
                                      .type = "blip-2",
                                      .said = "a BLIP-2 captioner",
                                      .read = read_config,
                                      .bind = bind,
                                      .release = release,
                                      .rows = rows,
                                      .reals = reals,
                                      .parts = parts,
                                      .vision = "vision_model",
                                      .language = "language_model",
                                      .vision_targets = vision_targets};
