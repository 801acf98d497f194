/* Side files: the same logits to the bit with and without one; what does not fit to the byte is refused by name; full
 * disks, killed writers and two writers at once leave a session that runs and nothing half-written. */
#include "backend/cpu/side_file.h"
#include "base/checksum.h"
#include "edgewise/session.h"
#include "model/synth.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { N_VOCAB = 2000, N_TOKENS = 5 };

static const struct ew_shape tiny = {.name = "tiny",
                                     .title = "Tiny",
                                     .architecture = "llama",
                                     .n_layer = 2,
                                     .n_embd = 256,
                                     .n_head = 4,
                                     .n_head_kv = 2,
                                     .head_dim = 64,
                                     .n_ff = 512,
                                     .n_vocab = N_VOCAB,
                                     .n_ctx_train = 512,
                                     .rope_base = 10000,
                                     .norm_epsilon = 1e-5,
                                     .tied = true,
                                     .tokenizer = EW_SHAPE_TOKENS_SMOLLM2,
                                     .source = "made up"};

static char folder[256], model_path[300], side_folder[300];
static struct ew_model *model;

/* ---- around the tests ---- */

static void remove_side_files(void) {
    DIR *dir = opendir(side_folder);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (e->d_name[0] != '.') unlinkat(dirfd(dir), e->d_name, 0);
    if (dir) closedir(dir);
}

static int write_model(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    struct ew_error err = {0};
    snprintf(folder, sizeof folder, "%s/edgewise-side-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(folder)) return -1;
    snprintf(model_path, sizeof model_path, "%s/tiny.gguf", folder);
    snprintf(side_folder, sizeof side_folder, "%s/cache/packed", folder);
    const struct ew_synth_params params = {.shape = &tiny, .file_type = EW_FILE_Q4_K_M, .seed = 3};
    if (ew_synth_write(&params, model_path, NULL, &err) != EW_OK || ew_model_open(model_path, &model, &err) != EW_OK) {
        print_error("%s\n", err.message);
        return -1;
    }
    return 0;
}

static int remove_model(void **state) {
    (void)state;
    char cache[300];
    snprintf(cache, sizeof cache, "%s/cache", folder);
    ew_model_close(&model);
    remove_side_files();
    rmdir(side_folder);
    rmdir(cache);
    unlink(model_path);
    return rmdir(folder); /* fails when anything else was left there */
}

static int start_without(void **state) {
    (void)state;
    remove_side_files();
    return 0;
}

static struct ew_session_params with(enum ew_weights_layout layout) {
    return (struct ew_session_params){.n_ctx = 32,
                                      .n_batch = 8,
                                      .threads_prefill = 2,
                                      .threads_decode = 2,
                                      .layout = layout,
                                      .side_folder = side_folder};
}

/* Opens a session, checks where its weights are, and gives the logits after a few tokens (the caller's memory). */
static struct ew_weights_choice run_session(enum ew_weights_layout layout, float logits[N_VOCAB]) {
    static const int32_t ids[N_TOKENS] = {5, 77, 1999, 300, 1};
    struct ew_session *s = NULL;
    struct ew_error err = {0};
    struct ew_session_params p = with(layout);
    if (ew_session_open(model, &p, &s, &err) != EW_OK) fail_msg("%s", err.message);
    if (ew_session_prefill(s, ids, N_TOKENS, &err) != EW_OK) fail_msg("%s", err.message);
    if (logits) memcpy(logits, ew_session_logits(s), N_VOCAB * sizeof *logits);
    struct ew_weights_choice w = *ew_session_weights(s);
    ew_session_close(&s);
    return w;
}

static struct ew_weights_choice choose(enum ew_weights_layout layout) {
    struct ew_weights_choice w;
    struct ew_error err = {0};
    struct ew_session_params p = with(layout);
    if (ew_session_choose_weights(model, &p, &w, &err) != EW_OK) fail_msg("%s", err.message);
    return w;
}

static enum ew_status verify(struct ew_error *err) {
    struct ew_session_params p = with(EW_WEIGHTS_AUTO);
    return ew_session_verify_side_file(model, &p, err);
}

static bool packs_nothing(void) { return choose(EW_WEIGHTS_AUTO).packed_bytes == 0; }

/* The side file of the model as it stands, written anew. */
static const char *side_path(void) {
    static char path[600];
    struct ew_weights_choice w = run_session(EW_WEIGHTS_SIDE_FILE, NULL);
    assert_string_equal(w.note, "");
    assert_string_equal(w.where, "side_file");
    snprintf(path, sizeof path, "%s", w.side_file);
    return path;
}

static uint8_t *read_file(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, f), *size);
    fclose(f);
    return bytes;
}

