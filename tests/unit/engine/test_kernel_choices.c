/* Choices of kernels as a program sees them: the file and what it refuses, sessions that take them, and a contest whose
 * winners are not foretold, but whose form is. */
#include "edgewise/session.h"
#include "machine/cpu_features.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/edgewise-kernels-XXXXXX";

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : 1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static struct ew_kernel_choices *open_choices(uint64_t mask) {
    struct ew_kernel_choices *c = NULL;
    assert_int_equal(ew_kernel_choices_open(mask, &c, NULL), EW_OK);
    return c;
}

static void path_of(char *path, size_t size, const char *name) { snprintf(path, size, "%s/%s", folder, name); }

static void a_file_comes_back(void **state) {
    (void)state;
    char path[128];
    path_of(path, sizeof path, "new/folders/kernels.txt");
    struct ew_kernel_choices *c = open_choices(0), *back = open_choices(0);
    assert_int_equal(ew_kernel_choices_load(back, path, NULL), EW_ERR_NOT_FOUND);
    assert_int_equal(ew_kernel_choices_save(c, path, NULL), EW_OK);
    assert_int_equal(ew_kernel_choices_save(c, path, NULL), EW_OK); /* over it */
    assert_int_equal(ew_kernel_choices_load(back, path, NULL), EW_OK);
    char *a = ew_kernel_choices_text(c), *b = ew_kernel_choices_text(back);
    assert_string_equal(a, b);
    free(a);
    free(b);
    ew_kernel_choices_close(&c);
    ew_kernel_choices_close(&back);
    ew_kernel_choices_close(&back);
}

/* Nothing but the file is left in its folder, whether it could be written or not. */
static void a_folder_that_refuses_is_told(void **state) {
    (void)state;
    char path[128], under[160];
    struct ew_error err;
    struct ew_kernel_choices *c = open_choices(0);
    path_of(path, sizeof path, "file");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    snprintf(under, sizeof under, "%s/kernels.txt", path); /* below a file: nobody may, root neither */
    assert_int_not_equal(ew_kernel_choices_save(c, under, &err), EW_OK);
    assert_non_null(strstr(err.message, path));
    path_of(path, sizeof path, "a-folder");
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(ew_kernel_choices_save(c, path, &err), EW_ERR_IO); /* cannot be renamed over */
    snprintf(under, sizeof under, "%s.%ld.part", path, (long)getpid());
    assert_int_not_equal(access(under, F_OK), 0);
    ew_kernel_choices_close(&c);
}

static void damage_names_the_file(void **state) {
    (void)state;
    char path[128];
    struct ew_error err;
    struct ew_kernel_choices *c = open_choices(0);
    path_of(path, sizeof path, "damaged.txt");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("edgewise kernels 1\nprocessor", f);
    fclose(f);
    assert_int_equal(ew_kernel_choices_load(c, path, &err), EW_ERR_FORMAT);
    assert_non_null(strstr(err.message, path));
    ew_kernel_choices_close(&c);
}

/* Each set of features has a file of its own, so that --cpu-mask does not overwrite what holds without it. */
static void features_have_files_of_their_own(void **state) {
    (void)state;
    setenv("XDG_CACHE_HOME", folder, 1);
    struct ew_kernel_choices *all = open_choices(0), *none = open_choices(EW_CPU_MASK_NONE);
    char *a = ew_kernel_choices_path(all), *b = ew_kernel_choices_path(none);
    assert_int_equal(strncmp(a, folder, strlen(folder)), 0);
    assert_non_null(strstr(a, "/edgewise/kernels-"));
    if (ew_cpu_features()) assert_string_not_equal(a, b);
    assert_int_equal(ew_kernel_choices_features(none), 0);
    assert_int_equal(ew_kernel_choices_features(all), ew_cpu_features());
    free(a);
    free(b);
    ew_kernel_choices_close(&all);
    ew_kernel_choices_close(&none);
}

