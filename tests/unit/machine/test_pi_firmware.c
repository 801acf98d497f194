/* What a Raspberry Pi's firmware says, and the graphics processors of one-chip boards. Expectations: the recorded
 * trees' own text, the bits as Raspberry Pi documents them. */
#include "machine/facts.h"
#include "machine/pi_mailbox.h"
#include "recorded_tree.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ew_machine *open_root(const char *root) {
    struct ew_machine *m = NULL;
    assert_int_equal(ew_machine_open(root, &m, NULL), EW_OK);
    return m;
}

static void test_version(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    tree_unpack("pi5", root);
    struct ew_machine *m = open_root(root);
    assert_string_equal(m->firmware, "2024/01/24 15:24:31, 0123456789ab");
    assert_int_equal(m->gpu.shares_memory, 1);
    ew_machine_close(&m);
    static const char *const others[] = {"", "error=1 error_msg=\"Command not registered\"", "\n\n\n", "version",
                                         "\x80\xff\nversion"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        tree_put(root, "/dev/vcio/version", others[i]);
        m = open_root(root);
        assert_string_equal(m->firmware, "");
        ew_machine_close(&m);
    }
    tree_remove(root);
}

/* The mailbox is asked where the kernel has no file for the flags. */
static void test_flags_without_sysfs(void **state) {
    (void)state;
    static const struct {
        const char *answer;
        int64_t flags;
    } cases[] = {{"throttled=0x0\n", 0},
                 {"throttled=0x50005", 0x50005},
                 {"throttled=0xe0008\r\n", 0xe0008},
                 {"throttled=0x", -1},
                 {"throttled=", -1},
                 {"0x50005", -1},
                 {"throttled=0x5000g", -1},
                 {"throttled=0x123456789", -1},
                 {"throttled=0x5 0x5", -1},
                 {"error=1 error_msg=\"no\"", -1},
                 {"", -1}};
    char root[TREE_ROOT_BYTES];
    tree_unpack("nothing", root);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tree_put(root, "/dev/vcio/get_throttled", cases[i].answer);
        struct ew_machine *m = open_root(root);
        assert_int_equal(m->throttle.pi_flags, cases[i].flags);
        ew_machine_close(&m);
    }
    tree_put(root, "/sys/devices/platform/soc/soc:firmware/get_throttled", "80008\n");
    tree_put(root, "/dev/vcio/get_throttled", "throttled=0x1");
    struct ew_machine *m = open_root(root);
    assert_int_equal(m->throttle.pi_flags, 0x80008); /* the kernel's own file goes first */
    ew_machine_close(&m);
    tree_remove(root);
}

static void test_words(void **state) {
    (void)state;
    char text[256];
    ew_machine_pi_flags_text(0x50005, text, sizeof text);
    assert_string_equal(text, "under-voltage now, throttled now, under-voltage since boot, throttled since boot");
    ew_machine_pi_flags_text(0x80002, text, sizeof text);
    assert_string_equal(text, "frequency capped now, soft temperature limit since boot");
    ew_machine_pi_flags_text(0, text, sizeof text);
    assert_string_equal(text, "");
    ew_machine_pi_flags_text(-1, text, sizeof text);
    assert_string_equal(text, "");
    ew_machine_pi_flags_text(0xf000f, text, 12); /* cut, and no further */
    assert_string_equal(text, "under-volta");
    for (int bit = -1; bit < 64; bit++) {
        bool meant = (bit >= 0 && bit <= 3) || (bit >= 16 && bit <= 19);
        assert_int_equal(ew_machine_pi_flag_name(bit) != NULL, meant);
    }
}

/* The words that belong to a bit, in the capture's wording and in ours. */
static void check_word(int bit, const char *said) {
    static const struct {
        const char *theirs, *ours;
    } words[] = {{"under-voltage", "under-voltage"},
                 {"frequency capp", "frequency capped"},
                 {"throttl", "throttled"},
                 {"soft temperature limit", "soft temperature limit"}};
    const char *name = ew_machine_pi_flag_name(bit);
    assert_non_null(name);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        assert_int_equal(strstr(said, words[i].theirs) != NULL, strstr(name, words[i].ours) != NULL);
    assert_int_equal(strstr(said, "now") != NULL, strstr(name, "now") != NULL);
}

static void check_example(const char *answer, const char *bits) {
    int64_t flags = -1, expected = 0;
    assert_true(ew_pi_parse_throttled(answer, &flags));
    for (char *end; *bits && *bits != ']'; bits = end) {
        long bit = strtol(bits, &end, 10);
        if (end == bits)
            end++;
        else
            expected |= 1LL << bit;
    }
    assert_int_equal(flags, expected);
}

