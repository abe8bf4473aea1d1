/* The pre-norm transformer block; see block.h. */
#include "models/block.h"

void block_bind(Block *x, Binder *b, size_t hidden, size_t mlp, double eps, const char *name)
{
    bind_norm(b, &x->norm1, hidden, eps, "%s.layer_norm1", name);
    bind_linear(b, &x->q, hidden, hidden, true, "%s.self_attn.q_proj", name);
    bind_linear(b, &x->k, hidden, hidden, true, "%s.self_attn.k_proj", name);
    bind_linear(b, &x->v, hidden, hidden, true, "%s.self_attn.v_proj", name);
    bind_linear(b, &x->out, hidden, hidden, true, "%s.self_attn.out_proj", name);
    bind_norm(b, &x->norm2, hidden, eps, "%s.layer_norm2", name);
    bind_linear(b, &x->fc1, mlp, hidden, true, "%s.mlp.fc1", name);
    bind_linear(b, &x->fc2, hidden, mlp, true, "%s.mlp.fc2", name);
}

Tensor *activate_inplace(Tape *t, Activation activation, Tensor *x)
{
    switch (activation) {
    case ACTIVATION_GELU:
        return op_gelu_inplace(t, x);
    case ACTIVATION_RELU:
        return op_relu_inplace(t, x);
    case ACTIVATION_QUICK_GELU:
        return op_quick_gelu_inplace(t, x);
    case ACTIVATION_GELU_TANH:
        return op_gelu_tanh_inplace(t, x);
    case ACTIVATION_SWIGLU:
        break;
    }
    bug("activation %d is not one of a single layer", activation);
}

/* What goes into fc2, of the normed rows x. */
static Tensor *feed(Tape *t, const Block *b, Activation activation, const Tensor *x)
{
    if (activation == ACTIVATION_SWIGLU) {
        Tensor *gate = op_linear(t, x, &b->gate);
        return op_swiglu_inplace(t, gate, op_linear(t, x, &b->fc1));
    }
    return activate_inplace(t, activation, op_linear(t, x, &b->fc1));
}

/* x + out(a), then the feed-forward half. a: [rows, d], the attention's result; mark: behind x, before what led to a. */
static Tensor *finish(Tape *t, const Block *b, const BlockPass *pass, Tensor *x, const Tensor *a, TapeMark mark)
{
    Tensor *y = op_linear_add_inplace(t, x, a, &b->out);
    if (y == x) /* the attention's half left nothing else that is wanted */
        tape_release(t, mark);
    return op_linear_add_inplace(t, y, feed(t, b, pass->activation, op_norm(t, y, &b->norm2)), &b->fc2);
}

Tensor *block_wanted(Tape *t, const BlockPass *pass, Tensor *x)
{
    return pass->wanted ? op_gather(t, (const Tensor *const[]){x}, 1, pass->wanted, pass->n_wanted) : x;
}

/* Queries of the wanted rows, keys and values of all, of the normed rows h; turned where positions are rotary. */
typedef struct Projected {
    Tensor *q, *k, *v;
} Projected;

static Projected project(Tape *t, const Block *b, const BlockPass *pass, Tensor *h)
{
    Projected p = {.q = op_linear(t, block_wanted(t, pass, h), &b->q), .k = op_linear(t, h, &b->k), .v = op_linear(t, h, &b->v)};
    if (pass->angles) {
        p.q = op_rotate_inplace(t, p.q, block_wanted(t, pass, pass->angles));
        p.k = op_rotate_inplace(t, p.k, pass->angles);
    }
    return p;
}

typedef struct BlockContext {
    const Block *block;
    BlockPass pass;
} BlockContext;

static Tensor *forward(Tape *t, void *context, Tensor *x)
{
    const BlockContext *c = context;
    const Block *b = c->block;
    Tensor *residual = block_wanted(t, &c->pass, x);
    TapeMark mark = tape_mark(t);
    Tensor *h = op_norm(t, x, &b->norm1);
    Projected p = project(t, b, &c->pass, h);
    Tensor *a = op_attention(t, p.q, p.k, p.v, c->pass.spans, c->pass.n_spans, c->pass.heads, c->pass.causal);
    return finish(t, b, &c->pass, residual, a, mark);
}

Tensor *block_forward(Tape *t, const Block *block, const BlockPass *pass, Tensor *x)
{
    BlockContext *c = tape_alloc(t, sizeof *c);
    *c = (BlockContext){block, *pass};
    return tape_checkpoint(t, forward, c, x, pass->wanted ? pass->n_wanted : x->rows);
}

typedef struct CachedContext {
    BlockContext plain;
    Tensor *cache_k, *cache_v;
    const size_t *at;
} CachedContext;

static Tensor *forward_cached(Tape *t, void *context, Tensor *x)
{
    const CachedContext *c = context;
    const Block *b = c->plain.block;
    const BlockPass *pass = &c->plain.pass;
    const Kernels *kernels = tape_kernels(t);
    Tensor *residual = block_wanted(t, pass, x);
    TapeMark mark = tape_mark(t);
    Tensor *h = op_norm(t, x, &b->norm1);
    Projected p = project(t, b, pass, h);
    kernels->scatter(c->cache_k->data, p.k->data, c->at, p.k->rows, p.k->cols);
    kernels->scatter(c->cache_v->data, p.v->data, c->at, p.v->rows, p.v->cols);
    Tensor *a = op_attention(t, p.q, c->cache_k, c->cache_v, pass->spans, pass->n_spans, pass->heads, true);
    return finish(t, b, pass, residual, a, mark);
}

Tensor *block_cached(Tape *t, const Block *block, const BlockPass *pass, Tensor *x, Tensor *cache_k, Tensor *cache_v,
                     const size_t *at)
{
    if (tape_recording(t))
        bug("decoding with a cache is not recorded");
    CachedContext c = {{block, *pass}, cache_k, cache_v, at};
    return tape_checkpoint(t, forward_cached, &c, x, pass->wanted ? pass->n_wanted : x->rows);
}
