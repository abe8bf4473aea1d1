/* Which family a captioner is of, and what they have in common; see captioner.h. */
#include "models/captioner.h"

#include <stdlib.h>
#include <string.h>

#include "models/config.h"
#include "models/kind.h"

static const CaptionerFamily *const families[] = {&blip2_family, &smolvlm_family, &llava_family, &instructblip_family,
                                                  &blip_family};
enum { N_FAMILIES = sizeof families / sizeof *families };

const char *const captioner_part_names[] = {"query", "qformer", "projection", NULL};

/* ---- families ---- */

static bool has_architecture(const CaptionerFamily *family, const char *architecture)
{
    const char *const *a = family->architectures;
    while (*a && strcmp(*a, architecture) != 0)
        a++;
    return *a != NULL;
}

/* By the architecture; where none is named by the type; where neither is, BLIP-2, whose oldest files have neither. */
static const CaptionerFamily *family_find(const char *architecture, const char *type)
{
    for (size_t i = 0; i < N_FAMILIES; i++)
        if (architecture ? has_architecture(families[i], architecture) : !type || strcmp(families[i]->type, type) == 0)
            return families[i];
    return NULL;
}

const char *captioner_said(const char *architecture)
{
    const CaptionerFamily *family = family_find(architecture, NULL);
    return family ? family->said : NULL;
}

char *captioner_known(void)
{
    char *known = xstrdup("");
    for (size_t i = 0; i < N_FAMILIES; i++)
        for (const char *const *a = families[i]->architectures; *a; a++) {
            char *longer = xasprintf("%s%s%s", known, *known ? ", " : "", *a);
            free(known);
            known = longer;
        }
    return known;
}

const CaptionerFamily *captioner_family(const char *folder, Error *err)
{
    char *path;
    json_t *root = config_json(folder, &path, err);
    const char *architecture = json_string_value(json_array_get(json_object_get(root, "architectures"), 0));
    const char *type = json_string_value(json_object_get(root, "model_type"));
    const CaptionerFamily *family = root ? family_find(architecture, type) : NULL;
    if (root && !family) {
        char *known = captioner_known();
        const char *said = model_kind_said(architecture, type);
        error_set_status(err, STATUS_MISMATCH, "%s: found %s (%.64s), expected a captioner (%s)", path,
                         said ? said : "another kind of model", architecture ? architecture : type, known);
        free(known);
    }
    json_decref(root);
    free(path);
    return family;
}

/* ---- opening ---- */

/* Takes the checkpoint; NULL: a layout without values. */
static Captioner *new_over(const CaptionerFamily *family, const char *folder, Checkpoint *checkpoint, const Kernels *kernels,
                           Error *err)
{
    Captioner *c = xcalloc(1, sizeof *c);
    *c = (Captioner){.family = family, .checkpoint = checkpoint, .encoder = family->vision, .image_token = -1};
    binder_init(&c->binder, kernels, checkpoint);
    c->binder.adapters = family->adapters;
    bool ok = family->read(c, folder, err);
    if (ok)
        family->bind(c);
    if (ok && binder_ok(&c->binder, err))
        return c;
    captioner_free(c);
    return NULL;
}

Captioner *captioner_open(const char *folder, const Kernels *kernels, Error *err)
{
    const CaptionerFamily *family = captioner_family(folder, err);
    Checkpoint *checkpoint = family ? checkpoint_open(folder, err) : NULL;
    return checkpoint ? new_over(family, folder, checkpoint, kernels, err) : NULL;
}

Captioner *captioner_layout(const char *folder, const Kernels *kernels, Error *err)
{
    const CaptionerFamily *family = captioner_family(folder, err);
    return family ? new_over(family, folder, NULL, kernels, err) : NULL;
}

static void forget_cut(Captioner *c)
{
    for (size_t i = 0; i < c->n_cut; i++)
        free(c->cut[i].ids);
    free(c->cut);
    c->cut = NULL;
    c->n_cut = 0;
}

void captioner_free(Captioner *c)
{
    if (!c)
        return;
    if (c->own)
        c->family->release(c);
    vit_release(&c->vit);
    lm_release(&c->lm);
    binder_release(&c->binder);
    checkpoint_free(c->checkpoint);
    forget_cut(c);
    free(c->prompt);
    free(c->request);
    free(c);
}

/* ---- prompt ---- */

char *captioner_images_text(const Captioner *c)
{
    static const char one[] = "<image>";
    char *text = xcalloc(c->image_rows * strlen(one) + 1, 1);
    for (size_t i = 0; i < c->image_rows; i++)
        memcpy(text + i * strlen(one), one, strlen(one));
    return text;
}

