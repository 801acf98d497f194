/* Owns joining the options of `edgewise run` with the kernels that are remembered. */
#include "cli/run_session.h"

#include "base/clock.h"
#include "cli/kernel_memory.h"

enum ew_status ew_run_session_open(const struct ew_run_options *o, struct ew_model *model, struct ew_session **out,
                                   int64_t *choosing_ns, struct ew_error *err) {
    struct ew_session_params params = o->session;
    int64_t begin = ew_clock_now_ns();
    struct ew_kernel_choices *kernels = ew_cli_choose_kernels(o->common.cpu_mask, model);
    *choosing_ns = ew_clock_now_ns() - begin;
    params.kernels = kernels;
    enum ew_status status = ew_context_options_open(&o->context, model, o->common.root, &params, out, err);
    ew_kernel_choices_close(&kernels);
    return status;
}
