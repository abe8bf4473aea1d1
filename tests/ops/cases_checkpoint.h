/* Cases of what is computed again in the backward pass. Included by cases.h, behind what they are built with. */
#ifndef TESTS_OPS_CASES_CHECKPOINT_H
#define TESTS_OPS_CASES_CHECKPOINT_H

/* A transformer block in small, twice over: what segments recompute, with an adapter that differs between the two. */

typedef struct Layer {
    World *w;
    size_t at; /* of its norm and linears */
} Layer;

static Tensor *layer_run(Tape *t, void *context, Tensor *x)
{
    const Layer *l = context;
    World *w = l->w;
    static const Span spans[] = {{0, 2, 0, 0, 0, 2}, {2, 3, 0, 0, 2, 3}};
    Tensor *h = op_norm(t, x, &w->norm[l->at]);
    h = op_linear(t, h, &w->linear[l->at]);
    h = op_attention(t, h, h, h, spans, 2, 2, true);
    return op_add(t, x, op_gelu_inplace(t, h));
}

static Tensor *checkpoint_two(Tape *t, World *w)
{
    static Layer layers[2];
    Tensor *x = leaf(w, 5, 4);
    for (size_t i = 0; i < 2; i++) {
        layers[i] = (Layer){w, i};
        Tensor *gamma = leaf(w, 1, 4), *beta = leaf(w, 1, 4), *a = leaf(w, 1, 4), *b = leaf(w, 4, 1);
        Tensor *weight = frozen(w, 4, 4, DTYPE_BF16), *bias = leaf(w, 1, 4);
        w->norm[i] = (Norm){*gamma, *beta, 1e-5};
        w->lora[i] = (Lora){*a, *b, 0.5};
        w->linear[i] = (Linear){.weight = *weight, .bias = *bias, .lora = {[ADAPTER_VALUE] = &w->lora[i]}};
    }
    for (size_t i = 0; i < 2; i++) {
        tape_adapter(t, i == 0 ? ADAPTER_VALUE : ADAPTER_NONE);
        x = tape_checkpoint(t, layer_run, &layers[i], x, x->rows);
    }
    tape_adapter(t, ADAPTER_NONE);
    return x;
}

/* A segment around a segment. */
static Tensor *layer_pair(Tape *t, void *context, Tensor *x)
{
    Layer *l = context;
    return tape_checkpoint(t, layer_run, &l[1], tape_checkpoint(t, layer_run, &l[0], x, x->rows), x->rows);
}

static Tensor *checkpoint_nested(Tape *t, World *w)
{
    static Layer layers[2];
    Tensor *x = leaf(w, 5, 4);
    for (size_t i = 0; i < 2; i++) {
        layers[i] = (Layer){w, i};
        Tensor *gamma = leaf(w, 1, 4), *beta = leaf(w, 1, 4), *weight = leaf(w, 4, 4);
        w->norm[i] = (Norm){*gamma, *beta, 1e-5};
        w->linear[i] = (Linear){.weight = *weight};
    }
    return tape_checkpoint(t, layer_pair, layers, x, x->rows);
}

/* A segment that gives some rows of what it was given. */
static Tensor *layer_of_some(Tape *t, void *context, Tensor *x)
{
    static const RowRef some[] = {{0, 4}, {0, 1}};
    const Tensor *y = layer_run(t, context, x);
    return op_gather(t, &y, 1, some, 2);
}

static Tensor *checkpoint_fewer(Tape *t, World *w)
{
    static Layer layer;
    Tensor *x = leaf(w, 5, 4), *gamma = leaf(w, 1, 4), *beta = leaf(w, 1, 4), *weight = leaf(w, 4, 4);
    layer = (Layer){w, 0};
    w->norm[0] = (Norm){*gamma, *beta, 1e-5};
    w->linear[0] = (Linear){.weight = *weight};
    return tape_checkpoint(t, layer_of_some, &layer, x, 2);
}

/* Two pre-norm blocks: each sum goes on in its residual's gradient, from the last block down to x. */
static Tensor *layer_sums(Tape *t, void *context, Tensor *x)
{
    const Layer *l = context;
    const World *w = l->w;
    Tensor *y = op_linear_add_inplace(t, x, op_gelu_inplace(t, op_norm(t, x, &w->norm[l->at])), &w->linear[2 * l->at]);
    Tensor *h = op_relu_inplace(t, op_linear(t, op_norm(t, y, &w->norm[l->at]), &w->linear[2 * l->at]));
    return op_linear_add_inplace(t, y, h, &w->linear[2 * l->at + 1]);
}

static Tensor *checkpoint_sums(Tape *t, World *w)
{
    static Layer layers[2];
    Tensor *x = leaf(w, 5, 4);
    for (size_t i = 0; i < 2; i++) {
        layers[i] = (Layer){w, i};
        Tensor *gamma = leaf(w, 1, 4), *beta = leaf(w, 1, 4), *up = leaf(w, 4, 4), *down = leaf(w, 4, 4);
        w->norm[i] = (Norm){*gamma, *beta, 1e-5};
        w->linear[2 * i] = (Linear){.weight = *up};
        w->linear[2 * i + 1] = (Linear){.weight = *down};
    }
    for (size_t i = 0; i < 2; i++)
        x = tape_checkpoint(t, layer_sums, &layers[i], x, x->rows);
    return x;
}

#endif