/* Whether the prompt has the rows of so many images, those of one side by side, and other tokens behind. */
static bool check_images(const Captioner *c, const int32_t *ids, size_t n, size_t images, Error *err)
{
    size_t runs = 0, all = 0, wrong = 0;
    for (size_t i = 0, run; i < n; i += run + (run == 0)) {
        for (run = 0; i + run < n && ids[i + run] == c->image_token; run++)
            ;
        runs += run > 0;
        wrong += run > 0 && run != c->image_rows;
        all += run;
    }
    if (runs > images)
        return error_set_status(err, STATUS_MISMATCH, "the prompt has <image> in several places, expected %zu side by side",
                                c->image_rows);
    if (runs != images || wrong > 0 || ids[n - 1] == c->image_token)
        return error_set_status(err, STATUS_MISMATCH,
                                "the prompt has %zu of <image> (id %d) in %zu tokens, expected %zu, and other tokens behind", all,
                                c->image_token, n, c->image_rows * images);
    return true;
}

/* Whether a prompt without images leaves room for a caption. */
static bool check_words(const Captioner *c, size_t n, Error *err)
{
    return (n > 0 && n < c->lm.config.positions) ||
           error_set_status(err, STATUS_MISMATCH, "the prompt has %zu tokens, the model %zu positions", n,
                            c->lm.config.positions);
}

/* The same ids as the caller's own; NULL with err set. */
static int32_t *take_prompt(const Captioner *c, const int32_t *ids, size_t n, size_t images, Error *err)
{
    if (c->lm.config.memory > 0 ? !check_words(c, n, err) : !check_images(c, ids, n, images, err))
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= c->lm.config.vocabulary) {
            error_set_status(err, STATUS_MISMATCH, "the prompt has token %d, the model has %zu", ids[i], c->lm.config.vocabulary);
            return NULL;
        }
    return memcpy(xmalloc(n * sizeof *ids), ids, n * sizeof *ids);
}

/* The prompt's other tokens stand in the sequence by themselves. */
static void lead_with(Captioner *c)
{
    c->prompt[0] = c->begin;
    c->lm.lead = c->prompt;
    c->lm.n_lead = c->n_prompt - 1;
}

bool captioner_prompt(Captioner *c, const int32_t *ids, size_t n, Error *err)
{
    int32_t *own = take_prompt(c, ids, n, 1, err);
    if (!own)
        return false;
    const bool memory = c->lm.config.memory > 0;
    forget_cut(c);
    free(c->prompt);
    c->prompt = own;
    c->n_prompt = n;
    c->n_prefix = memory ? c->image_rows : n - 1;
    if (memory)
        lead_with(c);
    c->lm.config.bos = c->prompt[n - 1];
    return true;
}

/* ---- pictures that are cut ---- */

bool captioner_cut(Captioner *c, int64_t across, Error *err)
{
    const CaptionerFamily *f = c->family;
    c->images.across = across > 1 ? (size_t)across : 0;
    if (across <= 1 || (f->prompt_cut && (size_t)across <= f->most_across))
        return true;
    if (!f->prompt_cut)
        return error_set_status(err, STATUS_MISMATCH, "--tiles %lld: the model is %s, whose images are not cut",
                                (long long)across, f->said);
    return error_set_status(err, STATUS_MISMATCH, "--tiles %lld: %s has names for %zu tiles along an edge", (long long)across,
                            f->said, f->most_across);
}

size_t captioner_grids(const Captioner *c, TileGrid *out)
{
    const uint32_t across = (uint32_t)c->images.across;
    size_t n = 0;
    for (uint32_t i = across; i > 0; i--) {
        out[n++] = (TileGrid){i, across};
        if (i < across)
            out[n++] = (TileGrid){across, i};
    }
    return n;
}

static const CutPrompt *find_cut(const Captioner *c, TileGrid grid)
{
    for (size_t i = 0; i < c->n_cut; i++)
        if (tile_grid_same(c->cut[i].grid, grid))
            return &c->cut[i];
    return NULL;
}

bool captioner_cuts_so(const Captioner *c, TileGrid grid)
{
    return c->images.across == 0 ? grid.rows == 0 && grid.cols == 0 : find_cut(c, grid) != NULL;
}

bool captioner_prompt_cut(Captioner *c, TileGrid grid, const int32_t *ids, size_t n, Error *err)
{
    int32_t *own = take_prompt(c, ids, n, tile_grid_images(grid), err);
    if (own && ids[n - 1] != c->lm.config.bos)
        bug("prompts of one captioner end with tokens %d and %d", ids[n - 1], c->lm.config.bos);
    if (own) {
        c->cut = xrealloc(c->cut, c->n_cut + 1, sizeof *c->cut);
        c->cut[c->n_cut++] = (CutPrompt){grid, own, n};
    }
    return own != NULL;
}

