/* Which kernels run. By default the features of the processor say so. A short contest on the machine can say it better:
 * which instruction set for each type of weights, whether a packed layout is worth it, from how many tokens on a matrix
 * product pays. What it decided is kept in a small text file and holds for the same processor, features and build.
 *
 * The library holds no contest and reads no file unless it is asked to here: the program does so at its first start.
 * The same choices run the same kernels, so that a run that is repeated gives the same text; another choice, as another
 * processor, may change the last bits of a logit. */
#ifndef EDGEWISE_KERNELS_H
#define EDGEWISE_KERNELS_H

#include "model.h"
#include "quantize.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ew_kernel_choices;

/* Nothing decided yet, for this processor and the features of cpu_mask as in ew_session_params. *out is the caller's:
 * ew_kernel_choices_close. Used by one thread at a time. Errors: MEMORY. */
enum ew_status ew_kernel_choices_open(uint64_t cpu_mask, struct ew_kernel_choices **out, struct ew_error *err);
void ew_kernel_choices_close(struct ew_kernel_choices **choices);

/* ---- remembering ---- */

/* Where the program keeps the choices of this processor and these features: $XDG_CACHE_HOME/edgewise/kernels-….txt or
 * ~/.cache/edgewise/kernels-….txt. The caller's: free(); NULL = out of memory. */
char *ew_kernel_choices_path(const struct ew_kernel_choices *choices);

/* Takes over what a file says. On an error nothing is taken over: NOT_FOUND; IO; FORMAT (no such file, or a damaged
 * one); UNSUPPORTED (of another processor, other features or other kernels). */
enum ew_status ew_kernel_choices_load(struct ew_kernel_choices *choices, const char *path, struct ew_error *err);
/* Writes beside and renames, so that no reader ever sees half a file; makes missing folders. Errors: IO, PERMISSION,
 * MEMORY, ARGUMENT. */
enum ew_status ew_kernel_choices_save(const struct ew_kernel_choices *choices, const char *path, struct ew_error *err);

/* The file's text, for other processes. The caller's: free(); NULL = out of memory. */
char *ew_kernel_choices_text(const struct ew_kernel_choices *choices);
/* As load, from n bytes of such a text, which need not be trusted. Errors: FORMAT, UNSUPPORTED, MEMORY. */
enum ew_status ew_kernel_choices_parse(struct ew_kernel_choices *choices, const char *text, size_t n,
                                       struct ew_error *err);

/* ---- deciding ---- */

/* Whether everything that a model's products need is decided. */
bool ew_kernel_choices_suffice(const struct ew_kernel_choices *choices, const struct ew_model *model);

/* Holds the contest for what a model uses and is not decided, with all usable cores; within about budget_s seconds
 * (0 = 1), beyond which types with few weights stay undecided. Only where there is more than one kernel to choose from
 * does it take time. Errors: LIMIT (the machine was too busy to tell: what was undecided stays so), MEMORY. */
enum ew_status ew_kernel_choices_decide(struct ew_kernel_choices *choices, const struct ew_model *model,
                                        double budget_s, struct ew_error *err);
/* The same for n types of weights. */
enum ew_status ew_kernel_choices_decide_types(struct ew_kernel_choices *choices, const enum ew_type *types, size_t n,
                                              double budget_s, struct ew_error *err);

/* ---- looking at them ---- */

/* A kernel that took part. Texts as in ew_session_kernels. */
struct ew_kernel_figure {
    char type[16];      /* of the weights, "Q4_0"; of the cache for attention */
    char layout[8];     /* "rows": as in the file, "r16": packed; "kv" for attention */
    char kernel[48];    /* "gemv_q4_0_r16_avx512vnni" */
    uint32_t tokens;    /* at once */
    double bytes_per_s; /* of weights, or of keys and values */
    double ops_per_s;
    double of_limit; /* one token: share of the speed of reading measured beside it; many: of the arithmetic's peak */
    double spread;   /* of the times: quartiles apart ÷ median */
    bool chosen;     /* among those of the same type, layout and number of tokens */
};

/* What was decided for a type and a layout. */
struct ew_kernel_pick {
    char type[16], layout[8];
    const char *one, *many; /* kernels for one token, and for many; static strings */
    uint32_t few_tokens;    /* up to so many tokens at once take the kernel for one; 0: none do */
    bool by_auto;           /* EW_WEIGHTS_AUTO takes this layout */
};

/* They live until the choices change. */
size_t ew_kernel_choices_figures(const struct ew_kernel_choices *choices, const struct ew_kernel_figure **out);
/* The first `capacity` of them into out; returns how many there are. Attention is the last, layout "kv". */
size_t ew_kernel_choices_picks(const struct ew_kernel_choices *choices, struct ew_kernel_pick *out, size_t capacity);

const char *ew_kernel_choices_processor(const struct ew_kernel_choices *choices); /* "" = not known */
uint64_t ew_kernel_choices_features(const struct ew_kernel_choices *choices);
const char *ew_kernel_choices_date(const struct ew_kernel_choices *choices); /* of the last contest, UTC; "" = none */

#ifdef __cplusplus
}
#endif

#endif
