/* The door to OpenBLAS; see blas.h. */
#include "tensor/cpu/blas.h"

#include <cblas.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/base.h"
#include "base/pool.h"

#define LIBRARY "libopenblas.so.0"

/* What OpenBLAS maps for each thread that multiplies beside others (BUFFER_SIZE in its common_x86_64.h). */
enum { BUFFER_BYTES = 128 << 20 };

#ifdef VLRM_DOUBLE
#define GEMM cblas_dgemm
#else
#define GEMM cblas_sgemm
#endif
#define NAME_OF(f) NAME_OF_EXPANDED(f)
#define NAME_OF_EXPANDED(f) #f

static __typeof__(GEMM) *gemm;
static char *(*describe)(void), *(*core)(void);

static bool has_room(size_t bytes)
{
    void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return room != MAP_FAILED && munmap(room, bytes) == 0;
}

/* OpenBLAS maps a buffer at a thread's first product, and where that fails it tries again for ever. So the buffers of all threads
 * are mapped here, after having asked whether there is room. They stay OpenBLAS's, for the products to come. */
static void buffers_reserve(void *library)
{
    void *(*take)(int);
    void (*give)(void *);
    *(void **)&take = dlsym(library, "blas_memory_alloc");
    *(void **)&give = dlsym(library, "blas_memory_free");
    if (!take || !give)
        return;
    size_t n = (size_t)pool_threads();
    void **buffers = xcalloc(n, sizeof *buffers);
    for (size_t i = 0; i < n; i++) {
        if (!has_room(BUFFER_BYTES))
            die_status(STATUS_MEMORY, "out of memory: %d bytes asked for, for the products of each of %zu threads", BUFFER_BYTES,
                       n);
        buffers[i] = take(0);
    }
    for (size_t i = 0; i < n; i++)
        give(buffers[i]);
    free(buffers);
}

void blas_init(void)
{
    void (*set_threads)(int);
    if (gemm)
        return;
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library && !has_room(BUFFER_BYTES)) /* the loader does not say so */
        die_status(STATUS_MEMORY, "out of memory: %s", dlerror());
    if (!library)
        die("%s: cannot be loaded: %s", LIBRARY, dlerror());
    *(void **)&set_threads = dlsym(library, "openblas_set_num_threads");
    *(void **)&gemm = dlsym(library, NAME_OF(GEMM));
    *(void **)&describe = dlsym(library, "openblas_get_config");
    *(void **)&core = dlsym(library, "openblas_get_corename");
    if (!gemm || !set_threads)
        die("%s: is no OpenBLAS: %s", LIBRARY, dlerror());
    set_threads(1); /* where somebody had it loaded before */
    buffers_reserve(library);
}

/* The word behind the name in " OpenBLAS 0.3.21 NO_AFFINITY ..", and its size. */
static const char *version_in(const char *text, int *size)
{
    static const char name[] = "OpenBLAS ";
    const char *at = strstr(text, name);
    at = at ? at + strlen(name) : text;
    *size = (int)strcspn(at, " ");
    return at;
}

Library blas_library(void)
{
    Library l = {.name = "OpenBLAS", .fits = gemm != NULL};
    int size;
    const char *version = version_in(OPENBLAS_VERSION, &size);
    snprintf(l.built, sizeof l.built, "%.*s", size, version);
    version = version_in(describe ? describe() : "unknown", &size);
    snprintf(l.found, sizeof l.found, "%.*s, for %s", size, version, core ? core() : "some processor");
    return l;
}

void blas_gemm(bool ta, bool tb, size_t m, size_t n, size_t k, real alpha, const real *a, size_t lda, const real *b, size_t ldb,
               real beta, real *c, size_t ldc)
{
    if (m == 0 || n == 0)
        return;
    gemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, alpha,
         a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}
