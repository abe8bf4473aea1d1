/* Vision transformers; see vit.h. */
#include "models/vit.h"

#include <stdlib.h>

#include "base/pool.h"

/* EVA's block: q, k and v in one matrix. */
static void bind_fused_block(Block *x, Binder *b, const VisionConfig *c, const char *name)
{
    bind_norm(b, &x->norm1, c->hidden, c->eps, "%s.layer_norm1", name);
    bind_fused(b, (Linear *const[]){&x->q, &x->k, &x->v}, 3, c->hidden, c->hidden, c->qkv_bias, "%s.self_attn.qkv", name);
    bind_linear(b, &x->out, c->hidden, c->hidden, true, "%s.self_attn.projection", name);
    bind_norm(b, &x->norm2, c->hidden, c->eps, "%s.layer_norm2", name);
    bind_linear(b, &x->fc1, c->mlp, c->hidden, true, "%s.mlp.fc1", name);
    bind_linear(b, &x->fc2, c->hidden, c->mlp, true, "%s.mlp.fc2", name);
}

static void bind_block(Vit *v, Binder *b, size_t i, const char *prefix)
{
    const VisionConfig *c = &v->config;
    char *name = xasprintf("%s.encoder.layers.%zu", prefix, i);
    if (v->flavour == VIT_EVA)
        bind_fused_block(&v->blocks[i], b, c, name);
    else
        block_bind(&v->blocks[i], b, c->hidden, c->mlp, c->eps, name);
    free(name);
}

static bool has_class(const Vit *v)
{
    return v->flavour != VIT_SIGLIP;
}

static void bind_embeddings(Vit *v, Binder *b, const char *prefix)
{
    const size_t d = v->config.hidden, p = v->config.patch, rows = vit_rows(v);
    bool eva = v->flavour == VIT_EVA;
    v->patch = (Linear){0};
    bind_matrix(b, &v->patch.weight, d, 3 * p * p, SHAPE(d, 3, p, p), "%s.embeddings.patch_embedding.weight", prefix);
    if (v->flavour != VIT_CLIP)
        bind_vector(b, &v->patch.bias, 1, d, SHAPE(d), "%s.embeddings.patch_embedding.bias", prefix);
    if (has_class(v))
        bind_vector(b, &v->class_row, 1, d, eva ? SHAPE(1, 1, d) : SHAPE(d), "%s.embeddings.class_embedding", prefix);
    if (eva)
        bind_matrix(b, &v->positions, rows, d, SHAPE(1, rows, d), "%s.embeddings.position_embedding", prefix);
    else
        bind_matrix(b, &v->positions, rows, d, SHAPE(rows, d), "%s.embeddings.position_embedding.weight", prefix);
}

void vit_bind(Vit *v, Binder *b, const VisionConfig *config, VitFlavour flavour, const char *prefix)
{
    size_t side = config->image / config->patch;
    *v = (Vit){.config = *config, .flavour = flavour, .patches = side * side};
    v->blocks = xcalloc(config->layers, sizeof v->blocks[0]);
    bind_embeddings(v, b, prefix);
    if (flavour == VIT_CLIP)
        bind_norm(b, &v->before, config->hidden, config->eps, "%s.pre_layrnorm", prefix);
    for (size_t i = 0; i < config->layers; i++)
        bind_block(v, b, i, prefix);
    bind_norm(b, &v->after, config->hidden, config->eps, "%s.post_layernorm", prefix);
}

void vit_release(Vit *v)
{
    free(v->blocks);
    v->blocks = NULL;
}

size_t vit_rows(const Vit *v)
{
    return v->patches + has_class(v);
}

/* ---- forward ---- */

typedef struct PatchWork {
    const Vit *v;
    const float *pixels;
    real *out;
} PatchWork;

