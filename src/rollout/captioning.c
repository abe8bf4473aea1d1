/* A decoding batch; see captioning.h. */
#include "rollout/captioning.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/hash.h"
#include "stage/prompt.h"

enum { FAILED_MOST = 1024 }; /* frames that wait because they failed behind the batch's first */

static DType features_type(const Captioning *c)
{
    if (c->options.features_dtype > 0)
        return (DType)(c->options.features_dtype - 1);
    return c->captioner->vit.blocks[0].fc1.weight.type == DTYPE_F32 ? DTYPE_F32 : DTYPE_BF16;
}

static bool tokenizer_agrees(const Captioning *c, Error *err)
{
    TokenizerIds ids = tokenizer_ids(c->tokenizer);
    if ((size_t)tokenizer_size(c->tokenizer) > c->captioner->lm.config.vocabulary)
        return error_set_status(err, STATUS_MISMATCH, "%s: the tokenizer has %d ids, the model %zu rows", c->options.model,
                                tokenizer_size(c->tokenizer), c->captioner->lm.config.vocabulary);
    const bool opt = tokenizer_kind(c->tokenizer) == TOKENIZER_OPT;
    if (opt && ids.eos != c->captioner->eos)
        warn("%s: the model ends captions with id %d, the tokenizer's newline is %d", c->options.model, c->captioner->eos,
             ids.eos);
    if (!opt && !tokenizer_is_special(c->tokenizer, c->captioner->eos))
        warn("%s: the model ends captions with id %d, which its tokenizer has as an ordinary token", c->options.model,
             c->captioner->eos);
    if (c->captioner->images.tiles)
        warn("%s: an image is one tile here; its own processor would add crops of it", c->options.model);
    return true;
}

bool captioning_init(Captioning *c, const CaptioningOptions *options, const Kernels *kernels, Error *err)
{
    *c = (Captioning){.options = *options, .kernels = kernels};
    c->captioner = captioner_open(options->model, kernels, err);
    c->tokenizer = c->captioner ? tokenizer_open_language(options->model, err) : NULL;
    if (!c->tokenizer || !tokenizer_agrees(c, err) ||
        !prompt_set(c->captioner, options->model, c->tokenizer, options->prompt, err))
        return false;
    const size_t n_prefix = c->captioner->n_prefix, side = c->captioner->images.side;
    if (!lm_fits(&c->captioner->lm, n_prefix + 1, (size_t)options->generate.max_new_tokens))
        return error_set(err, "--max-new-tokens %lld: the model has %zu positions", (long long)options->generate.max_new_tokens,
                         c->captioner->lm.config.positions);
    c->options.generate.eos = c->captioner->eos;
    if (!options->plan) {
        c->base = digest_text(checkpoint_digest(c->captioner->checkpoint, NULL, 0));
        c->encoder = digest_text(captioner_encoder_digest(c->captioner));
    }
    c->preprocess = captioner_preprocess(c->captioner, options->crop);
    c->dtype = features_type(c);
    c->frames = xcalloc(options->most + FAILED_MOST, sizeof *c->frames);
    c->pixels = xcalloc(options->most * 3 * side * side, sizeof *c->pixels);
    c->tape = tape_new(kernels);
    tape_adapter(c->tape, ADAPTER_POLICY); /* the policy's own adapters, where it has any */
    c->decoder = decoder_new(kernels, &c->captioner->lm, &c->options.generate, n_prefix, options->most, options->n_return,
                             c->captioner->prompt, c->captioner->n_prompt);
    return true;
}

void captioning_release(Captioning *c)
{
    decoder_free(c->decoder);
    tape_free(c->tape);
    tokenizer_free(c->tokenizer);
    captioner_free(c->captioner);
    arena_release(&c->arena);
    free(c->frames);
    free(c->pixels);
    *c = (Captioning){0};
}

bool captioning_full(const Captioning *c)
{
    return (c->n > 0 && c->n_good == 0) || c->n_good == c->options.most || c->n == c->options.most + FAILED_MOST;
}

void captioning_add(Captioning *c, const Record *r)
{
    Error err = {0};
    const size_t side = c->captioner->images.side;
    GatheredFrame *frame = &c->frames[c->n++];
    void *copy = memcpy(arena_alloc(&c->arena, r->raw.size), r->raw.data, r->raw.size);
    if (!record_parse((Slice){copy, r->raw.size}, &frame->record, &c->arena, &err))
        bug("record %.*s cannot be parsed again: %s", (int)r->id.size, (const char *)r->id.data, err.text);
    bool ok = frame_pixels(c->pixels + c->n_good * 3 * side * side, &frame->record, &c->preprocess, &err);
    frame->why = ok ? NULL : arena_strndup(&c->arena, err.text, strlen(err.text));
    c->n_good += ok;
}

