/* The inside of struct ew_kernel_choices, for sessions. */
#ifndef EW_ENGINE_KERNEL_CHOICES_H
#define EW_ENGINE_KERNEL_CHOICES_H

#include "edgewise/kernels.h"
#include "kernel/choice_text.h"

/* What kernels are told; lives as long as the choices. */
const struct ew_kernel_choice *ew_kernel_choices_inside(const struct ew_kernel_choices *choices);

#endif