static void test_examples(void **state) {
    (void)state;
    const char *shared = getenv("EW_SHARED_DIR");
    char path[1024], json[8192];
    snprintf(path, sizeof path, "%s/data/devices/raspberrypi5/get_throttled_examples.json", shared ? shared : "");
    FILE *f = shared ? fopen(path, "r") : NULL;
    if (!f) {
        print_message("skipped: the captures are not here\n");
        skip();
    }
    json[fread(json, 1, sizeof json - 1, f)] = 0;
    fclose(f);
    int n_bits = 0, n_examples = 0;
    char key[64], words[64];
    for (const char *p = json; (p = strchr(p, '"')); p++) {
        const char *list = strchr(p, '[');
        if (sscanf(p, "\"%63[0-9]\": \"%63[^\"]\"", key, words) == 2) {
            check_word(atoi(key), words);
            n_bits++;
        } else if (list && sscanf(p, "\"%63[^\"]\"", key) == 1 && strncmp(key, "throttled=", 10) == 0) {
            check_example(key, list + 1);
            n_examples++;
        }
    }
    assert_true(n_bits == 8 && n_examples >= 3);
}

static void test_mailbox_refuses(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES], answer[EW_PI_ANSWER_BYTES] = "untouched";
    struct ew_error e = {0};
    tree_unpack("pi5", root);
    assert_int_equal(ew_pi_mailbox_ask(root, "../version", answer, &e), EW_ERR_ARGUMENT);
    assert_int_equal(ew_pi_mailbox_ask(root, "", answer, &e), EW_ERR_ARGUMENT);
    assert_int_equal(ew_pi_mailbox_ask(root, "measure_temp", answer, &e), EW_ERR_NOT_FOUND);
    tree_put(root, "/dev/vcio/long", "");
    assert_int_equal(ew_pi_mailbox_ask(root, "long", answer, &e), EW_ERR_IO);
    assert_string_equal(answer, "untouched");
    char big[3 * EW_PI_ANSWER_BYTES];
    memset(big, 'x', sizeof big);
    big[sizeof big - 1] = 0;
    tree_put(root, "/dev/vcio/long", big); /* cut to the room there is */
    assert_int_equal(ew_pi_mailbox_ask(root, "long", answer, &e), EW_OK);
    assert_int_equal(strlen(answer), EW_PI_ANSWER_BYTES - 1);
    tree_remove(root);
}

static void test_gpu_of_a_jetson(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    tree_unpack("orin-nano", root);
    struct ew_machine *m = open_root(root);
    assert_string_equal(m->gpu.name, "17000000.gpu");
    assert_string_equal(m->gpu.governor, "nvhost_podgov");
    assert_true(m->gpu.now_mhz == 612 && m->gpu.min_mhz == 306 && m->gpu.max_mhz == 918);
    assert_true(fabs(m->gpu.load - 0.415) < 1e-12);
    assert_int_equal(m->gpu.shares_memory, 1);
    tree_put(root, "/sys/class/devfreq/17000000.gpu/cur_freq", "918000000\n");
    tree_put(root, "/sys/class/devfreq/17000000.gpu/device/load", "1000\n");
    ew_machine_refresh(m, root);
    assert_true(m->gpu.now_mhz == 918 && m->gpu.load == 1);
    tree_put(root, "/sys/class/devfreq/17000000.gpu/device/load", "1001\n");
    ew_machine_refresh(m, root);
    assert_true(isnan(m->gpu.load));
    ew_machine_close(&m);
    tree_remove(root);
}

/* Older Jetsons have the load elsewhere; Rockchip's kernels write it in per cent, with the clock behind it. */
static void test_gpu_elsewhere(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    tree_unpack("nothing", root);
    struct ew_machine *m = open_root(root);
    assert_string_equal(m->gpu.name, "");
    assert_true(isnan(m->gpu.load) && isnan(m->gpu.now_mhz) && m->gpu.shares_memory == -1);
    ew_machine_close(&m);
    tree_put(root, "/sys/class/devfreq/57000000.gpu/cur_freq", "76800000\n");
    tree_put(root, "/sys/devices/gpu.0/load", "120\n");
    m = open_root(root);
    assert_true(m->gpu.now_mhz == 76.8 && fabs(m->gpu.load - 0.12) < 1e-12);
    ew_machine_close(&m);
    tree_put(root, "/sys/class/devfreq/57000000.gpu/load", "45@300000000Hz\n");
    m = open_root(root);
    assert_true(fabs(m->gpu.load - 0.45) < 1e-12);
    ew_machine_close(&m);
    tree_remove(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version),         cmocka_unit_test(test_flags_without_sysfs),
        cmocka_unit_test(test_words),           cmocka_unit_test(test_examples),
        cmocka_unit_test(test_mailbox_refuses), cmocka_unit_test(test_gpu_of_a_jetson),
        cmocka_unit_test(test_gpu_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
