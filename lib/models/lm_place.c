/* Learned and rotary positions (Su et al. 2021, https://arxiv.org/abs/2104.09864); see lm_place.h. */
#include "models/lm_place.h"

#include <math.h>

/* Llama 3's scaling: what turns fast stays, what turns slowly is slowed down by `factor`, between them by degrees. */
static double scaled_as_llama3(const RopeConfig *r, double frequency)
{
    static const double pi = 3.14159265358979323846;
    double turns = (double)r->original * frequency / (2 * pi), share = (turns - r->low) / (r->high - r->low);
    share = fmin(1, fmax(0, share));
    return frequency * (share + (1 - share) / r->factor);
}

double *lm_frequencies(const LmConfig *config)
{
    const RopeConfig *r = &config->rope;
    const size_t half = config->head_dim / 2;
    double *out = xmalloc(half * sizeof *out);
    for (size_t i = 0; i < half; i++) {
        double frequency = pow(r->theta, -2.0 * (double)i / (double)config->head_dim);
        out[i] = r->scaling == ROPE_LINEAR   ? frequency / r->factor
                 : r->scaling == ROPE_LLAMA3 ? scaled_as_llama3(r, frequency)
                                             : frequency;
    }
    return out;
}

Tensor *lm_place(Tape *t, const Lm *m, Tensor *x, const int32_t *positions)
{
    if (m->frequencies)
        return x;
    int32_t *rows = tape_alloc(t, x->rows * sizeof *rows);
    for (size_t i = 0; i < x->rows; i++)
        rows[i] = positions[i] + m->position_offset;
    x = op_add(t, x, op_embed(t, &m->positions, rows, x->rows));
    return m->layers ? op_norm(t, x, &m->first) : x;
}

/* [rows, head_dim]: of each position the cosines, then the sines. Angles in double: a float has too few digits for late ones. */
static Tensor *angles_of(Tape *t, const Lm *m, const int32_t *positions, size_t rows)
{
    const size_t dim = m->config.head_dim, half = dim / 2;
    real *host = tape_alloc(t, rows * dim * sizeof *host);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < half; j++) {
            double angle = (double)positions[i] * m->frequencies[j];
            host[i * dim + j] = (real)cos(angle);
            host[i * dim + half + j] = (real)sin(angle);
        }
    return tape_input(t, rows, dim, host, false);
}

BlockPass lm_pass(Tape *t, const Lm *m, const Span *spans, size_t n_spans, const int32_t *positions, size_t rows)
{
    return (BlockPass){.spans = spans,
                       .n_spans = n_spans,
                       .heads = m->config.heads,
                       .causal = true,
                       .activation = m->config.activation,
                       .angles = m->frequencies ? angles_of(t, m, positions, rows) : NULL};
}
