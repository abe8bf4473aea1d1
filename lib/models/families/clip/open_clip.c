/* CLIP under the names of open_clip; see open_clip.h. */
#include "models/families/clip/open_clip.h"

#include <stdlib.h>

bool open_clip_named(const Checkpoint *c)
{
    return checkpoint_find(c, "visual.class_embedding") && checkpoint_find(c, "visual.conv1.weight");
}

/* "text." where the text tower is a module of its own, else "". */
static const char *text_prefix(const Checkpoint *c)
{
    return checkpoint_find(c, "text.token_embedding.weight") ? "text." : "";
}

const char *open_clip_positions(const Checkpoint *c)
{
    return *text_prefix(c) ? "text.positional_embedding" : "positional_embedding";
}

static void bind_layer(Binder *b, Block *x, size_t d, size_t mlp, double eps, const char *prefix, size_t i)
{
    char *name = xasprintf("%stransformer.resblocks.%zu", prefix, i), *in_proj = xasprintf("%s.attn.in_proj", name);
    bind_norm(b, &x->norm1, d, eps, "%s.ln_1", name);
    bind_in_proj(b, (Linear *const[]){&x->q, &x->k, &x->v}, 3, d, d, in_proj);
    bind_linear(b, &x->out, d, d, true, "%s.attn.out_proj", name);
    bind_norm(b, &x->norm2, d, eps, "%s.ln_2", name);
    bind_linear(b, &x->fc1, mlp, d, true, "%s.mlp.c_fc", name);
    bind_linear(b, &x->fc2, d, mlp, true, "%s.mlp.c_proj", name);
    free(in_proj);
    free(name);
}

static void bind_vision(Clip *c)
{
    const VisionConfig *g = &c->config.vision;
    const size_t d = g->hidden, p = g->patch, side = g->image / p, rows = side * side + 1;
    Binder *b = &c->base.binder;
    Vit *v = &c->vit;
    *v = (Vit){.config = *g, .flavour = VIT_CLIP, .patches = side * side};
    v->blocks = xcalloc(g->layers, sizeof v->blocks[0]);
    bind_matrix(b, &v->patch.weight, d, 3 * p * p, SHAPE(d, 3, p, p), "visual.conv1.weight");
    bind_vector(b, &v->class_row, 1, d, SHAPE(d), "visual.class_embedding");
    bind_matrix(b, &v->positions, rows, d, SHAPE(rows, d), "visual.positional_embedding");
    bind_norm(b, &v->before, d, g->eps, "visual.ln_pre");
    for (size_t i = 0; i < g->layers; i++)
        bind_layer(b, &v->blocks[i], d, g->mlp, g->eps, "visual.", i);
    bind_norm(b, &v->after, d, g->eps, "visual.ln_post");
    bind_transposed(b, &c->visual_projection, c->config.projection, d, "visual.proj");
}

static void bind_text(Clip *c)
{
    const TextTowerConfig *g = &c->config.text;
    const char *prefix = text_prefix(c->base.checkpoint);
    const size_t d = g->hidden;
    Binder *b = &c->base.binder;
    TextTower *m = &c->text;
    text_tower_init(m, g);
    bind_matrix(b, &m->tokens, g->vocabulary, d, SHAPE(g->vocabulary, d), "%stoken_embedding.weight", prefix);
    bind_matrix(b, &m->positions, g->positions, d, SHAPE(g->positions, d), "%spositional_embedding", prefix);
    for (size_t i = 0; i < g->layers; i++)
        bind_layer(b, &m->blocks[i], d, g->mlp, g->eps, prefix, i);
    bind_norm(b, &m->norm, d, g->eps, "%sln_final", prefix);
    bind_transposed(b, &c->text_projection, c->config.projection, d, *prefix ? "text.text_projection" : "text_projection");
    bind_vector(b, &c->logit_scale, 1, 1, (Shape){.ndim = 0}, "logit_scale");
}

void open_clip_bind(Clip *c)
{
    bind_vision(c);
    bind_text(c);
}
