/*
 * Memory of the device: plain allocations, never managed ones; scratch of one call from the stream-ordered pool; and the copies
 * of mapped weights, one for each place in host memory, which live as long as the process.
 */
#include "tensor/cuda/device.cuh"

#include <string.h>

static void *memory_new(size_t bytes)
{
    void *p = NULL;
    cudaError_t status = cudaMalloc(&p, bytes ? bytes : 64);
    if (status == cudaErrorMemoryAllocation)
        die_status(STATUS_MEMORY, "out of memory on the CUDA device: %zu bytes asked for", bytes);
    CHECK(status);
    size_t free_bytes, all_bytes;
    CHECK(cudaMemGetInfo(&free_bytes, &all_bytes));
    progress_device_memory((int64_t)(all_bytes - free_bytes));
    return p;
}

static void memory_free(void *p)
{
    CHECK(cudaFree(p));
}

static void upload(void *dst, const void *host, size_t bytes)
{
    if (bytes > 0)
        CHECK(cudaMemcpy(dst, host, bytes, cudaMemcpyHostToDevice));
}

static void download(void *host, const void *src, size_t bytes)
{
    if (bytes > 0)
        CHECK(cudaMemcpy(host, src, bytes, cudaMemcpyDeviceToHost));
}

static void copy(void *dst, const void *src, size_t bytes)
{
    if (bytes > 0)
        CHECK(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToDevice, 0));
}

static void zero(void *p, size_t bytes)
{
    if (bytes > 0)
        CHECK(cudaMemsetAsync(p, 0, bytes, 0));
}

/* Weights that were asked for, and their copy on the device. */
typedef struct Uploaded {
    const void *host;
    size_t bytes;
    void *device;
} Uploaded;

static Uploaded *uploads;
static size_t n_uploads, uploads_capacity;

static void *uploaded_copy(const void *host, size_t bytes)
{
    for (size_t i = 0; i < n_uploads; i++)
        if (uploads[i].host == host && uploads[i].bytes == bytes)
            return uploads[i].device;
    uploads = (Uploaded *)array_reserve(uploads, &uploads_capacity, n_uploads + 1, sizeof *uploads);
    Uploaded *u = &uploads[n_uploads++];
    u->host = host;
    u->bytes = bytes;
    u->device = memory_new(bytes);
    return u->device;
}

/*
 * The same place in host memory keeps its copy, so reading a model twice takes its memory once. The values are sent each time a
 * model is bound: another file may be mapped where an older one was.
 */
static const void *weights(const void *host, size_t bytes)
{
    void *device = uploaded_copy(host, bytes);
    upload(device, host, bytes);
    return device;
}

/*
 * Index arrays that were sent: the latest KEPT small ones, compared with what is asked for; and the latest few large ones. What
 * takes an older one's place is sent behind all launches that read it, on the same stream. From pageable memory cudaMemcpyAsync
 * returns when the bytes are staged: the caller's may change.
 */
enum { KEPT = 64, KEPT_BYTES = 1 << 16, LARGE = 8 };

typedef struct Indices {
    unsigned char host[KEPT_BYTES];
    unsigned char *device;
    size_t bytes;
    uint64_t asked; /* which call asked for it last; 0: none */
} Indices;

static Indices *kept; /* [KEPT] */

static void indices_init(void)
{
    unsigned char *device = (unsigned char *)memory_new((size_t)KEPT * KEPT_BYTES);
    kept = (Indices *)xcalloc(KEPT, sizeof *kept);
    for (size_t i = 0; i < KEPT; i++)
        kept[i].device = device + i * KEPT_BYTES;
}

/* Freed scratch stays with the pool instead of going back to the driver at each synchronisation. */
void cuda_memory_init(int device)
{
    indices_init();
    cudaMemPool_t pool;
    uint64_t keep = UINT64_MAX;
    CHECK(cudaDeviceGetDefaultMemPool(&pool, device));
    CHECK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep));
}

void *cuda_scratch(size_t bytes)
{
    void *p = NULL;
    CHECK(cudaMallocAsync(&p, bytes ? bytes : 64, 0));
    return p;
}

void cuda_scratch_free(const void *p)
{
    CHECK(cudaFreeAsync((void *)p, 0));
}

static const void *large_indices(const void *host, size_t bytes)
{
    static void *large[LARGE];
    static size_t next;
    void **place = &large[next++ % LARGE];
    if (*place)
        cuda_scratch_free(*place);
    *place = cuda_scratch(bytes);
    CHECK(cudaMemcpyAsync(*place, host, bytes, cudaMemcpyHostToDevice, 0));
    return *place;
}

/* The array that is there, or the place of the one that was asked for longest ago: a call's other arrays stay. */
static Indices *indices_find(const void *host, size_t bytes)
{
    Indices *oldest = &kept[0];
    for (size_t i = 0; i < KEPT; i++) {
        if (kept[i].asked && kept[i].bytes == bytes && memcmp(kept[i].host, host, bytes) == 0)
            return &kept[i];
        if (kept[i].asked < oldest->asked)
            oldest = &kept[i];
    }
    oldest->asked = 0;
    return oldest;
}

const void *cuda_indices(const void *host, size_t bytes)
{
    static uint64_t calls;
    if (bytes > KEPT_BYTES)
        return large_indices(host, bytes);
    Indices *x = indices_find(host, bytes);
    if (!x->asked && bytes > 0) {
        memcpy(x->host, host, bytes);
        CHECK(cudaMemcpyAsync(x->device, host, bytes, cudaMemcpyHostToDevice, 0));
    }
    x->bytes = bytes;
    x->asked = ++calls;
    return x->device;
}

void cuda_memory_fill(Kernels *k)
{
    k->memory_new = memory_new;
    k->memory_free = memory_free;
    k->upload = upload;
    k->download = download;
    k->copy = copy;
    k->zero = zero;
    k->weights = weights;
}
