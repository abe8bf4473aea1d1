/* CLIP; see clip.h. */
#include "models/clip.h"

#include <stdlib.h>

#include "models/kind.h"
#include "models/open_clip.h"

#define POSITIONS "text_model.embeddings.position_embedding.weight"

static void bind_text_layer(Clip *c, Binder *b, size_t i)
{
    const ClipTextConfig *g = &c->config.text;
    Block *x = &c->blocks[i];
    char *name = xasprintf("text_model.encoder.layers.%zu", i);
    bind_norm(b, &x->norm1, g->hidden, g->eps, "%s.layer_norm1", name);
    bind_linear(b, &x->q, g->hidden, g->hidden, true, "%s.self_attn.q_proj", name);
    bind_linear(b, &x->k, g->hidden, g->hidden, true, "%s.self_attn.k_proj", name);
    bind_linear(b, &x->v, g->hidden, g->hidden, true, "%s.self_attn.v_proj", name);
    bind_linear(b, &x->out, g->hidden, g->hidden, true, "%s.self_attn.out_proj", name);
    bind_norm(b, &x->norm2, g->hidden, g->eps, "%s.layer_norm2", name);
    bind_linear(b, &x->fc1, g->mlp, g->hidden, true, "%s.mlp.fc1", name);
    bind_linear(b, &x->fc2, g->hidden, g->mlp, true, "%s.mlp.fc2", name);
    free(name);
}

static void bind_projections(Clip *c, Binder *b)
{
    const size_t p = c->config.projection, v = c->config.vision.hidden, d = c->config.text.hidden;
    bind_linear(b, &c->visual_projection, p, v, false, "visual_projection");
    bind_linear(b, &c->text_projection, p, d, false, "text_projection");
    bind_vector(b, &c->logit_scale, 1, 1, (Shape){.ndim = 0}, "logit_scale");
}

static void bind_text(Clip *c, Binder *b)
{
    const ClipTextConfig *g = &c->config.text;
    const size_t d = g->hidden;
    c->blocks = xcalloc(g->layers, sizeof c->blocks[0]);
    bind_matrix(b, &c->tokens, g->vocabulary, d, SHAPE(g->vocabulary, d), "text_model.embeddings.token_embedding.weight");
    bind_matrix(b, &c->positions, g->positions, d, SHAPE(g->positions, d), POSITIONS);
    for (size_t i = 0; i < g->layers; i++)
        bind_text_layer(c, b, i);
    bind_norm(b, &c->norm, d, g->eps, "text_model.final_layer_norm");
}

static void bind_all(Clip *c, Binder *b)
{
    vit_bind(&c->vit, b, &c->config.vision, VIT_CLIP, "vision_model");
    bind_text(c, b);
    bind_projections(c, b);
}

/* Takes the checkpoint; NULL: a layout without values. */
static Clip *new_over(const ClipConfig *config, Checkpoint *checkpoint, const Kernels *kernels)
{
    Clip *c = xcalloc(1, sizeof *c);
    *c = (Clip){.config = *config, .checkpoint = checkpoint};
    binder_init(&c->binder, kernels, checkpoint);
    return c;
}

Clip *clip_new(const ClipConfig *config, const Kernels *kernels)
{
    Clip *c = new_over(config, NULL, kernels);
    bind_all(c, &c->binder);
    return c;
}

/* The table of positions is as long as the checkpoint has it. */
static void take_positions(ClipConfig *config, const Checkpoint *checkpoint, const char *name)
{
    const StoredTensor *t = checkpoint_find(checkpoint, name);
    if (t && t->shape.ndim == 2 && t->shape.dim[0] > 0)
        config->text.positions = t->shape.dim[0];
}

Clip *clip_open(const char *folder, const Kernels *kernels, Error *err)
{
    ClipConfig config;
    if (!model_kind_check(folder, MODEL_CLIP, err))
        return NULL;
    Checkpoint *checkpoint = checkpoint_open(folder, err);
    if (!checkpoint)
        return NULL;
    const bool open_clip = open_clip_named(checkpoint);
    if (!(open_clip ? open_clip_config_read : clip_config_read)(&config, folder, err)) {
        checkpoint_free(checkpoint);
        return NULL;
    }
    take_positions(&config, checkpoint, open_clip ? open_clip_positions(checkpoint) : POSITIONS);
    Clip *c = new_over(&config, checkpoint, kernels);
    if (open_clip)
        open_clip_bind(c);
    else
        bind_all(c, &c->binder);
    if (binder_ok(&c->binder, err))
        return c;
    clip_free(c);
    return NULL;
}

void clip_free(Clip *c)
{
    if (!c)
        return;
    vit_release(&c->vit);
    free(c->blocks);
    binder_release(&c->binder);
    checkpoint_free(c->checkpoint);
    free(c);
}

Tensor *clip_images(Tape *t, const Clip *c, const float *pixels, size_t n)
{
    const Tensor *x = vit_blocks(t, &c->vit, pixels, n);
    RowRef *refs = xmalloc(n * sizeof *refs);
    for (size_t i = 0; i < n; i++)
        refs[i] = (RowRef){0, (uint32_t)(i * vit_rows(&c->vit))};
    const Tensor *class_rows = op_gather(t, &x, 1, refs, n);
    free(refs);
    return op_normalise(t, op_linear(t, vit_norm(t, &c->vit, class_rows), &c->visual_projection));
}

/* Which row of a text speaks for it. */
static size_t eot_row(const Clip *c, const ClipText *text)
{
    const int32_t eos = c->config.text.eos;
    size_t best = 0;
    for (size_t i = 0; i < text->n; i++) {
        if (eos != 2 && text->ids[i] == eos)
            return i;
        if (eos == 2 && text->ids[i] > text->ids[best])
            best = i;
    }
    return best;
}

Tensor *clip_texts(Tape *t, const Clip *c, const ClipText *texts, size_t n)
{
    size_t rows = 0;
    for (size_t i = 0; i < n; i++) {
        if (texts[i].n == 0 || texts[i].n > c->config.text.positions)
            bug("a text of %zu tokens, expected 1 to %zu", texts[i].n, c->config.text.positions);
        rows += texts[i].n;
    }
    Span *spans = tape_alloc(t, n * sizeof *spans);
    RowRef *eot = xmalloc(n * sizeof *eot);
    int32_t *ids = xmalloc(2 * rows * sizeof *ids), *positions = ids + rows;
    for (size_t i = 0, row = 0; i < n; row += texts[i++].n) {
        spans[i] = (Span){.q = row, .nq = texts[i].n, .k = row, .nk = texts[i].n};
        eot[i] = (RowRef){0, (uint32_t)(row + eot_row(c, &texts[i]))};
        for (size_t j = 0; j < texts[i].n; j++) {
            ids[row + j] = texts[i].ids[j];
            positions[row + j] = (int32_t)j;
        }
    }
    Tensor *x = op_add(t, op_embed(t, &c->tokens, ids, rows), op_embed(t, &c->positions, positions, rows));
    BlockPass pass = {
        .spans = spans, .n_spans = n, .heads = c->config.text.heads, .causal = true, .activation = c->config.text.activation};
    for (size_t i = 0; i < c->config.text.layers; i++)
        x = block_forward(t, &c->blocks[i], &pass, x);
    const Tensor *all = x;
    x = op_gather(t, &all, 1, eot, n);
    free(eot);
    free(ids);
    return op_normalise(t, op_linear(t, op_norm(t, x, &c->norm), &c->text_projection));
}
