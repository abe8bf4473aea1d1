/*
 * InstructBLIP (Dai et al. 2023, https://arxiv.org/abs/2305.06500) with Vicuna: BLIP-2's encoder and Q-Former, whose queries read
 * the request as well as the image, and a LLaMA.
 */
#include <stdlib.h>

#include "models/captioner.h"
#include "models/config_fields.h"
#include "models/families/blip2/blip2.h"

static bool read_config(Captioner *c, const char *folder, Error *err)
{
    Blip2 *b = c->own = xcalloc(1, sizeof *b);
    if (!instructblip_config_read(&b->config, folder, err))
        return false;
    c->images = (ImageInput){
        .side = b->config.vision.image, .mean = {0.48145466, 0.4578275, 0.40821073}, .std = {0.26862954, 0.26130258, 0.27577711}};
    c->eos = b->config.eos;
    c->image_token = b->config.image_token;
    c->most_request = b->config.qformer.positions;
    return config_pixels_file(&c->images, folder, err);
}

static void bind(Captioner *c)
{
    Blip2 *b = c->own;
    Blip2Config *config = &b->config;
    if (c->checkpoint)
        config->text.tied = checkpoint_find(c->checkpoint, "language_model.lm_head.weight") == NULL;
    vit_bind(&c->vit, &c->binder, &config->vision, VIT_EVA, "vision_model");
    qformer_bind(&b->qformer, &c->binder, &config->qformer, config->queries, QFORMER_TEXT_WITHIN);
    bind_linear(&c->binder, &b->projection, config->text.hidden, config->qformer.hidden, true, "language_projection");
    lm_bind(&c->lm, &c->binder, &config->text, "language_model.model", "language_model.lm_head");
    c->image_rows = config->queries;
}

static void release(Captioner *c)
{
    Blip2 *b = c->own;
    qformer_release(&b->qformer);
    free(b);
}

/* Each image's queries together with the request. */
static Tensor *rows(Tape *t, const Captioner *c, const Tensor *features, size_t n)
{
    const Blip2 *b = c->own;
    if (c->n_request == 0)
        bug("%s without a request", c->family->said);
    QformerMemory memory = qformer_memory(t, &b->qformer, vit_norm(t, &c->vit, features), n);
    MatcherText *texts = xmalloc(n * sizeof *texts);
    for (size_t i = 0; i < n; i++)
        texts[i] = (MatcherText){.image = i, .ids = c->request, .n = c->n_request};
    Tensor *x = qformer_pairs(t, &b->qformer, &memory, texts, n, NULL);
    free(texts);
    return op_linear(t, x, &b->projection);
}

static double reals(const Captioner *c, bool checkpointing)
{
    const Blip2 *b = c->own;
    return qformer_reals(&b->qformer, vit_rows(&c->vit), b->config.queries + c->n_request, checkpointing) +
           2 * (double)(c->n_prefix * c->lm.config.hidden);
}

/* The image's rows stand before BOS. */
static char *prompt(const Captioner *c, const char *request)
{
    char *images = captioner_images_text(c), *text = xasprintf("%s<s>%s", images, request);
    free(images);
    return text;
}

static const char *const architectures[] = {"InstructBlipForConditionalGeneration", NULL};
static const char *const vision_targets[] = {"qkv", "projection", "fc1", "fc2", NULL};
static const CaptionerPart parts[] = {
    {"query", "query_tokens"}, {"qformer", "qformer"}, {"projection", "language_projection"}, {NULL, NULL}};

const CaptionerFamily instructblip_family = {.architectures = architectures,
                                             .type = "instructblip",
                                             .said = "an InstructBLIP",
                                             .read = read_config,
                                             .bind = bind,
                                             .release = release,
                                             .prompt = prompt,
                                             .request = "Describe the image.",
                                             .reader = "qformer_tokenizer",
                                             .rows = rows,
                                             .reals = reals,
                                             .parts = parts,
                                             .vision = "vision_model",
                                             .language = "language_model",
                                             .vision_targets = vision_targets};
