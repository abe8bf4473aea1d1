/* The value head; see value_head.h. */
#include "learn/value_head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/options/options.h"
#include "learn/draw.h"

#define GROUP "value-head"

typedef enum HeadKind { HEAD_RESIDUAL, HEAD_LINEAR, HEAD_MLP } HeadKind;

typedef struct HeadBlock {
    Norm norm;
    Linear up, down;
} HeadBlock;

typedef struct HeadShape {
    HeadKind kind;
    size_t n, width; /* blocks or layers, and their width in units of d */
} HeadShape;

struct ValueHead {
    HeadShape shape;
    HeadBlock *blocks; /* owned, residual: n of them; mlp: `up` alone is used */
    Linear hidden, out;
};

/* ---- the specification ---- */

/* "name=value,name=value" after the colon; the names are `count` and "width". */
static bool parse_numbers(HeadShape *s, const char *text, const char *count, Error *err)
{
    while (*text) {
        size_t length = strcspn(text, ",");
        char *pair = xstrndup(text, length), *equals = strchr(pair, '=');
        int64_t value = 0;
        bool ok = equals != NULL;
        if (ok) {
            *equals = '\0';
            size_t *field = strcmp(pair, count) == 0 ? &s->n : strcmp(pair, "width") == 0 ? &s->width : NULL;
            ok = field && parse_int(equals + 1, 1, 1000, &value);
            if (ok)
                *field = (size_t)value;
        }
        free(pair);
        if (!ok)
            return error_set_status(err, STATUS_USAGE,
                                    "value head: cannot read \"%.*s\", expected %s=N or width=N, N from 1 to 1000", (int)length,
                                    text, count);
        text += length + (text[length] == ',');
    }
    return true;
}

static bool parse_shape(HeadShape *s, const char *text, Error *err)
{
    static const struct {
        const char *name, *count;
        HeadShape shape;
    } kinds[] = {{"residual", "blocks", {HEAD_RESIDUAL, 5, 4}},
                 {"linear", NULL, {HEAD_LINEAR, 0, 1}},
                 {"mlp", "layers", {HEAD_MLP, 2, 6}}};
    size_t length = strcspn(text, ":");
    for (size_t i = 0; i < 3; i++) {
        if (strlen(kinds[i].name) != length || strncmp(text, kinds[i].name, length) != 0)
            continue;
        *s = kinds[i].shape;
        if (text[length] == '\0')
            return true;
        if (kinds[i].count)
            return parse_numbers(s, text + length + 1, kinds[i].count, err);
    }
    return error_set_status(err, STATUS_USAGE,
                            "value head \"%s\": expected residual[:blocks=N,width=N], linear or mlp[:layers=N,width=N]", text);
}

/* ---- parameters ---- */

typedef struct HeadMaker {
    Parameters *p;
    uint64_t seed;
} HeadMaker;

static Parameter *add(const HeadMaker *m, Shape shape, size_t rows, size_t cols, const char *name, const char *suffix)
{
    char *full = xasprintf("value_head.%s%s", name, suffix);
    Parameter *item = parameters_add(m->p, GROUP, full, shape, rows, cols);
    free(full);
    return item;
}

/* torch's default for Linear is uniform in +-1/sqrt(in) for weight and bias; zero leaves both at 0. */
static void make_linear(const HeadMaker *m, Linear *layer, size_t out, size_t in, bool zero, const char *name)
{
    Parameter *w = add(m, SHAPE(out, in), out, in, name, ".weight"), *b = add(m, SHAPE(out), 1, out, name, ".bias");
    if (!zero) {
        draw_uniform(m->p, w, 1 / sqrt((double)in), m->seed);
        draw_uniform(m->p, b, 1 / sqrt((double)in), m->seed);
    }
    *layer = (Linear){.weight = w->value, .bias = b->value};
}

static void make_norm(const HeadMaker *m, Norm *norm, size_t d, const char *name)
{
    Parameter *gamma = add(m, SHAPE(d), 1, d, name, ".weight"), *beta = add(m, SHAPE(d), 1, d, name, ".bias");
    draw_constant(m->p, gamma, 1);
    *norm = (Norm){.gamma = gamma->value, .beta = beta->value, .eps = 1e-5};
}

static void make_residual(const HeadMaker *m, ValueHead *h, size_t d)
{
    char name[64];
    for (size_t i = 0; i < h->shape.n; i++) {
        snprintf(name, sizeof name, "blocks.%zu.norm", i);
        make_norm(m, &h->blocks[i].norm, d, name);
        snprintf(name, sizeof name, "blocks.%zu.up", i);
        make_linear(m, &h->blocks[i].up, h->shape.width * d, d, false, name);
        snprintf(name, sizeof name, "blocks.%zu.down", i);
        make_linear(m, &h->blocks[i].down, d, h->shape.width * d, true, name);
    }
    make_linear(m, &h->hidden, 2 * d, d, false, "hidden");
    make_linear(m, &h->out, 1, 2 * d, true, "out");
}

static void make_mlp(const HeadMaker *m, ValueHead *h, size_t d)
{
    char name[64];
    size_t in = d;
    for (size_t i = 0; i < h->shape.n; i++, in = h->shape.width * d) {
        snprintf(name, sizeof name, "layers.%zu", i);
        make_linear(m, &h->blocks[i].up, h->shape.width * d, in, false, name);
    }
    make_linear(m, &h->out, 1, in, true, "out");
}

ValueHead *value_head_new(const char *specification, size_t d, Parameters *p, uint64_t seed, Error *err)
{
    HeadShape shape;
    if (!parse_shape(&shape, specification, err))
        return NULL;
    ValueHead *h = xcalloc(1, sizeof *h);
    HeadMaker m = {p, seed};
    h->shape = shape;
    h->blocks = xcalloc(shape.n + 1, sizeof h->blocks[0]);
    if (shape.kind == HEAD_RESIDUAL)
        make_residual(&m, h, d);
    else if (shape.kind == HEAD_MLP)
        make_mlp(&m, h, d);
    else
        make_linear(&m, &h->out, 1, d, true, "out");
    return h;
}

void value_head_free(ValueHead *h)
{
    if (!h)
        return;
    free(h->blocks);
    free(h);
}

/*
 * A block: the norm, what is wide before and after gelu, the sum; the values of all blocks, the gradients of one at a time; then
 * `hidden`. A layer, which is no segment of the tape's: what is wide before and after gelu, and the gradients of both, of all.
 */
size_t value_head_reals(const ValueHead *h)
{
    if (h->shape.kind == HEAD_RESIDUAL)
        return (h->shape.n + 1) * (2 * h->shape.width + 3) + 6;
    return h->shape.n * 4 * h->shape.width + 21;
}

/* ---- forward ---- */

static Tensor *residual_block(Tape *t, void *context, Tensor *x)
{
    const HeadBlock *b = context;
    return op_linear_add_inplace(t, x, op_gelu_inplace(t, op_linear(t, op_norm(t, x, &b->norm), &b->up)), &b->down);
}

Tensor *value_head_forward(Tape *t, const ValueHead *h, Tensor *x)
{
    for (size_t i = 0; i < h->shape.n; i++)
        x = h->shape.kind == HEAD_MLP ? op_gelu_inplace(t, op_linear(t, x, &h->blocks[i].up))
                                      : tape_checkpoint(t, residual_block, &h->blocks[i], x, x->rows);
    if (h->shape.kind == HEAD_RESIDUAL)
        x = op_gelu_inplace(t, op_linear(t, x, &h->hidden));
    return op_linear(t, x, &h->out);
}