/* One image's patches as rows [patches, 3 * patch * patch], channel-major within a row: the convolution as a product. */
static void cut_patches(void *context, size_t image)
{
    const PatchWork *w = context;
    const size_t s = w->v->config.image, p = w->v->config.patch, side = s / p;
    const float *in = w->pixels + image * 3 * s * s;
    real *out = w->out + image * side * side * 3 * p * p;
    for (size_t py = 0; py < side; py++)
        for (size_t px = 0; px < side; px++)
            for (size_t c = 0; c < 3; c++)
                for (size_t y = 0; y < p; y++)
                    for (size_t x = 0; x < p; x++)
                        *out++ = (real)in[(c * s + py * p + y) * s + px * p + x];
}

/* [n * patches, hidden] */
static Tensor *embed_patches(Tape *t, const Vit *v, const float *pixels, size_t n)
{
    const size_t rows = n * v->patches, cols = v->patch.weight.cols;
    PatchWork work = {v, pixels, xmalloc(rows * cols * sizeof(real))};
    pool_run(cut_patches, &work, n);
    Tensor *patches = tape_input(t, rows, cols, work.out, false);
    free(work.out);
    return op_linear(t, patches, &v->patch);
}

/* [class; patches] of each image: [n * (patches + 1), hidden]. */
static Tensor *put_class_rows(Tape *t, const Vit *v, const Tensor *patches, size_t n)
{
    const size_t rows = v->patches + 1;
    const Tensor *sources[] = {&v->class_row, patches};
    RowRef *refs = xmalloc(n * rows * sizeof *refs);
    for (size_t i = 0; i < n * rows; i++) {
        size_t image = i / rows, row = i % rows;
        refs[i] = row == 0 ? (RowRef){0, 0} : (RowRef){1, (uint32_t)(image * v->patches + row - 1)};
    }
    Tensor *x = op_gather(t, sources, 2, refs, n * rows);
    free(refs);
    return x;
}

/* Patches, the class row if there is one, and positions: [n * vit_rows, hidden]. No norm yet. */
static Tensor *embed_images(Tape *t, const Vit *v, const float *pixels, size_t n)
{
    const size_t rows = vit_rows(v);
    Tensor *x = embed_patches(t, v, pixels, n);
    if (has_class(v))
        x = put_class_rows(t, v, x, n);
    int32_t *positions = xmalloc(n * rows * sizeof *positions);
    for (size_t i = 0; i < n * rows; i++)
        positions[i] = (int32_t)(i % rows);
    x = op_add(t, x, op_embed(t, &v->positions, positions, n * rows));
    free(positions);
    return x;
}

/* The same; not recorded, what led to it is freed. */
static Tensor *embed(Tape *t, const Vit *v, const float *pixels, size_t n)
{
    if (tape_recording(t))
        return embed_images(t, v, pixels, n);
    Tensor *x = tape_tensor(t, n * vit_rows(v), v->config.hidden, false);
    TapeMark mark = tape_mark(t);
    tape_kernels(t)->copy(x->data, embed_images(t, v, pixels, n)->data, tensor_size(x) * sizeof(real));
    tape_release(t, mark);
    return x;
}

Tensor *vit_blocks(Tape *t, const Vit *v, const float *pixels, size_t n)
{
    const size_t rows = vit_rows(v);
    Tensor *x = embed(t, v, pixels, n);
    if (v->flavour == VIT_CLIP)
        x = op_norm(t, x, &v->before);
    Span *spans = tape_alloc(t, n * sizeof *spans);
    for (size_t i = 0; i < n; i++)
        spans[i] = (Span){.q = i * rows, .nq = rows, .k = i * rows, .nk = rows};
    BlockPass pass = {.spans = spans, .n_spans = n, .heads = v->config.heads, .activation = v->config.activation};
    for (size_t i = 0; i < v->config.layers; i++)
        x = block_forward(t, &v->blocks[i], &pass, x);
    return x;
}

Tensor *vit_norm(Tape *t, const Vit *v, const Tensor *x)
{
    return op_norm(t, x, &v->after);
}

uint64_t vit_digest(const Checkpoint *c, const char *prefix)
{
    char *embeddings = xasprintf("%s.embeddings.", prefix), *encoder = xasprintf("%s.encoder.", prefix);
    uint64_t digest = checkpoint_digest(c, (const char *const[]){embeddings, encoder}, 2);
    free(embeddings);
    free(encoder);
    return digest;
}