static struct ew_model *open_box(void) {
    char path[4096];
    struct ew_model *model = NULL;
    const char *source = getenv("EW_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/models/edgewise-tales-6m-f16.gguf", source ? source : ".");
    assert_int_equal(ew_model_open(path, &model, NULL), EW_OK);
    return model;
}

/* Under plain C there is nothing to choose from. */
static void plain_c_holds_no_contest(void **state) {
    (void)state;
    struct ew_model *model = open_box();
    struct ew_kernel_choices *c = open_choices(EW_CPU_MASK_NONE);
    const struct ew_kernel_figure *figures;
    assert_true(ew_kernel_choices_suffice(c, model));
    assert_int_equal(ew_kernel_choices_decide(c, model, 0, NULL), EW_OK);
    assert_int_equal(ew_kernel_choices_figures(c, &figures), 0);
    assert_string_equal(ew_kernel_choices_date(c), "");
    ew_kernel_choices_close(&c);
    ew_model_close(&model);
}

static void sessions_refuse_choices_for_other_features(void **state) {
    (void)state;
    if (ew_cpu_features() == 0) skip();
    struct ew_model *model = open_box();
    struct ew_session *session = NULL;
    struct ew_error err;
    struct ew_kernel_choices *none = open_choices(EW_CPU_MASK_NONE);
    struct ew_session_params p = {.n_ctx = 16, .kernels = none};
    assert_int_equal(ew_session_open(model, &p, &session, &err), EW_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "kernels: chosen for features"));
    p.cpu_mask = EW_CPU_MASK_NONE;
    assert_int_equal(ew_session_open(model, &p, &session, NULL), EW_OK);
    ew_kernel_choices_close(&none); /* the session needs them no longer */
    assert_null(ew_session_params_of(session).kernels);
    assert_int_equal(ew_session_decode(session, 1, NULL), EW_OK);
    assert_non_null(strstr(ew_session_kernels(session), "_ref"));
    ew_session_close(&session);
    ew_model_close(&model);
}

/* A model of F16 alone: what is decided is F16 and attention, or nothing on a busy machine; in each group of figures
 * one is chosen, and what is decided suffices. */
static void a_contest_has_its_form(void **state) {
    (void)state;
    struct ew_model *model = open_box();
    struct ew_kernel_choices *c = open_choices(0);
    if (ew_kernel_choices_suffice(c, model)) skip(); /* one kernel for each purpose */
    struct ew_error err;
    enum ew_status status = EW_ERR_LIMIT;
    for (int i = 0; i < 10 && status == EW_ERR_LIMIT; i++) status = ew_kernel_choices_decide(c, model, 0, &err);
    assert_true(status == EW_OK || (status == EW_ERR_LIMIT && strstr(err.message, "the machine was busy")));
    const struct ew_kernel_figure *f;
    struct ew_kernel_pick picks[8];
    size_t n = ew_kernel_choices_figures(c, &f), n_picks = ew_kernel_choices_picks(c, picks, 8);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(f[i].type, "F16");
        assert_true(f[i].bytes_per_s > 0 && f[i].ops_per_s > 0 && f[i].of_limit > 0 && f[i].spread >= 0);
        size_t chosen = 0;
        for (size_t j = 0; j < n; j++)
            chosen += f[j].chosen && f[j].tokens == f[i].tokens && strcmp(f[j].layout, f[i].layout) == 0;
        assert_int_equal(chosen, 1);
    }
    if (status == EW_OK) {
        assert_true(ew_kernel_choices_suffice(c, model));
        assert_true(n_picks >= 1 && n_picks <= 8);
        assert_string_equal(picks[0].type, "F16");
        assert_true(*ew_kernel_choices_date(c));
    }
    ew_kernel_choices_close(&c);
    ew_model_close(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_comes_back),        cmocka_unit_test(a_folder_that_refuses_is_told),
        cmocka_unit_test(damage_names_the_file),    cmocka_unit_test(features_have_files_of_their_own),
        cmocka_unit_test(plain_c_holds_no_contest), cmocka_unit_test(sessions_refuse_choices_for_other_features),
        cmocka_unit_test(a_contest_has_its_form),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
