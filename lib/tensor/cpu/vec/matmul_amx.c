/* Products with 16-bit weights on AMX; and the right to use it, which Linux grants on request. */
#include "tensor/cpu/vec/variants.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "tensor/cpu/vec/vec_avx512.h"
#include "tensor/cpu/vec/tiles_amx.h"
#include "tensor/cpu/vec/matmul_tiles.h"

/* https://docs.kernel.org/arch/x86/xstate.html */
bool amx_permitted(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
