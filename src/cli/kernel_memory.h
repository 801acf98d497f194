/* The program's side of kernel choices: where they are remembered, and the contest at the first start. Nothing here
 * fails: without a choice the features of the processor decide, as they do where EDGEWISE_KERNELS is "features". */
#ifndef EW_CLI_KERNEL_MEMORY_H
#define EW_CLI_KERNEL_MEMORY_H

#include "cli/command.h"
#include "edgewise/kernels.h"

/* What is remembered for these features, or NULL. The caller's: ew_kernel_choices_close. A damaged file or one of
 * another build is told of on standard error. */
struct ew_kernel_choices *ew_cli_remembered_kernels(uint64_t cpu_mask);

/* The same for sessions of a model. Where it uses what is not decided, the contest is held and remembered first, at
 * most about a second. Choices that could not be remembered are not used: the next run would not have them. */
struct ew_kernel_choices *ew_cli_choose_kernels(uint64_t cpu_mask, const struct ew_model *model);

/* The same for several models, as text for a trial; NULL = none. The caller's: free(). Models that do not open are left
 * out. */
char *ew_cli_kernels_for_trials(uint64_t cpu_mask, const char *const *model_paths, size_t n);

#endif
