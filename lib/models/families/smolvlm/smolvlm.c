/*
 * SmolVLM and SmolVLM2 (Marafioti et al. 2025, https://arxiv.org/abs/2504.05299): a SigLIP encoder, pixel shuffle and one linear
 * layer, SmolLM2. The first ones were published as Idefics3, which is the same network.
 *
 * An image is one tile, resized to the encoder's square, or cut as the processor cuts it with do_image_splitting: its longer edge
 * is made so many squares long, both edges are stretched to whole ones, and the squares' rows stand before the whole image's.
 */
#include <stdlib.h>
#include <string.h>

#include "models/captioner.h"
#include "models/config_fields.h"
#include "models/language.h"
#include "models/reals.h"

typedef struct Smolvlm {
    VisionConfig vision;
    LmConfig text;
    size_t scale, side; /* patches shuffled into one row: scale^2; of side^2 */
    Linear projection;  /* [text hidden, scale^2 * vision hidden] */
} Smolvlm;

/* ---- configuration ---- */

/*
 * Positions go through buckets of fractions in 32 bits (Idefics3VisionEmbeddings); with these sides every patch falls into its
 * own, which published models have (26, 27, 32).
 */
static bool positions_are_plain(size_t side)
{
    return side >= 1 && side <= 37 && side != 19 && side != 25 && side != 29 && side != 31;
}

static void read_vision(VisionConfig *v, ConfigFields *f)
{
    *v = (VisionConfig){.hidden = config_size(f, "hidden_size", 1152),
                        .layers = config_size(f, "num_hidden_layers", 12),
                        .heads = config_size(f, "num_attention_heads", 16),
                        .mlp = config_size(f, "intermediate_size", 3072),
                        .image = config_size(f, "image_size", 224),
                        .patch = config_size(f, "patch_size", 32),
                        .eps = config_real(f, "layer_norm_eps", 1e-6),
                        .qkv_bias = true,
                        .activation = ACTIVATION_GELU_TANH};
    config_expect_text(f, "hidden_act", "gelu_pytorch_tanh", "gelu_pytorch_tanh");
    config_expect_multiple(f, "hidden_size", v->hidden, "num_attention_heads", v->heads);
    if (f->ok && !positions_are_plain(v->image / v->patch))
        config_fail(f, "image_size", "a side whose patches have positions of their own (1 to 37 of them, not 19, 25, 29, 31)");
}

static bool read_networks(Captioner *c, const json_t *root, Error *err)
{
    Smolvlm *s = c->own;
    ConfigFields top = {.first = root, .what = "config", .err = err, .ok = true};
    ConfigFields vision = config_fields(root, "vision_config", err);
    s->scale = config_size(&top, "scale_factor", 2);
    c->image_token = config_id(&top, "image_token_id", 128257);
    read_vision(&s->vision, &vision);
    if (!top.ok || !vision.ok || !language_config(&s->text, config_fields(root, "text_config", err), "llama"))
        return false;
    s->side = s->vision.image / s->vision.patch;
    config_expect_multiple(&vision, "image_size / patch_size", s->side, "scale_factor", s->scale);
    s->text.tied = config_flag(&top, "tie_word_embeddings", false); /* text_config's own says nothing */
    return vision.ok && top.ok;
}

enum { LONGEST_MOST = 16384 }; /* four times what the published ones have: a picture of 3 bytes a pixel is made so large */

/* The longer edge that images have before they are squeezed to the square, four times the square's unless the folder says so. */
static bool read_processor(Captioner *c, const char *folder, Error *err)
{
    char *path = path_join(folder, "preprocessor_config.json");
    bool there, ok = path_exists(path, &there, err);
    c->images = (ImageInput){.side = c->images.side, .mean = {0.5, 0.5, 0.5}, .std = {0.5, 0.5, 0.5}, .filter = IMAGE_LANCZOS};
    c->images.longest = 4 * c->images.side;
    json_t *root = ok && there ? json_file_read(path, err) : NULL;
    ok = ok && (!there || root);
    if (root) {
        ConfigFields f = {.first = root, .what = "preprocessor_config", .err = err, .ok = true};
        ConfigFields size = config_fields(root, "size", err), square = config_fields(root, "max_image_size", err);
        c->images.longest = config_size(&size, "longest_edge", c->images.longest);
        c->images.cuts = config_flag(&f, "do_image_splitting", true);
        if (c->images.longest > LONGEST_MOST)
            config_fail(&size, "longest_edge", "at most 16384");
        if (config_size(&square, "longest_edge", c->images.side) != c->images.side)
            config_fail(&square, "longest_edge", "vision_config.image_size");
        config_pixels(&f, 0, c->images.mean, c->images.std);
        if (config_size(&f, "resample", 1) != 1)
            config_fail(&f, "resample", "1 (Lanczos)");
        ok = f.ok && size.ok && square.ok;
        json_decref(root);
    }
    if (!ok)
        error_prefix(err, "%s", path);
    free(path);
    return ok;
}