/* Features of the gathered frames; those that are attached are rounded first, so that later stages see what was used here. */
static Tensor *encode(Captioning *c, real **host)
{
    Tensor *x = captioner_features(c->tape, c->captioner, c->pixels, c->n_good);
    if (!c->options.features)
        return x;
    size_t values = tensor_size(x);
    *host = xmalloc(values * sizeof **host);
    c->kernels->download(*host, x->data, values * sizeof **host);
    if (c->dtype != DTYPE_REAL) {
        void *rounded = xmalloc(values * dtype_size(c->dtype));
        dtype_convert(c->dtype, rounded, DTYPE_REAL, *host, values);
        dtype_convert(DTYPE_REAL, *host, c->dtype, rounded, values);
        c->kernels->upload(x->data, *host, values * sizeof **host);
        free(rounded);
    }
    return x;
}

/* Whether caption k of a frame is the greedy one among sampled ones. */
static bool is_baseline(const Captioning *c, size_t k)
{
    return c->options.generate.greedy_last && k + 1 == c->options.n_return;
}

/* "id", or "id~k" where a frame has several captions; "id~greedy" of the one that they are compared with. */
static Slice caption_id(Captioning *c, Slice id, size_t k)
{
    if (c->options.n_return == 1)
        return id;
    char ending[24] = "~greedy", *text = arena_alloc(&c->arena, id.size + sizeof ending);
    if (!is_baseline(c, k))
        snprintf(ending, sizeof ending, "~%zu", k + 1);
    memcpy(text, id.data, id.size);
    memcpy(text + id.size, ending, strlen(ending));
    return (Slice){text, id.size + strlen(ending)};
}

static void sampler_pack(Packer *p, const GenerateOptions *o, bool greedy)
{
    pack_key(p, "sampler");
    pack_map_begin(p);
    pack_field_text(p, "mode", greedy ? "greedy" : o->sample ? "sample" : o->num_beams > 1 ? "beam" : "greedy");
    if (greedy) {
        pack_map_end(p);
        return;
    }
    if (o->sample) {
        pack_field_int(p, "top_k", o->top_k);
        pack_field_real(p, "temperature", o->temperature);
        pack_field_int(p, "seed", o->seed);
    } else if (o->num_beams > 1) {
        pack_field_int(p, "num_beams", o->num_beams);
    }
    pack_map_end(p);
}

/* What the captions of a frame have in common. */
static void group_pack(const Captioning *c, Packer *p, Slice frame, size_t k)
{
    if (c->options.n_return == 1)
        return;
    pack_field_text_n(p, "group", frame.data, frame.size);
    pack_field_int(p, "group_size", (int64_t)c->options.n_return);
    if (is_baseline(c, k))
        pack_field_bool(p, "baseline", true);
}

/* Caption k of a frame. */
static void caption_pack(Captioning *c, Packer *p, Slice frame, size_t k, const Generated *g, const CaptionSource *source)
{
    CaptionText text;
    tokenizer_caption(&text, &c->arena, c->tokenizer, g->ids, g->n);
    pack_reset(p);
    pack_map_begin(p);
    pack_field_text_n(p, "text", text.text.data, text.text.size);
    pack_key(p, "tokens");
    pack_array(p, g->n);
    for (size_t i = 0; i < g->n; i++)
        pack_int(p, g->ids[i]);
    pack_field_reals(p, "logp", g->logp, g->n);
    pack_field_bool(p, "eos", g->eos);
    pack_field_text(p, "policy", source->policy);
    if (source->step >= 0)
        pack_field_int(p, "step", source->step);
    sampler_pack(p, &c->options.generate, is_baseline(c, k));
    group_pack(c, p, frame, k);
    pack_map_end(p);
}

/* The captions of a frame, image i of those decoded. */
static void write_frame(Captioning *c, Filter *f, const Record *r, size_t i, const CaptionSource *source, const real *features)
{
    Packer caption = {0}, attached = {0};
    size_t rows = vit_rows(&c->captioner->vit), cols = c->captioner->vit.config.hidden;
    if (features)
        features_pack(&attached, c->encoder.text, c->dtype, features + i * rows * cols, rows, cols);
    for (size_t k = 0; k < c->options.n_return; k++) {
        Generated g = decoder_result(c->decoder, i, k);
        caption_pack(c, &caption, r->id, k, &g, source);
        Group groups[] = {{{"caption", 7}, {caption.data, caption.size}}, {{"features", 8}, {attached.data, attached.size}}};
        writer_record(f->out, caption_id(c, r->id, k), r, groups, features ? 2 : 1);
    }
    pack_release(&caption);
    pack_release(&attached);
}