static void write_file(const char *path, const void *bytes, size_t size) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

/* One byte in place: the file's length and header stay. */
static void put_byte(const char *path, size_t at, uint8_t byte) {
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

static size_t count_files(void) {
    size_t n = 0;
    DIR *dir = opendir(side_folder);
    for (struct dirent *e; dir && (e = readdir(dir));) n += e->d_name[0] != '.';
    if (dir) closedir(dir);
    return n;
}

/* ---- use ---- */

static void logits_are_the_same_bits(void **state) {
    (void)state;
    if (packs_nothing()) skip();
    static float packed[N_VOCAB], written[N_VOCAB], mapped[N_VOCAB];
    assert_string_equal(run_session(EW_WEIGHTS_AUTO, packed).where, "packed");
    assert_int_equal(count_files(), 0); /* auto writes none */
    assert_string_equal(choose(EW_WEIGHTS_SIDE_FILE).where, "side_file");
    assert_int_equal(count_files(), 0); /* nor does asking */
    assert_string_equal(run_session(EW_WEIGHTS_SIDE_FILE, written).where, "side_file");
    assert_int_equal(count_files(), 1);
    struct ew_weights_choice w = run_session(EW_WEIGHTS_AUTO, mapped);
    assert_string_equal(w.where, "side_file");
    assert_string_equal(w.note, "");
    assert_memory_equal(packed, written, sizeof packed);
    assert_memory_equal(packed, mapped, sizeof packed);
    assert_string_equal(run_session(EW_WEIGHTS_PACKED, mapped).where, "packed");
    assert_string_equal(run_session(EW_WEIGHTS_MAPPED, mapped).where, "mapped");
}

static void no_folder_means_no_side_file(void **state) {
    (void)state;
    if (packs_nothing()) skip();
    side_path();
    struct ew_session *s = NULL;
    struct ew_error err = {0};
    struct ew_session_params p = with(EW_WEIGHTS_AUTO);
    p.side_folder = NULL;
    assert_int_equal(ew_session_open(model, &p, &s, &err), EW_OK);
    assert_string_equal(ew_session_weights(s)->where, "packed");
    ew_session_close(&s);
    p.layout = EW_WEIGHTS_SIDE_FILE;
    assert_int_equal(ew_session_open(model, &p, &s, &err), EW_ERR_ARGUMENT);
    assert_string_equal(err.message, "layout: a side file needs side_folder");
}

/* Packed bytes count as file pages when they are; the rest of the ledger does not move. */
static void ledger_follows(void **state) {
    (void)state;
    if (packs_nothing()) skip();
    struct ew_memory_ledger before, after;
    struct ew_session_params p = with(EW_WEIGHTS_AUTO);
    assert_int_equal(ew_session_predict_memory(model, &p, &before, NULL), EW_OK);
    size_t size;
    free(read_file(side_path(), &size));
    assert_int_equal(ew_session_predict_memory(model, &p, &after, NULL), EW_OK);
    assert_int_equal(after.total, before.total);
    assert_int_equal(after.weights_mapped - before.weights_mapped, before.weights_packed - after.weights_packed);
    size_t moved = (size_t)(after.weights_mapped - before.weights_mapped);
    assert_true(moved > 0 && size > moved && size - moved <= 8192); /* the file is that and its header */
}

/* ---- what does not fit ---- */

static void expect_refusal(const char *words) {
    struct ew_weights_choice w = choose(EW_WEIGHTS_AUTO);
    assert_string_equal(w.where, "packed");
    if (!strstr(w.note, words)) fail_msg("`%s` is not in `%s`", words, w.note);
}

static size_t header_end(const uint8_t *bytes) {
    uint32_t n;
    memcpy(&n, bytes + 12, sizeof n);
    return EW_SIDE_FILE_FIXED_BYTES + n * (size_t)EW_SIDE_FILE_ENTRY_BYTES;
}

static void every_damaged_byte_of_the_header_is_noticed(void **state) {
    (void)state;
    if (packs_nothing()) skip();
    const char *path = side_path();
    size_t size;
    uint8_t *bytes = read_file(path, &size);
    for (size_t at = 0; at < header_end(bytes) + sizeof(uint64_t); at++) {
        put_byte(path, at, (uint8_t)(bytes[at] ^ (1 + at % 255)));
        expect_refusal(at >= 8 && at < 12 ? "version" : "cut or damaged");
        put_byte(path, at, bytes[at]);
    }
    assert_string_equal(choose(EW_WEIGHTS_AUTO).where, "side_file");
    free(bytes);
}

/* With a checksum that fits the damage, every member is still compared with what the plan says; only the checksums of
 * weights are left to verifying. */
static void every_member_is_compared(void **state) {
    (void)state;
    if (packs_nothing()) skip();
    const char *path = side_path();
    size_t size;
    uint8_t *bytes = read_file(path, &size), *changed = malloc(size);
    assert_non_null(changed);
    size_t end = header_end(bytes);
    for (size_t at = 16; at < end; at++) {
        size_t in_entry =
            at < EW_SIDE_FILE_FIXED_BYTES ? 0 : (at - EW_SIDE_FILE_FIXED_BYTES) % EW_SIDE_FILE_ENTRY_BYTES;
        memcpy(changed, bytes, end);
        changed[at] ^= (uint8_t)(1 + at % 255);
        uint64_t sum = ew_checksum(changed, end, 0);
        int fd = open(path, O_WRONLY);
        assert_int_equal(pwrite(fd, changed, end, 0), end);
        assert_int_equal(pwrite(fd, &sum, sizeof sum, (off_t)end), sizeof sum);
        close(fd);
        if (in_entry >= 40) {
            struct ew_error err;
            assert_string_equal(choose(EW_WEIGHTS_AUTO).where, "side_file");
            assert_int_equal(verify(&err), EW_ERR_FORMAT);
        } else {
            expect_refusal("packed in memory instead");
        }
    }
    free(changed);
    free(bytes);
}

static void cut_files_are_refused(void **state) {
    (void)state;
    if (packs_nothing()) skip();
    const char *path = side_path();
    size_t size;
    uint8_t *bytes = read_file(path, &size);
    const size_t lengths[] = {0,    1,        7,       8, 15, 39, 40, 41, header_end(bytes), header_end(bytes) + 7,
                              4096, size / 2, size - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        write_file(path, bytes, lengths[i]);
        expect_refusal("cut or damaged");
    }
    bytes[size] = 0;
    write_file(path, bytes, size + 1);
    expect_refusal("its length is another one than it says");
    unlink(path);
    assert_int_equal(mkdir(path, 0777), 0);
    expect_refusal("not a regular file");
    rmdir(path);
    free(bytes);
}

static void counts_beyond_the_file_are_refused(void **state) {
    (void)state;
    if (packs_nothing()) skip();
    const char *path = side_path();
    for (size_t at = 12; at < 16; at++) put_byte(path, at, 0xff);
    expect_refusal("the table ends early");
}

static void damaged_weights_are_found_by_verifying(void **state) {
    (void)state;
    if (packs_nothing()) skip();
    const char *path = side_path();
    struct ew_error err = {0};
    size_t size;
    assert_int_equal(verify(&err), EW_OK);
    uint8_t *bytes = read_file(path, &size);
    put_byte(path, size - 100, (uint8_t)(bytes[size - 100] ^ 16));
    assert_int_equal(verify(&err), EW_ERR_FORMAT);
    assert_non_null(strstr(err.message, "checksum differs"));
    free(bytes);
    unlink(path);
    assert_int_equal(verify(&err), EW_ERR_NOT_FOUND);
}

/* ---- another state of the model ---- */

/* A weight is changed and the old times are put back; what cannot be put back is the time of change. */
static void a_changed_model_is_not_served(void **state) {
    (void)state;
    if (packs_nothing()) skip();
    const char *path = side_path();
    struct stat info;
    size_t size;
    uint8_t *bytes = read_file(model_path, &size);
    assert_int_equal(stat(model_path, &info), 0);
    put_byte(model_path, size - 50, (uint8_t)(bytes[size - 50] ^ 1));
    const struct timespec times[2] = {info.st_atim, info.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, model_path, times, 0), 0);
    expect_refusal("is of another state of");
    static float packed[N_VOCAB], mapped[N_VOCAB];
    assert_string_equal(run_session(EW_WEIGHTS_AUTO, packed).where, "packed");
    assert_string_equal(side_path(), path); /* the stale one is replaced */
    assert_int_equal(count_files(), 1);
    assert_string_equal(run_session(EW_WEIGHTS_AUTO, mapped).where, "side_file");
    assert_memory_equal(packed, mapped, sizeof packed);
    put_byte(model_path, size - 50, bytes[size - 50]);
    free(bytes);
}

