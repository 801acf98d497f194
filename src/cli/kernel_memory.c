/* Owns remembering kernel choices between runs of the program. What they are: edgewise/kernels.h. */
#include "cli/kernel_memory.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct memory {
    struct ew_kernel_choices *choices;
    char *path;
};

static void forget(struct memory *m) {
    ew_kernel_choices_close(&m->choices);
    free(m->path);
    m->path = NULL;
}

/* Choices with what the file says, if anything; false: there can be none. */
static bool remember(uint64_t cpu_mask, struct memory *m) {
    const char *wish = getenv("EDGEWISE_KERNELS");
    struct ew_error err = {0};
    *m = (struct memory){0};
    if (wish && strcmp(wish, "features") == 0) return false;
    if (ew_kernel_choices_open(cpu_mask, &m->choices, &err) != EW_OK) return false;
    m->path = ew_kernel_choices_path(m->choices);
    enum ew_status status = m->path ? ew_kernel_choices_load(m->choices, m->path, &err) : EW_ERR_MEMORY;
    if (status == EW_ERR_FORMAT || status == EW_ERR_UNSUPPORTED)
        fprintf(stderr, "edgewise: note: %s; kernels are chosen anew\n", err.message);
    if (m->path) return true;
    forget(m);
    return false;
}

/* Words for people who watch; a machine finds the same in doctor --kernels --json. */
static void say(const char *text, const char *more) {
    if (isatty(STDERR_FILENO)) fprintf(stderr, "edgewise: note: %s%s\n", text, more);
}

/* Fills what the model needs and saves it; false: it could not be kept, and is not to be used. */
static bool decide(struct memory *m, const struct ew_model *model) {
    struct ew_error err = {0};
    if (ew_kernel_choices_suffice(m->choices, model)) return true;
    int64_t begin = ew_clock_now_ns();
    say("choosing the fastest kernels for this processor, once", "");
    if (ew_kernel_choices_decide(m->choices, model, 0, &err) != EW_OK) say(err.message, "");
    if (!*ew_kernel_choices_date(m->choices)) return false;
    if (ew_kernel_choices_save(m->choices, m->path, &err) != EW_OK) {
        say("kernels stay as the processor's features say: ", err.message);
        return false;
    }
    char took[64];
    snprintf(took, sizeof took, " (%.2f s; edgewise doctor --kernels)", ew_clock_seconds(ew_clock_now_ns() - begin));
    say("kernels chosen and remembered", took);
    return true;
}

static struct ew_kernel_choices *keep(struct memory *m, bool good) {
    struct ew_kernel_choices *choices = good && *ew_kernel_choices_date(m->choices) ? m->choices : NULL;
    if (choices) m->choices = NULL;
    forget(m);
    return choices;
}

struct ew_kernel_choices *ew_cli_remembered_kernels(uint64_t cpu_mask) {
    struct memory m;
    return remember(cpu_mask, &m) ? keep(&m, true) : NULL;
}

struct ew_kernel_choices *ew_cli_choose_kernels(uint64_t cpu_mask, const struct ew_model *model) {
    struct memory m;
    return remember(cpu_mask, &m) ? keep(&m, decide(&m, model)) : NULL;
}

char *ew_cli_kernels_for_trials(uint64_t cpu_mask, const char *const *model_paths, size_t n) {
    struct memory m;
    bool good = true;
    if (!remember(cpu_mask, &m)) return NULL;
    for (size_t i = 0; i < n && good; i++) {
        struct ew_model *model = NULL;
        if (ew_model_open(model_paths[i], &model, NULL) != EW_OK) continue;
        good = decide(&m, model);
        ew_model_close(&model);
    }
    struct ew_kernel_choices *choices = keep(&m, good);
    char *text = choices ? ew_kernel_choices_text(choices) : NULL;
    ew_kernel_choices_close(&choices);
    return text;
}