const int32_t *captioner_prompt_ids(const Captioner *c, TileGrid grid, size_t *n)
{
    const CutPrompt *cut = find_cut(c, grid);
    if (grid.rows > 0 && !cut)
        bug("no prompt for %u x %u tiles", grid.rows, grid.cols);
    *n = cut ? cut->n : c->n_prompt;
    return cut ? cut->ids : c->prompt;
}

size_t captioner_prefix_rows(const Captioner *c, TileGrid grid)
{
    size_t n;
    if (grid.rows == 0)
        return c->n_prefix;
    captioner_prompt_ids(c, grid, &n);
    return n - 1;
}

/* ---- */

bool captioner_request(Captioner *c, const int32_t *ids, size_t n, Error *err)
{
    if (n == 0 || n > c->most_request)
        return error_set_status(err, STATUS_MISMATCH, "the request has %zu tokens, expected 1 to %zu", n, c->most_request);
    free(c->request);
    c->request = xmalloc(n * sizeof *c->request);
    memcpy(c->request, ids, n * sizeof *c->request);
    c->n_request = n;
    return true;
}

/* ---- forward ---- */

Tensor *captioner_features(Tape *t, const Captioner *c, const float *pixels, size_t n)
{
    return vit_blocks(t, &c->vit, pixels, n);
}

/* Rows of n images between those of the prompt's other tokens. */
static Tensor *between(Tape *t, const Captioner *c, const Tensor *images, size_t n)
{
    RowRef *refs = xmalloc(n * c->n_prefix * sizeof *refs);
    for (size_t i = 0, row = 0, seen = 0; i < n; i++)
        for (size_t j = 0; j < c->n_prefix; j++, row++)
            refs[row] = c->prompt[j] == c->image_token ? (RowRef){0, (uint32_t)seen++} : (RowRef){1, (uint32_t)j};
    const Tensor *words = op_embed(t, &c->lm.tokens, c->prompt, c->n_prefix);
    Tensor *x = op_gather(t, (const Tensor *const[]){images, words}, 2, refs, n * c->n_prefix);
    free(refs);
    return x;
}

Tensor *captioner_prefix(Tape *t, const Captioner *c, const Tensor *features, size_t n)
{
    if (c->n_prefix == 0)
        bug("%s without a prompt", c->family->said);
    Tensor *images = c->family->rows(t, c, features, n);
    return c->n_prefix == c->image_rows ? images : between(t, c, images, n);
}

/* Where the words of a prompt lie among those of all, which stand one behind the other in the order of c->cut. */
static size_t words_before(const Captioner *c, TileGrid grid)
{
    size_t rows = 0;
    for (size_t i = 0; i < c->n_cut && !tile_grid_same(c->cut[i].grid, grid); i++)
        rows += c->cut[i].n;
    return rows;
}

/* The words of all prompts of pictures that are cut. */
static Tensor *embed_prompts(Tape *t, const Captioner *c)
{
    const size_t all = words_before(c, (TileGrid){0, 0});
    int32_t *ids = xmalloc((all + 1) * sizeof *ids);
    for (size_t i = 0, at = 0; i < c->n_cut; at += c->cut[i++].n)
        memcpy(ids + at, c->cut[i].ids, c->cut[i].n * sizeof *ids);
    Tensor *words = op_embed(t, &c->lm.tokens, ids, all);
    free(ids);
    return words;
}

Tensor *captioner_prefixes(Tape *t, const Captioner *c, const Tensor *features, const TileGrid *grids, size_t n)
{
    if (c->images.across == 0)
        return captioner_prefix(t, c, features, n);
    size_t images = 0, rows = 0, row = 0, seen = 0, n_ids;
    for (size_t i = 0; i < n; i++) {
        images += tile_grid_images(grids[i]);
        rows += captioner_prefix_rows(c, grids[i]);
    }
    const Tensor *sources[] = {c->family->rows(t, c, features, images), embed_prompts(t, c)};
    RowRef *refs = xmalloc((rows + 1) * sizeof *refs);
    for (size_t i = 0; i < n; i++) {
        const int32_t *ids = captioner_prompt_ids(c, grids[i], &n_ids);
        const size_t words = words_before(c, grids[i]);
        for (size_t j = 0; j + 1 < n_ids; j++)
            refs[row++] = ids[j] == c->image_token ? (RowRef){0, (uint32_t)seen++} : (RowRef){1, (uint32_t)(words + j)};
    }
    Tensor *x = op_gather(t, sources, 2, refs, rows);
    free(refs);
    return x;
}

uint64_t captioner_encoder_digest(const Captioner *c)
{
    return vit_digest(c->checkpoint, c->encoder);
}
