/* Which family a captioner is of, and what they have in common; see captioner.h. */
#include "models/captioner.h"

#include <stdlib.h>
#include <string.h>

#include "models/config.h"
#include "models/kind.h"

static const CaptionerFamily *const families[] = {&blip2_family, &smolvlm_family, &llava_family, &instructblip_family};
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

bool captioner_prompt(Captioner *c, const int32_t *ids, size_t n, Error *err)
{
    size_t first = 0, images = 0;
    while (first < n && ids[first] != c->image_token)
        first++;
    while (first + images < n && ids[first + images] == c->image_token)
        images++;
    for (size_t i = first + images; i < n; i++)
        if (ids[i] == c->image_token)
            return error_set_status(err, STATUS_MISMATCH, "the prompt has <image> in several places, expected %zu side by side",
                                    c->image_rows);
    if (images != c->image_rows || first + images >= n)
        return error_set_status(err, STATUS_MISMATCH,
                                "the prompt has %zu of <image> (id %d) in %zu tokens, expected %zu, and other tokens behind",
                                images, c->image_token, n, c->image_rows);
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= c->lm.config.vocabulary)
            return error_set_status(err, STATUS_MISMATCH, "the prompt has token %d, the model has %zu", ids[i],
                                    c->lm.config.vocabulary);
    free(c->prompt);
    c->prompt = xmalloc(n * sizeof *c->prompt);
    memcpy(c->prompt, ids, n * sizeof *c->prompt);
    c->n_prompt = n;
    c->n_prefix = n - 1;
    c->lm.config.bos = ids[n - 1];
    return true;
}

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

uint64_t captioner_encoder_digest(const Captioner *c)
{
    return vit_digest(c->checkpoint, c->encoder);
}