static bool read_config(Captioner *c, const char *folder, Error *err)
{
    char *path;
    Smolvlm *s = c->own = xcalloc(1, sizeof *s);
    json_t *root = config_json(folder, &path, err);
    bool ok = root && (read_networks(c, root, err) || error_prefix(err, "%s", path));
    json_decref(root);
    free(path);
    c->eos = s->text.eos;
    c->images.side = s->vision.image;
    return ok && config_eos(&c->eos, folder, err) && read_processor(c, folder, err);
}

/* ---- network ---- */

static void bind(Captioner *c)
{
    Smolvlm *s = c->own;
    const size_t square = s->scale * s->scale;
    if (c->checkpoint) /* whatever the file says of tying */
        s->text.tied = checkpoint_find(c->checkpoint, "lm_head.weight") == NULL;
    vit_bind(&c->vit, &c->binder, &s->vision, VIT_SIGLIP, "model.vision_model");
    bind_linear(&c->binder, &s->projection, s->text.hidden, square * s->vision.hidden, false,
                "model.connector.modality_projection.proj");
    lm_bind(&c->lm, &c->binder, &s->text, "model.text_model", "lm_head");
    c->image_rows = s->side * s->side / square;
}

static void release(Captioner *c)
{
    free(c->own);
}

/* Which patch of its image is the k-th of all once those of a square of scale x scale lie side by side, squares in order. */
static size_t shuffled(const Smolvlm *s, size_t k)
{
    const size_t scale = s->scale, across = s->side / scale, square = k / (scale * scale), within = k % (scale * scale);
    return (square / across * scale + within / scale) * s->side + square % across * scale + within % scale;
}

static Tensor *rows(Tape *t, const Captioner *c, const Tensor *features, size_t n)
{
    const Smolvlm *s = c->own;
    const size_t patches = s->side * s->side, square = s->scale * s->scale;
    RowRef *refs = xmalloc(n * patches * sizeof *refs);
    for (size_t i = 0; i < n * patches; i++)
        refs[i] = (RowRef){0, (uint32_t)(i / patches * patches + shuffled(s, i % patches))};
    const Tensor *normed = vit_norm(t, &c->vit, features);
    Tensor *x = op_gather(t, &normed, 1, refs, n * patches);
    free(refs);
    return op_linear(t, op_reshape(t, x, n * patches / square, square * x->cols), &s->projection);
}

/* The shuffled copy with its gradient, the connector's rows, and the prompt's. */
static double reals(const Captioner *c, bool checkpointing)
{
    (void)checkpointing;
    const Smolvlm *s = c->own;
    return 2 * ((double)(s->side * s->side * s->vision.hidden) + (double)((c->image_rows + c->n_prefix) * s->text.hidden));
}

/* The processor's text around an image of one tile, and the chat template's around that. */
static char *prompt(const Captioner *c, const char *request)
{
    char *images = captioner_images_text(c);
    char *text =
        xasprintf("<|im_start|>User:<fake_token_around_image><global-img>%s<fake_token_around_image>%s<end_of_utterance>\n"
                  "Assistant:",
                  images, request);
    free(images);
    return text;
}

/* The processor's text around the tiles of an image, row by row, and the whole of it. */
static char *tiles_text(const Captioner *c, TileGrid grid)
{
    char *images = captioner_images_text(c);
    const size_t each = strlen(images) + 64, room = (grid.rows * grid.cols + 1) * each + grid.rows + 64;
    char *text = xmalloc(room), *at = text, *end = text + room;
    for (uint32_t row = 1; row <= grid.rows; row++) {
        for (uint32_t col = 1; col <= grid.cols; col++)
            at += snprintf(at, (size_t)(end - at), "<fake_token_around_image><row_%u_col_%u>%s", row, col, images);
        at += snprintf(at, (size_t)(end - at), "\n");
    }
    snprintf(at, (size_t)(end - at), "\n<fake_token_around_image><global-img>%s<fake_token_around_image>", images);
    free(images);
    return text;
}

static char *prompt_cut(const Captioner *c, const char *request, TileGrid grid)
{
    char *tiles = tiles_text(c, grid);
    char *text = xasprintf("<|im_start|>User:%s%s<end_of_utterance>\nAssistant:", tiles, request);
    free(tiles);
    return text;
}

static const char *const architectures[] = {"SmolVLMForConditionalGeneration", "Idefics3ForConditionalGeneration", NULL};
static const char *const vision_targets[] = {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2", NULL};
static const CaptionerPart parts[] = {{"projection", "model.connector"}, {NULL, NULL}};

const CaptionerFamily smolvlm_family = {.architectures = architectures,
                                        .type = "smolvlm",
                                        .said = "a SmolVLM",
                                        .read = read_config,
                                        .bind = bind,
                                        .release = release,
                                        .prompt = prompt,
                                        .prompt_cut = prompt_cut,
                                        .most_across = 6, /* <row_6_col_6> is its tokenizer's last */
                                        .request = "Describe the image.",
                                        .rows = rows,
                                        .reals = reals,
                                        .parts = parts,
                                        .vision = "model.vision_model",
                                        .language = "model.text_model",
                                        .vision_targets = vision_targets};
