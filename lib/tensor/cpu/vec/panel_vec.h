/*
 * The innermost kernel of packed products: a panel of rows times a panel of columns, sums in registers. Included after vec_*.h
 * and terms_*.h.
 */
#ifndef TENSOR_CPU_VEC_PANEL_VEC_H
#define TENSOR_CPU_VEC_PANEL_VEC_H

enum {
    PANEL_ROWS = VEC_REGISTERS == 32 ? 12 : 6, /* x 2 vectors of sums */
    PANEL_COLUMNS = 2 * VL,
    LINE_BYTES = 64,     /* of the caches */
    PREFETCH_TERMS = 16, /* between two lines that are prefetched: about what memory needs for one */
};

/* Panels are of nearly equal height, so that none is nearly empty: where panel p of `panels` begins. */
INLINE size_t panel_start(size_t p, size_t panels, size_t m)
{
    return p * m / panels;
}

/*
 * Rows of a matrix that are wanted next: a kernel prefetches a line of them now and then, as they come from memory, in runs too
 * short for the processor to guess.
 */
typedef struct Ahead {
    const char *row;
    size_t stride, width, rows; /* bytes from one row to the next, bytes wanted of each, rows left */
    size_t at;                  /* bytes of `row` prefetched */
} Ahead;

INLINE void ahead_prefetch(Ahead *a)
{
    if (a->rows == 0)
        return;
    _mm_prefetch(a->row + a->at, _MM_HINT_T0);
    a->at += LINE_BYTES;
    if (a->at >= a->width) {
        a->at = 0;
        a->row += a->stride;
        a->rows--;
    }
}

/* Where a tile of sums goes, and what it starts from. */
typedef struct Corner {
    float *c;
    const float *bias; /* NULL: none */
    size_t ldc, columns;
    bool add;
    Ahead *ahead; /* NULL: none */
} Corner;

/* One vector of sums at the edge: of columns from `lane` on. */
INLINE void edge_store(const Corner *o, size_t row, size_t lane, V sum)
{
    if (lane >= o->columns)
        return;
    float *c = o->c + row * o->ldc + lane;
    size_t n = size_min(VL, o->columns - lane);
    if (o->bias)
        sum = v_add(sum, v_load_n(o->bias + lane, n));
    v_store_n(c, o->add ? v_add(sum, v_load_n(c, n)) : sum, n);
}

INLINE void tile_store(const Corner *o, size_t rows, V sums[PANEL_ROWS][2])
{
    if (o->columns < PANEL_COLUMNS) {
        UNROLL_FOR (size_t i = 0; i < rows; i++) {
            edge_store(o, i, 0, sums[i][0]);
            edge_store(o, i, VL, sums[i][1]);
        }
        return;
    }
    if (o->bias) {
        V bias[2] = {v_load(o->bias), v_load(o->bias + VL)};
        UNROLL_FOR (size_t i = 0; i < rows; i++) {
            sums[i][0] = v_add(sums[i][0], bias[0]);
            sums[i][1] = v_add(sums[i][1], bias[1]);
        }
    }
    UNROLL_FOR (size_t i = 0; i < rows; i++) {
        float *c = o->c + i * o->ldc;
        v_store(c, o->add ? v_add(sums[i][0], v_load(c)) : sums[i][0]);
        v_store(c + VL, o->add ? v_add(sums[i][1], v_load(c + VL)) : sums[i][1]);
    }
}

/* Asks for what the tile's sums will be added to, or overwrite, long before they are there. */
INLINE void tile_prefetch(const Corner *o, size_t rows)
{
    UNROLL_FOR (size_t i = 0; i < rows; i++)
        for (size_t lane = 0; lane < PANEL_COLUMNS; lane += LINE_BYTES / sizeof(float))
            _mm_prefetch((const char *)(o->c + i * o->ldc + lane), _MM_HINT_T0);
}

/* The innermost kernel: `rows` x PANEL_COLUMNS sums over `terms` terms, in registers. a: [terms][rows], a term's
 * rows together and lda from one term to the next; b: [terms][PANEL_COLUMNS]. */
INLINE void tile_sums(size_t rows, const float *a, size_t lda, const float *b, size_t terms, const Corner *o)
{
    V acc[PANEL_ROWS][2];
    UNROLL_FOR (size_t i = 0; i < rows; i++)
        acc[i][0] = acc[i][1] = v_zero();
    tile_prefetch(o, rows);
    for (size_t t = 0; t < terms; t++) {
        if (o->ahead && t % PREFETCH_TERMS == 0)
            ahead_prefetch(o->ahead);
        V b0 = v_load(b), b1 = v_load(b + VL);
        UNROLL_FOR (size_t i = 0; i < rows; i++) {
            V ai = v_set(a[i]);
            acc[i][0] = term_fma(ai, b0, acc[i][0]);
            acc[i][1] = term_fma(ai, b1, acc[i][1]);
        }
        a += lda;
        b += PANEL_COLUMNS;
    }
    tile_store(o, rows, acc);
}

typedef void PanelKernel(const float *a, size_t lda, const float *b, size_t terms, const Corner *o);

#define PANEL_KERNEL(rows)                                                                              \
    static void panel_##rows(const float *a, size_t lda, const float *b, size_t terms, const Corner *o) \
    {                                                                                                   \
        tile_sums(rows, a, lda, b, terms, o);                                                           \
    }
PANEL_KERNEL(1)
PANEL_KERNEL(2)
PANEL_KERNEL(3)
PANEL_KERNEL(4)
PANEL_KERNEL(5)
PANEL_KERNEL(6)
#if defined __AVX512F__
PANEL_KERNEL(7)
PANEL_KERNEL(8)
PANEL_KERNEL(9)
PANEL_KERNEL(10)
PANEL_KERNEL(11)
PANEL_KERNEL(12)
#endif

static PanelKernel *const panel_kernels[] = {
    panel_1, panel_2, panel_3, panel_4,  panel_5,  panel_6,
#if defined __AVX512F__
    panel_7, panel_8, panel_9, panel_10, panel_11, panel_12,
#endif
};

#endif
