/* Processor names from the /proc/cpuinfo of real boards and phones. Expectations: the makers' own product pages (which
 * cores a chip has), not our table. */
#include "machine/machine.h"
#include "recorded_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *capture;
    int threads;
    const char *model, *board; /* parts of the names; "" = the capture does not say */
} boards[] = {
    {"raspberrypi.log", 1, "ARM1176", ""},
    {"raspberrypi2.log", 4, "Cortex-A7", ""},
    {"raspberrypi3.log", 4, "Cortex-A53", ""},
    {"raspberrypi4.log", 4, "Cortex-A72", "Raspberry Pi 4 Model B Rev 1.5"},
    {"raspberrypi5.log", 4, "Cortex-A76", "Raspberry Pi 5 Model B Rev 1.0"},
    {"jetson-tx1.log", 4, "Cortex-A57", ""},
    {"huawei-mate-20.log", 8, "Cortex-A55", ""}, /* Kirin 980: beside four A76 */
    {"huawei-mate-20.log", 8, "Cortex-A76", ""},
    {"pixel-2-xl.log", 8, "Kryo-2xx-Gold", ""},     /* Snapdragon 835 */
    {"galaxy-s9-us.log", 8, "Kryo-3xx-Silver", ""}, /* Snapdragon 845 */
    {"msm8996.log", 4, "Kryo", ""},                 /* Snapdragon 820 */
    {"alldocube-iwork8.log", 4, "x5-Z8350", ""},
};

static void check(const char *capture, int threads, const char *model, const char *board) {
    char root[TREE_ROOT_BYTES], path[512], text[65536];
    const char *shared = getenv("EW_SHARED_DIR");
    snprintf(path, sizeof path, "%s/data/devices/proc-cpuinfo/%s", shared ? shared : "../shared", capture);
    FILE *file = fopen(path, "r");
    if (!file) {
        print_message("skipped: %s is not here\n", path);
        skip();
    }
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    tree_unpack("nothing", root);
    tree_put(root, "/proc/cpuinfo", text);
    struct ew_machine *m = NULL;
    assert_int_equal(ew_machine_open(root, &m, NULL), EW_OK);
    tree_remove(root);
    if (m->threads != threads || !strstr(m->cpu_model, model) || !strstr(m->board, board))
        fail_msg("%s: %d threads, `%s`, board `%s`", capture, m->threads, m->cpu_model, m->board);
    ew_machine_close(&m);
}

static void test_boards(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof boards / sizeof *boards; i++)
        check(boards[i].capture, boards[i].threads, boards[i].model, boards[i].board);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_boards)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
