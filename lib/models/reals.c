/* Values that a recorded pass leaves; see reals.h. */
#include "models/reals.h"

static double block_reals(double d, double inner)
{
    return 8.1 * d + inner;
}

double stack_reals(double d, double inner, double layers, bool checkpointing)
{
    double block = block_reals(d, inner);
    return checkpointing ? 2 * d * layers + 2 * block : (block + d) * layers + block;
}

double feed_reals(Activation activation, double width)
{
    return activation == ACTIVATION_RELU ? width : activation == ACTIVATION_SWIGLU ? 3 * width : 2 * width;
}
