/* Which device computes: the table that a name stands for. See kernels.h. */
#include "tensor/kernels.h"

#include <string.h>

#include "base/options/options.h"

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
