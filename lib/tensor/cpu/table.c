/* Which CPU tables there are, which this processor can run, and how one is chosen; see kernels.h. */
#include "tensor/kernels.h"

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "tensor/cpu/blas.h"
#include "tensor/cpu/plain.h"
#include "tensor/cpu/variants.h"

/* A way to fill the table. Each starts from the one before it in `variants` and replaces the slots that it does better. */
typedef struct Variant {
    const char *name;
    void (*fill)(Kernels *t);   /* t->compute is set; NULL for plain */
    const char *(*lacks)(void); /* what the processor lacks for it; NULL when it has all */
    bool native_bf16;           /* multiplies bf16 itself: what COMPUTE_AUTO takes */
} Variant;

static const char *lacks_nothing(void)
{
    return NULL;
}

#ifdef VLRM_DOUBLE

static const Variant variants[] = {
    {"plain", NULL, lacks_nothing, false},
};

static size_t emulated_tables(const Kernels **tables, size_t max)
{
    (void)tables, (void)max;
    return 0;
}

#else

static const char *lacks_avx2(void)
{
    unsigned a, b, c = 0, d;
    if (!__builtin_cpu_supports("avx2"))
        return "AVX2";
    if (!__builtin_cpu_supports("fma"))
        return "FMA";
    return __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C ? NULL : "F16C";
}

static const char *lacks_avx512(void)
{
    bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
    return has ? NULL : "AVX-512 (F, BW, DQ, VL)";
}

static const char *lacks_avx512bf16(void)
{
    return __builtin_cpu_supports("avx512bf16") ? NULL : "AVX512-BF16";
}

static const char *lacks_amx(void)
{
    enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24 };
    unsigned a, b, c, d = 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & AMX_BF16) == 0 || (d & AMX_TILE) == 0)
        return "AMX-BF16";
    return amx_permitted() ? NULL : "leave of the operating system to use AMX";
}

/* From the least to the best. */
static const Variant variants[] = {
    {"plain", NULL, lacks_nothing, false},           {"avx2", kernels_avx2, lacks_avx2, false},
    {"avx512", kernels_avx512, lacks_avx512, false}, {"avx512bf16", kernels_avx512bf16, lacks_avx512bf16, true},
    {"amx", kernels_amx, lacks_amx, true},
};

/* The table of tests only: AMX's loops over emulated tiles. */
static size_t emulated_tables(const Kernels **tables, size_t max)
{
    static Kernels t;
    if (max == 0 || lacks_avx2() || lacks_avx512())
        return 0;
    plain_fill(&t, COMPUTE_BF16);
    kernels_avx2(&t);
    kernels_avx512(&t);
    kernels_amx_emulated(&t);
    t.name = "amx-emulated";
    tables[0] = &t;
    return 1;
}

#endif

enum { N_VARIANTS = sizeof variants / sizeof variants[0] };

/* The table of variant v; its products by `compute`, which is not AUTO. Made once. */
static const Kernels *table_of(size_t v, Compute compute)
{
    static Kernels tables[N_VARIANTS][2];
    static bool made[N_VARIANTS][2];
    size_t c = compute == COMPUTE_BF16;
    Kernels *t = &tables[v][c];
    if (!made[v][c]) {
        blas_init();
        plain_fill(t, compute);
        for (size_t i = 1; i <= v; i++)
            variants[i].fill(t);
        t->name = variants[v].name;
        made[v][c] = true;
    }
    return t;
}

static size_t variant_best(void)
{
    size_t best = 0;
    while (best + 1 < N_VARIANTS && !variants[best + 1].lacks())
        best++;
    return best;
}

static size_t variant_named(const char *name)
{
    for (size_t v = 0; v < N_VARIANTS; v++) {
        if (strcmp(variants[v].name, name) != 0)
            continue;
        for (size_t i = 0; i <= v; i++)
            if (variants[i].lacks())
                die_status(STATUS_USAGE, "VLRM_CPU=%s: this processor has no %s", name, variants[i].lacks());
        return v;
    }
    char known[256] = "";
    for (size_t v = 0; v < N_VARIANTS; v++) {
        strcat(known, v ? ", " : "");
        strcat(known, variants[v].name);
    }
    die_status(STATUS_USAGE, "VLRM_CPU=%s: not one of %s", name, known);
}

const Kernels *kernels_cpu(Compute compute)
{
    const char *name = getenv("VLRM_CPU");
    size_t v = name && *name ? variant_named(name) : variant_best();
    if (compute == COMPUTE_AUTO)
        compute = variants[v].native_bf16 ? COMPUTE_BF16 : COMPUTE_F32;
    return table_of(v, compute);
}

size_t kernels_cpu_all(const Kernels **tables, size_t max)
{
    size_t n = 0;
    for (size_t v = 0; v <= variant_best(); v++) {
        for (Compute c = COMPUTE_F32; c <= COMPUTE_BF16; c++)
            if (n < max)
                tables[n++] = table_of(v, c);
        if (v == 0)
            n += emulated_tables(tables + n, max - n);
    }
    return n;
}

bool kernels_find(const char *device, Compute compute, const Kernels **out, Error *err)
{
    if (strcmp(device, "cpu") == 0) {
        *out = kernels_cpu(compute);
        return true;
    }
    int64_t n = 0;
    bool numbered = strncmp(device, "cuda:", 5) == 0 && parse_int(device + 5, 0, 1023, &n);
    if (numbered || strcmp(device, "cuda") == 0)
        return kernels_cuda((int)n, compute, out, err);
    return error_set_status(err, STATUS_USAGE, "device %s: not cpu, cuda or cuda:N", device);
}
