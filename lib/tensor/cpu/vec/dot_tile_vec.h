/*
 * The sums of a tile of dot products: a few rows of x by a few columns of w, see dot_vec.h. A tile's shape is constant once
 * inlined, so sums stay in registers.
 */
#ifndef TENSOR_CPU_VEC_DOT_TILE_VEC_H
#define TENSOR_CPU_VEC_DOT_TILE_VEC_H

#include "tensor/cpu/vec/weight_vec.h" /* and terms_f32.h or terms_bf16.h, chosen by the includer */

enum {
    DOT_ROWS = VEC_REGISTERS == 32 ? 6 : 4, /* of a tile, at most */
    DOT_STREAMS = 8,                        /* columns of a tile, at most */
    DOT_SOON = 512, /* bytes ahead of use that a row of w is prefetched into the first cache; fewer rows do not wait for it */
};

/* What a tile is: constants once inlined. */
typedef struct DotShape {
    Weight kind;
    int rows, columns;
    int together; /* vectors of one column before the next's */
    bool streams;
    int prefetch; /* columns whose weights are prefetched meanwhile */
} DotShape;

/* Where a tile's operands lie: `apart` values from one column's weights to the next's; prefetched: the first weights that are
 * fetched ahead. */
typedef struct DotReads {
    const Input *x;
    const char *w, *prefetched;
    size_t k, apart;
} DotReads;

typedef V DotSums[DOT_ROWS][DOT_STREAMS];

INLINE DotReads dot_reads_at(DotShape s, DotReads r, size_t term)
{
    const size_t bytes = term * weight_size(s.kind);
    return (DotReads){r.x + term, r.w + bytes, r.prefetched + bytes, r.k, r.apart};
}

/* One vector of terms of neighbours. What there is more of, rows or columns, passes by what there is less of, which is held. */
INLINE void dot_neighbours_step(DotShape s, DotSums sums, DotReads r)
{
    V held[4];
    /* Addresses are made of a few registers; else there is one for each row and column, which are too many. */
    __asm__("" : "+r"(r.x), "+r"(r.w));
    UNROLL_FOR (int j = 0; j < s.prefetch; j++)
        _mm_prefetch(r.prefetched + (size_t)j * r.apart * weight_size(s.kind), _MM_HINT_T1);
    const int soon = s.prefetch == s.columns && s.rows > 2 ? s.columns : 0;
    UNROLL_FOR (int j = 0; j < soon; j++)
        _mm_prefetch(r.w + (size_t)j * r.apart * weight_size(s.kind) + DOT_SOON, _MM_HINT_T0);
    if (s.rows > s.columns) {
        UNROLL_FOR (int j = 0; j < s.columns; j++)
            held[j] = term_weight(s.kind, r.w, (size_t)j * r.apart);
        UNROLL_FOR (int i = 0; i < s.rows; i++) {
            V a = term_input(r.x, (size_t)i * r.k);
            UNROLL_FOR (int j = 0; j < s.columns; j++)
                sums[i][j] = term_fma(a, held[j], sums[i][j]);
        }
        return;
    }
    UNROLL_FOR (int i = 0; i < s.rows; i++)
        held[i] = term_input(r.x, (size_t)i * r.k);
    UNROLL_FOR (int j = 0; j < s.columns; j++) {
        V b = term_weight(s.kind, r.w, (size_t)j * r.apart);
        UNROLL_FOR (int i = 0; i < s.rows; i++)
            sums[i][j] = term_fma(held[i], b, sums[i][j]);
    }
}

/* `together` vectors of terms of every stream, in this order. */
INLINE void dot_streams_step(DotShape s, DotSums sums, DotReads r)
{
    UNROLL_FOR (int j = 0; j < s.columns; j++)
        UNROLL_FOR (size_t t = 0; t < (size_t)s.together * VL * TERM; t += VL * TERM) {
            V b = term_weight(s.kind, r.w, t + (size_t)j * r.apart);
            __asm__ volatile("" : "+v"(b)); /* memory is read in the order in which the program asks for this */
            UNROLL_FOR (int i = 0; i < s.rows; i++)
                sums[i][j] = term_fma(term_input(r.x, (size_t)i * r.k + t), b, sums[i][j]);
        }
}

/* The last n terms, or a vector of them where several would go together. */
INLINE void dot_rest_step(DotShape s, DotSums sums, DotReads r, size_t n)
{
    UNROLL_FOR (int j = 0; j < s.columns; j++) {
        V b = term_weight_n(s.kind, r.w, (size_t)j * r.apart, n);
        UNROLL_FOR (int i = 0; i < s.rows; i++)
            sums[i][j] = term_fma(term_input_n(r.x, (size_t)i * r.k, n), b, sums[i][j]);
    }
}

/* Sums of rows x columns dot products over `depth` terms. */
INLINE void dot_tile(DotShape s, float to[][DOT_STREAMS], DotReads r, size_t depth)
{
    DotSums sums;
    UNROLL_FOR (int i = 0; i < s.rows; i++)
        UNROLL_FOR (int j = 0; j < DOT_STREAMS; j++)
            sums[i][j] = v_zero();
    size_t at = 0, step = VL * TERM, run = step * (size_t)s.together;
    for (; at + run <= depth; at += run)
        if (s.streams)
            dot_streams_step(s, sums, dot_reads_at(s, r, at));
        else
            dot_neighbours_step(s, sums, dot_reads_at(s, r, at));
    for (; at < depth; at += step)
        dot_rest_step(s, sums, dot_reads_at(s, r, at), depth - at < step ? depth - at : step);
    UNROLL_FOR (int i = 0; i < s.rows; i++)
        UNROLL_FOR (int j = 0; j < s.columns; j += 4)
            _mm_storeu_ps(to[i] + j, v_sum4(sums[i][j], sums[i][j + 1], sums[i][j + 2], sums[i][j + 3]));
}

#endif
