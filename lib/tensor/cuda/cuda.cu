/*
 * The CUDA table: which device, and whether this build's kernels run on it. The slots are filled by the files beside this one,
 * each the twin of a lib/tensor/cpu/plain_*.c with the same formulas.
 *
 * tests/ops/test_kernels* compares the table with the plain one wherever it finds a device, tests/cuda/cuda.bats runs the tests
 * of the programs there, and tests/bench/bench_device says how far each slot is from its floor.
 *
 * A process computes on one device, from one thread.
 */
#include "tensor/cuda/device.cuh"

void cuda_check(cudaError_t status, const char *call, const char *file, int line)
{
    if (status == cudaErrorMemoryAllocation)
        die_status(STATUS_MEMORY, "%s:%d: out of memory on the CUDA device: %s", file, line, call);
    if (status != cudaSuccess)
        die("%s:%d: %s: %s", file, line, call, cudaGetErrorString(status));
}

void cuda_check(cublasStatus_t status, const char *call, const char *file, int line)
{
    if (status == CUBLAS_STATUS_ALLOC_FAILED)
        die_status(STATUS_MEMORY, "%s:%d: out of memory on the CUDA device: %s", file, line, call);
    if (status != CUBLAS_STATUS_SUCCESS)
        die("%s:%d: %s: %s", file, line, call, cublasGetStatusString(status));
}

/* Never launched: asked about, to learn whether the device can run what nvcc made. */
static __global__ void probe_kernel(void)
{
}

static bool device_usable(int device, Error *err)
{
    int count = 0;
    cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess || count == 0)
        return error_set(err, "device cuda:%d: no CUDA device was found (%s)", device,
                         status != cudaSuccess ? cudaGetErrorString(status) : "the driver lists none");
    if (device < 0 || device >= count)
        return error_set(err, "device cuda:%d: no such CUDA device; this machine has %d, numbered from 0", device, count);
    status = cudaSetDevice(device);
    if (status != cudaSuccess)
        return error_set(err, "device cuda:%d: %s", device, cudaGetErrorString(status));
    cudaFuncAttributes attributes;
    status = cudaFuncGetAttributes(&attributes, (const void *)probe_kernel);
    if (status != cudaSuccess)
        return error_set(err, "device cuda:%d: this build's kernels do not run on it (%s): build with its CUDA_ARCH (config.mk)",
                         device, cudaGetErrorString(status));
    return true;
}

/* Tensor cores multiply bf16 from compute capability 8.0 on; cuBLAS emulates it nowhere. */
static bool multiplies_bf16(int device)
{
    int major = 0;
    CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
    return major >= 8;
}

static void table_fill(Kernels *k, Compute compute)
{
    k->name = "cuda";
    k->compute = compute;
    cuda_memory_fill(k);
    cuda_matmul_fill(k, compute);
    cuda_norm_fill(k);
    cuda_elementwise_fill(k);
    cuda_gated_fill(k);
    cuda_attention_fill(k);
    cuda_attention_backward_fill(k);
    cuda_rows_fill(k);
    cuda_logits_fill(k);
    cuda_sums_fill(k);
    cuda_optimizer_fill(k);
    cuda_integers_fill(k);
}

extern "C" bool kernels_cuda(int device, Compute compute, const Kernels **out, Error *err)
{
    static Kernels tables[2];
    static int in_use = -1;
    *out = NULL;
    if (in_use >= 0 && in_use != device)
        return error_set(err, "device cuda:%d: this process computes on cuda:%d already", device, in_use);
    if (in_use < 0 && !device_usable(device, err))
        return false;
    bool bf16 = multiplies_bf16(device);
    if (compute == COMPUTE_BF16 && !bf16)
        return error_set(err, "device cuda:%d does not multiply bf16: choose --compute f32", device);
    if (compute == COMPUTE_AUTO)
        compute = bf16 ? COMPUTE_BF16 : COMPUTE_F32;
    if (in_use < 0) {
        cuda_memory_init(device);
        cuda_matmul_init();
        table_fill(&tables[0], COMPUTE_F32);
        table_fill(&tables[1], COMPUTE_BF16);
        in_use = device;
    }
    *out = &tables[compute == COMPUTE_BF16];
    return true;
}

extern "C" const char *kernels_cuda_address(void)
{
    static char address[32];
    int device = 0;
    if (cudaGetDevice(&device) != cudaSuccess || cudaDeviceGetPCIBusId(address, sizeof address, device) != cudaSuccess)
        return "";
    return address;
}