/* Writes the frames gathered; returns the records written. */
static size_t write_frames(Captioning *c, Filter *f, const CaptionSource *source, const real *features)
{
    for (size_t i = 0, good = 0; i < c->n; i++) {
        const GatheredFrame *frame = &c->frames[i];
        if (frame->why)
            filter_failed(f, &frame->record, "%s", frame->why);
        else
            write_frame(c, f, &frame->record, good++, source, features);
    }
    return c->n - c->n_good + c->n_good * c->options.n_return;
}

/* The random key of each caption: its id's hash, the number of the caption mixed in. */
static uint64_t *caption_keys(Captioning *c)
{
    uint64_t *keys = arena_calloc(&c->arena, c->n_good * c->options.n_return, sizeof *keys);
    for (size_t i = 0, at = 0; i < c->n; i++)
        for (size_t k = 0; k < c->options.n_return && !c->frames[i].why; k++) {
            Slice id = caption_id(c, c->frames[i].record.id, k);
            keys[at++] = hash_id(id.data, id.size);
        }
    return keys;
}

/* Encodes and decodes the frames that have an image; returns the features to be attached, owned by the caller, or NULL. */
static real *caption_frames(Captioning *c, const CaptionSource *source)
{
    real *features = NULL;
    double start = seconds_now();
    Tensor *x = encode(c, &features);
    kernels_wait(c->kernels, x->data);
    double encoded = seconds_now();
    Tensor *prefix = captioner_prefix(c->tape, c->captioner, x, c->n_good);
    decoder_run(c->decoder, c->tape, prefix, c->n_good, caption_keys(c), source->step > 0 ? (uint32_t)source->step : 0);
    c->seconds_encode += encoded - start;
    c->seconds_decode += seconds_now() - encoded;
    return features;
}

size_t captioning_run(Captioning *c, Filter *f, const CaptionSource *source)
{
    real *features = c->n_good > 0 ? caption_frames(c, source) : NULL;
    size_t written = write_frames(c, f, source, features);
    free(features);
    tape_reset(c->tape);
    arena_reset(&c->arena);
    c->n = c->n_good = 0;
    return written;
}

void captioning_plan(Captioning *c, Plan *p, const Kernels *kernels)
{
    const GenerateOptions *o = &c->options.generate;
    const size_t n_prefix = c->captioner->n_prefix, side = c->captioner->images.side, most = c->options.most;
    real *features = NULL;
    uint64_t *keys = xcalloc(most * c->options.n_return, sizeof *keys);
    c->n_good = most;
    Tensor *x = encode(c, &features);
    double values = features ? (double)tensor_size(x) : 0;
    free(features);
    decoder_run(c->decoder, c->tape, captioner_prefix(c->tape, c->captioner, x, most), most, keys, 0);
    free(keys);
    plan_model(p, "model", c->captioner->checkpoint);
    plan_memory(p, "keys and values", (double)decoder_bytes(&c->captioner->lm, o, n_prefix, most, c->options.n_return));
    plan_memory(p, "images", (double)(most * 3 * side * side * sizeof *c->pixels));
    const size_t longest = c->captioner->images.longest; /* a picture as it is resized first, and half way there */
    plan_memory(p, "images", (double)(2 * 3 * longest * longest));
    plan_memory(p, "features", values * ((double)sizeof(real) + (double)dtype_size(c->dtype)));
    plan_activations(p, c->tape, kernels);
    plan_seconds(p, "seconds a caption", kernels, 1 / (double)(most * c->options.n_return));
    c->n_good = 0;
}

double captioning_tokens_per_second(const Captioning *c)
{
    double seconds = c->seconds_encode + c->seconds_decode;
    return seconds > 0 ? (double)decoder_tokens(c->decoder) / seconds : 0;
}

void captioning_report(const Captioning *c)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    note("%llu tokens, %.1f tokens/s; seconds: encode %.3f, decode %.3f; peak memory %.0f MiB, activations %.0f MiB",
         (unsigned long long)decoder_tokens(c->decoder), captioning_tokens_per_second(c), c->seconds_encode, c->seconds_decode,
         (double)usage.ru_maxrss / 1024, (double)tape_peak(c->tape) / 1048576);
}
