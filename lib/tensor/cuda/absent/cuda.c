/* What a build without CUDA says when asked for it; the other half is in the folder above. */
#include "tensor/kernels.h"

bool kernels_cuda(int device, Compute compute, const Kernels **out, Error *err)
{
    (void)compute;
    *out = NULL;
    return error_set_status(err, STATUS_USAGE, "device cuda:%d: this build has no CUDA: build with make CUDA=1", device);
}

const char *kernels_cuda_address(void)
{
    return "";
}