/* ---- writing that fails ---- */

/* Runs fn in a process of its own; what it returns is its exit status. */
static int in_child(int (*fn)(void)) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) _exit(fn());
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int open_with_file_limit(void) {
    const struct rlimit limit = {64 << 10, 64 << 10};
    setrlimit(RLIMIT_FSIZE, &limit);
    struct ew_session *s = NULL;
    struct ew_session_params p = with(EW_WEIGHTS_SIDE_FILE);
    if (ew_session_open(model, &p, &s, NULL) != EW_OK) return 1;
    const struct ew_weights_choice *w = ew_session_weights(s);
    if (strcmp(w->where, "packed") != 0 || !strstr(w->note, "File too large")) return 2;
    return 0; /* and SIGXFSZ has not ended it */
}

static void a_full_disk_is_no_error_of_the_session(void **state) {
    (void)state;
    if (packs_nothing()) skip();
    assert_int_equal(in_child(open_with_file_limit), 0);
    assert_int_equal(count_files(), 0);
}

static void a_folder_that_cannot_be_made_is_said(void **state) {
    (void)state;
    if (packs_nothing()) skip();
    char blocked[400];
    snprintf(blocked, sizeof blocked, "%s/packed", model_path); /* below a file */
    struct ew_session *s = NULL;
    struct ew_session_params p = with(EW_WEIGHTS_SIDE_FILE);
    p.side_folder = blocked;
    assert_int_equal(ew_session_open(model, &p, &s, NULL), EW_OK);
    assert_string_equal(ew_session_weights(s)->where, "packed");
    assert_non_null(strstr(ew_session_weights(s)->note, "packed in memory instead"));
    ew_session_close(&s);
}

