/*
 * Products of many rows by cublasLt. It adds a bias before the result is written, so y, the largest matrix of a layer, crosses the
 * memory once; and no sum is cut into parts that are added at the end, how many depending on how many rows there are: so a row's
 * result hardly depends on the others, though nobody promises it. How a shape is best computed is asked once, and remembered for
 * the shapes of late.
 */
#include "tensor/cuda/device.cuh"

#include <string.h>

enum { PLANS = 128, WORKSPACE = 32 << 20, ALIGNMENT = 16 };

/* A shape, and what cublasLt needs for it. */
typedef struct Plan {
    cudaDataType input;
    int m, rows, k, ld;
    bool biased, used;
    cublasLtMatmulDesc_t product;
    cublasLtMatrixLayout_t w, x, y;
    cublasLtMatmulAlgo_t algorithm;
} Plan;

static cublasLtHandle_t lt;
static void *workspace;
static Plan plans[PLANS];

void cuda_product_init(void)
{
    CHECK(cublasLtCreate(&lt));
    CHECK(cudaMalloc(&workspace, WORKSPACE));
}

bool cuda_product_fits(const real *y, const void *x, const void *w, const real *bias, int n, int k, int chunk)
{
    return ((uintptr_t)y | (uintptr_t)x | (uintptr_t)w | (uintptr_t)bias) % ALIGNMENT == 0 && n % 8 == 0 && k % 8 == 0 && chunk % 8 == 0;
}

static void plan_release(Plan *p)
{
    CHECK(cublasLtMatrixLayoutDestroy(p->y));
    CHECK(cublasLtMatrixLayoutDestroy(p->x));
    CHECK(cublasLtMatrixLayoutDestroy(p->w));
    CHECK(cublasLtMatmulDescDestroy(p->product));
}

/* By columns this is y^T[rows,m] = w^T^T[rows,k] x^T[k,m]. */
static void plan_make(Plan *p)
{
    const cublasOperation_t transposed = CUBLAS_OP_T;
    const cublasLtEpilogue_t epilogue = p->biased ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    const uint32_t alignment = ALIGNMENT, no_parts = CUBLASLT_REDUCTION_SCHEME_NONE;
    const size_t workspace_bytes = WORKSPACE;
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulHeuristicResult_t found;
    int count = 0;
    CHECK(cublasLtMatmulDescCreate(&p->product, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    CHECK(cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed));
    CHECK(cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
    CHECK(cublasLtMatrixLayoutCreate(&p->w, p->input, (uint64_t)p->k, (uint64_t)p->rows, p->k));
    CHECK(cublasLtMatrixLayoutCreate(&p->x, p->input, (uint64_t)p->k, (uint64_t)p->m, p->k));
    CHECK(cublasLtMatrixLayoutCreate(&p->y, CUDA_R_32F, (uint64_t)p->rows, (uint64_t)p->m, p->ld));
    CHECK(cublasLtMatmulPreferenceCreate(&preference));
    CHECK(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes,
                                               sizeof workspace_bytes));
    CHECK(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &no_parts, sizeof no_parts));
    const cublasLtMatmulPreferenceAttributes_t sides[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        CHECK(cublasLtMatmulPreferenceSetAttribute(preference, sides[i], &alignment, sizeof alignment));
    CHECK(cublasLtMatmulAlgoGetHeuristic(lt, p->product, p->w, p->x, p->y, p->y, preference, 1, &found, &count));
    CHECK(cublasLtMatmulPreferenceDestroy(preference));
    if (count == 0)
        bug("cublasLt has no way to multiply [%d,%d] and [%d,%d]", p->m, p->k, p->rows, p->k);
    p->algorithm = found.algo;
    p->used = true;
}

static bool same_shape(const Plan *a, const Plan *b)
{
    return a->input == b->input && a->m == b->m && a->rows == b->rows && a->k == b->k && a->ld == b->ld && a->biased == b->biased;
}

static Plan *plan_of(const Plan *wanted)
{
    static size_t next;
    for (size_t i = 0; i < PLANS; i++)
        if (plans[i].used && same_shape(&plans[i], wanted))
            return &plans[i];
    Plan *p = &plans[next++ % PLANS];
    if (p->used)
        plan_release(p);
    *p = *wanted;
    plan_make(p);
    return p;
}

void cuda_product(cudaDataType input, real *y, const void *x, const void *w, const real *bias, bool add, int m, int rows, int k,
                 int ld)
{
    Plan wanted = {};
    wanted.input = input;
    wanted.m = m;
    wanted.rows = rows;
    wanted.k = k;
    wanted.ld = ld;
    wanted.biased = bias != NULL;
    Plan *p = plan_of(&wanted);
    const float one = 1, beta = add;
    if (bias)
        CHECK(cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias));
    CHECK(cublasLtMatmul(lt, p->product, &one, w, p->w, x, p->x, &beta, y, p->y, y, p->y, &p->algorithm, workspace, WORKSPACE, 0));
}
