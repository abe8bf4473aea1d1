/* The variants of this build, and what a processor lacks for each; see variants.h. */
#include "tensor/cpu/vec/variants.h"

#include <cpuid.h>

#include "tensor/cpu/plain/plain.h"

static const char *lacks_nothing(void)
{
    return NULL;
}

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

const Variant *variants_all(size_t *n)
{
    *n = sizeof variants / sizeof variants[0];
    return variants;
}

size_t variants_emulated(const Kernels **tables, size_t max)
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