static void of_two_writers_one_writes(void **state) {
    (void)state;
    if (packs_nothing()) skip();
    char partial[700];
    snprintf(partial, sizeof partial, "%s.partial", side_path());
    remove_side_files();
    int fd = open(partial, O_RDWR | O_CREAT, 0666);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    struct ew_weights_choice w = run_session(EW_WEIGHTS_SIDE_FILE, NULL);
    assert_string_equal(w.where, "packed");
    assert_non_null(strstr(w.note, "another process writes it now"));
    close(fd); /* as a killed writer would: the lock goes, the file stays */
    assert_int_equal(count_files(), 1);
    assert_string_equal(run_session(EW_WEIGHTS_SIDE_FILE, NULL).where, "side_file");
    assert_int_equal(count_files(), 1);
    assert_int_equal(verify(NULL), EW_OK);
}

static int open_and_write(void) {
    struct ew_session *s = NULL;
    struct ew_session_params p = with(EW_WEIGHTS_SIDE_FILE);
    return ew_session_open(model, &p, &s, NULL) == EW_OK ? 0 : 1;
}

static void many_writers_at_once_leave_one_whole_file(void **state) {
    (void)state;
    if (packs_nothing()) skip();
    enum { WRITERS = 6, ROUNDS = 4 };
    for (int round = 0; round < ROUNDS; round++) {
        pid_t pid[WRITERS];
        remove_side_files();
        fflush(NULL);
        for (int i = 0; i < WRITERS; i++)
            if ((pid[i] = fork()) == 0) _exit(open_and_write());
        for (int i = 0; i < WRITERS; i++) {
            int status = -1;
            assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        assert_int_equal(count_files(), 1);
        assert_int_equal(verify(NULL), EW_OK);
    }
}

/* Killed at any moment, a writer leaves no side file or a whole one. */
static void a_killed_writer_leaves_nothing_half(void **state) {
    (void)state;
    if (packs_nothing()) skip();
    for (useconds_t wait = 0; wait < 12000; wait += 600) {
        remove_side_files();
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) _exit(open_and_write());
        usleep(wait);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        struct ew_weights_choice w = choose(EW_WEIGHTS_AUTO);
        assert_string_equal(w.note, "");
        if (strcmp(w.where, "side_file") == 0) assert_int_equal(verify(NULL), EW_OK);
        assert_string_equal(run_session(EW_WEIGHTS_SIDE_FILE, NULL).where, "side_file");
        assert_int_equal(count_files(), 1);
    }
}

#define SIDE_TEST(name_) cmocka_unit_test_setup(name_, start_without)

int main(void) {
    const struct CMUnitTest tests[] = {
        SIDE_TEST(logits_are_the_same_bits),
        SIDE_TEST(no_folder_means_no_side_file),
        SIDE_TEST(ledger_follows),
        SIDE_TEST(every_damaged_byte_of_the_header_is_noticed),
        SIDE_TEST(every_member_is_compared),
        SIDE_TEST(cut_files_are_refused),
        SIDE_TEST(counts_beyond_the_file_are_refused),
        SIDE_TEST(damaged_weights_are_found_by_verifying),
        SIDE_TEST(a_changed_model_is_not_served),
        SIDE_TEST(a_full_disk_is_no_error_of_the_session),
        SIDE_TEST(a_folder_that_cannot_be_made_is_said),
        SIDE_TEST(of_two_writers_one_writes),
        SIDE_TEST(many_writers_at_once_leave_one_whole_file),
        SIDE_TEST(a_killed_writer_leaves_nothing_half),
    };
    return cmocka_run_group_tests(tests, write_model, remove_model);
}
