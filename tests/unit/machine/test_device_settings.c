/* Settings below a recorded tree: what is offered, setting and putting back, and above all that the values before come
 * back whenever and however the program is killed. Expectations: the tree's own text. */
#include "machine/device_settings.h"
#include "machine/power_mode.h"
#include "machine/setting_change.h"
#include "recorded_tree.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define POLICY0 "/sys/devices/system/cpu/cpufreq/policy0/"
#define POLICY4 "/sys/devices/system/cpu/cpufreq/policy4/"

static char root[TREE_ROOT_BYTES];
static struct ew_device_settings_config config;

static void put_policy(const char *folder, const char *frequencies, const char *low, const char *high) {
    char path[256];
    const char *const files[][2] = {
        {"scaling_governor", "schedutil\n"},
        {"scaling_available_governors", "performance powersave schedutil \n"},
        {"scaling_min_freq", low},
        {"scaling_max_freq", high},
        {"cpuinfo_min_freq", low},
        {"cpuinfo_max_freq", high},
        {"scaling_available_frequencies", frequencies},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s%s", folder, files[i][0]);
        if (files[i][1]) tree_put(root, path, files[i][1]);
    }
}

/* As nvpmodel does: keeps its mode in a file; mode 0 wants a restart, mode 3 is refused. Its question is answered by
 * whoever has a standard input. */
static const char nvpmodel[] = "#!/bin/sh\n"
                               "status=$(dirname \"$0\")/../../var/lib/nvpmodel/status\n"
                               "case \"$1 $2\" in\n"
                               "'-q ') echo 'NV Power Mode: X'; sed 's/pmode:0*\\([0-9]\\)/\\1/' \"$status\";;\n"
                               "'-m 0') echo 'NVPM WARN: Reboot required for changing to this power mode: 0'\n"
                               "  echo 'NVPM WARN: DO YOU WANT TO REBOOT NOW? enter YES/yes to confirm:'\n"
                               "  read answer && [ \"$answer\" = YES ] && echo pmode:0000 > \"$status\"; exit 0;;\n"
                               "'-m 3') echo 'NVPM ERROR: optMask is 1, no request for power mode'; exit 255;;\n"
                               "*) echo \"pmode:000$2\" > \"$status.new\"; mv \"$status.new\" \"$status\";;\n"
                               "esac\n";

static int set_up(void **state) {
    (void)state;
    tree_unpack("nothing", root);
    put_policy(POLICY0, "408000 1008000 1800000 \n", "408000\n", "1800000\n");
    put_policy(POLICY4, "408000 1200000 1800000 2400000 \n", "408000\n", "2400000\n");
    tree_put(root, "/proc/sys/kernel/random/boot_id", "6f1b1d1e-0000-4000-8000-000000000001\n");
    config = (struct ew_device_settings_config){.root = root};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tree_remove(root);
    return 0;
}

static void add_jetson(void) {
    char path[512];
    tree_put(root, "/etc/nvpmodel.conf",
             "# POWER_MODEL DEFINITIONS\n< POWER_MODEL ID=0 NAME=15W >\nCPU_ONLINE CORE_0 1\n"
             "< POWER_MODEL ID=1 NAME=25W >\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n< POWER_MODEL ID=3 NAME=7W >\n");
    tree_put(root, "/var/lib/nvpmodel/status", "pmode:0001\n");
    tree_put(root, "/usr/sbin/nvpmodel", nvpmodel);
    snprintf(path, sizeof path, "%s/usr/sbin/nvpmodel", root);
    assert_int_equal(chmod(path, 0755), 0);
}

static void assert_holds(const char *path, const char *expected) {
    char full[512], text[64] = "";
    snprintf(full, sizeof full, "%s%s", root, path);
    FILE *f = fopen(full, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    text[strcspn(text, "\n")] = 0;
    assert_string_equal(text, expected);
}

static bool has_journal(void) {
    char path[512];
    snprintf(path, sizeof path, "%s/var/lib/edgewise/settings.journal", root);
    return access(path, F_OK) == 0;
}

static void assert_untouched(void) {
    assert_holds(POLICY0 "scaling_governor", "schedutil");
    assert_holds(POLICY4 "scaling_governor", "schedutil");
    assert_holds(POLICY0 "scaling_max_freq", "1800000");
    assert_holds(POLICY4 "scaling_max_freq", "2400000");
    assert_holds(POLICY0 "scaling_min_freq", "408000");
    assert_holds(POLICY4 "scaling_min_freq", "408000");
    assert_false(has_journal());
}

static struct ew_setting setting(const char *text) {
    struct ew_setting s;
    struct ew_error err = {0};
    enum ew_status status = ew_setting_parse(text, &s, &err);
    if (status != EW_OK) print_error("%s\n", err.message);
    assert_int_equal(status, EW_OK);
    return s;
}

static struct ew_device_settings *open_settings(void) {
    struct ew_device_settings *s = NULL;
    struct ew_error err = {0};
    enum ew_status status = ew_device_settings_open(&config, &s, &err);
    if (status != EW_OK) print_error("%s\n", err.message);
    assert_int_equal(status, EW_OK);
    return s;
}

static void close_settings(struct ew_device_settings *s) {
    assert_int_equal(ew_device_settings_close(&s, NULL, NULL), EW_OK);
    assert_null(s);
}

/* Returns when nobody holds the settings: the guardian has ended. */
static void wait_for_guardian(void) {
    char path[512];
    snprintf(path, sizeof path, "%s/sys", root);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    close(fd);
}

/* ---- words ---- */

static void test_parsing(void **state) {
    (void)state;
    struct ew_setting s;
    struct ew_error err = {0};
    assert_int_equal(setting("max_frequency=1.5GHz").kind, EW_SETTING_MAX_FREQUENCY);
    assert_string_equal(setting("power-mode=MAXN_SUPER").value, "MAXN_SUPER");
    assert_int_equal(ew_setting_parse("turbo=1", &s, &err), EW_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "turbo"));
    assert_int_equal(ew_setting_parse("governor", &s, &err), EW_ERR_ARGUMENT);
    assert_int_equal(ew_setting_parse("governor=", &s, &err), EW_ERR_ARGUMENT);
    assert_int_equal(ew_setting_parse("governor=a b", &s, &err), EW_ERR_ARGUMENT);
    assert_int_equal(ew_setting_parse("governor=../../x", &s, &err), EW_ERR_ARGUMENT);
}

static void test_choices(void **state) {
    (void)state;
    char text[256];
    ew_device_setting_choices(root, EW_SETTING_GOVERNOR, text, sizeof text);
    assert_string_equal(text, "performance, powersave, schedutil");
    ew_device_setting_choices(root, EW_SETTING_FREQUENCY, text, sizeof text);
    assert_string_equal(text, "408MHz, 1008MHz, 1800MHz");
    ew_device_setting_now(root, EW_SETTING_MAX_FREQUENCY, text, sizeof text);
    assert_string_equal(text, "1800MHz");
    ew_device_setting_choices(root, EW_SETTING_PLATFORM_PROFILE, text, sizeof text);
    assert_string_equal(text, "");
}

static void assert_check(const char *text, enum ew_status expected, const char *word) {
    struct ew_setting s = setting(text);
    struct ew_error err = {0};
    assert_int_equal(ew_device_setting_check(root, &s, &err), expected);
    if (word && !strstr(err.message, word)) print_error("no `%s` in: %s\n", word, err.message);
    if (word) assert_non_null(strstr(err.message, word));
}

static void test_checks(void **state) {
    (void)state;
    assert_check("governor=performance", EW_OK, NULL);
    assert_check("governor=ondemand", EW_ERR_ARGUMENT, "performance, powersave, schedutil");
    assert_check("epp=power", EW_ERR_NOT_FOUND, "epp");
    assert_check("platform-profile=quiet", EW_ERR_NOT_FOUND, "platform_profile");
    assert_check("power-mode=1", EW_ERR_NOT_FOUND, "Jetson");
    assert_check("max-frequency=1800MHz", EW_OK, NULL);
    assert_check("max-frequency=1.2GHz", EW_OK, NULL); /* policy 4 has it, policy 0 takes 1008 */
    assert_check("max-frequency=1.3GHz", EW_ERR_ARGUMENT, "1008MHz");
    assert_check("max-frequency=9GHz", EW_ERR_ARGUMENT, "1800MHz");
    assert_check("max-frequency=300MHz", EW_ERR_ARGUMENT, "408MHz");
    assert_check("max-frequency=fast", EW_ERR_ARGUMENT, "1.5GHz");
    tree_put(root, POLICY4 "scaling_governor", "userspace\n");
    assert_check("governor=performance", EW_ERR_UNSUPPORTED, "userspace");
    tree_put(root, POLICY4 "scaling_governor", "schedutil\n");
    assert_untouched();
}

static void test_no_rights(void **state) {
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s" POLICY4 "scaling_governor", root);
    chmod(path, 0444);
    if (!tree_drop_rights()) skip();
    struct ew_setting s = setting("governor=performance");
    struct ew_error err = {0};
    enum ew_status status = ew_device_setting_check(root, &s, &err);
    tree_regain_rights();
    assert_int_equal(status, EW_ERR_PERMISSION);
    assert_non_null(strstr(err.message, "scaling_governor"));
    assert_non_null(strstr(err.message, "sudo"));
}

static void test_no_policies(void **state) {
    (void)state;
    char empty[TREE_ROOT_BYTES];
    tree_unpack("nothing", empty);
    struct ew_setting s = setting("governor=performance");
    struct ew_error err = {0};
    assert_int_equal(ew_device_setting_check(empty, &s, &err), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "no policy"));
    tree_remove(empty);
}

/* ---- setting and putting back ---- */

static void test_set_and_put_back(void **state) {
    (void)state;
    struct ew_device_settings *s = open_settings();
    const struct ew_setting first[] = {setting("max-frequency=1.2GHz"), setting("governor=performance")};
    assert_int_equal(ew_device_settings_apply(s, first, 2, NULL), EW_OK);
    assert_holds(POLICY0 "scaling_governor", "performance");
    assert_holds(POLICY4 "scaling_governor", "performance");
    assert_holds(POLICY0 "scaling_max_freq", "1008000");
    assert_holds(POLICY4 "scaling_max_freq", "1200000");
    assert_int_equal(ew_device_settings_count(s), 4);
    assert_true(has_journal());
    assert_true(ew_device_settings_hold(s, NULL, 0));
    /* The next list stands alone: what it does not name goes back. */
    const struct ew_setting second = setting("governor=powersave");
    assert_int_equal(ew_device_settings_apply(s, &second, 1, NULL), EW_OK);
    assert_holds(POLICY0 "scaling_governor", "powersave");
    assert_holds(POLICY4 "scaling_max_freq", "2400000");
    assert_int_equal(ew_device_settings_apply(s, NULL, 0, NULL), EW_OK);
    assert_untouched();
    close_settings(s);
    assert_untouched();
}

static void test_fixed_frequency(void **state) {
    (void)state;
    struct ew_device_settings *s = open_settings();
    const struct ew_setting fixed = setting("frequency=408MHz"), top = setting("frequency=max");
    assert_int_equal(ew_device_settings_apply(s, &fixed, 1, NULL), EW_OK);
    assert_holds(POLICY0 "scaling_max_freq", "408000");
    assert_holds(POLICY0 "scaling_min_freq", "408000");
    assert_int_equal(ew_device_settings_apply(s, &top, 1, NULL), EW_OK);
    assert_holds(POLICY0 "scaling_min_freq", "1800000");
    assert_holds(POLICY4 "scaling_min_freq", "2400000");
    close_settings(s);
    assert_untouched();
}

static void test_profile_and_preference(void **state) {
    (void)state;
    tree_put(root, "/sys/firmware/acpi/platform_profile", "balanced\n");
    tree_put(root, "/sys/firmware/acpi/platform_profile_choices", "low-power balanced performance\n");
    tree_put(root, POLICY4 "energy_performance_preference", "balance_performance\n");
    tree_put(root, POLICY4 "energy_performance_available_preferences",
             "default performance balance_performance power\n");
    struct ew_device_settings *s = open_settings();
    const struct ew_setting list[] = {setting("epp=power"), setting("platform-profile=low-power")};
    assert_int_equal(ew_device_settings_apply(s, list, 2, NULL), EW_OK);
    assert_holds("/sys/firmware/acpi/platform_profile", "low-power");
    assert_holds(POLICY4 "energy_performance_preference", "power");
    close_settings(s);
    assert_holds("/sys/firmware/acpi/platform_profile", "balanced");
    assert_holds(POLICY4 "energy_performance_preference", "balance_performance");
}

static void test_what_somebody_else_set_stays(void **state) {
    (void)state;
    char text[128];
    struct ew_settings_report report;
    struct ew_device_settings *s = open_settings();
    const struct ew_setting one = setting("governor=performance");
    assert_int_equal(ew_device_settings_apply(s, &one, 1, NULL), EW_OK);
    tree_put(root, POLICY4 "scaling_governor", "powersave\n");
    assert_false(ew_device_settings_hold(s, text, sizeof text));
    assert_non_null(strstr(text, "policy 4"));
    assert_int_equal(ew_device_settings_close(&s, &report, NULL), EW_OK);
    assert_holds(POLICY0 "scaling_governor", "schedutil");
    assert_holds(POLICY4 "scaling_governor", "powersave");
    assert_int_equal(report.restored, 1);
    assert_int_equal(report.foreign, 1);
    assert_non_null(strstr(report.text, "powersave"));
}

static void test_one_program_at_a_time(void **state) {
    (void)state;
    struct ew_device_settings *s = open_settings(), *second = NULL;
    struct ew_settings_report report;
    const struct ew_setting one = setting("governor=performance");
    assert_int_equal(ew_device_settings_apply(s, &one, 1, NULL), EW_OK);
    assert_int_equal(ew_device_settings_open(&config, &second, NULL), EW_ERR_LIMIT);
    /* Whoever starts meanwhile leaves the journal of a living program alone. */
    assert_int_equal(ew_device_settings_recover(&config, &report, NULL), EW_OK);
    assert_int_equal(report.restored, 0);
    assert_holds(POLICY0 "scaling_governor", "performance");
    close_settings(s);
    assert_untouched();
}

static void test_a_list_that_contradicts_itself(void **state) {
    (void)state;
    struct ew_device_settings *s = open_settings();
    const struct ew_setting twice[] = {setting("governor=performance"), setting("governor=powersave")};
    const struct ew_setting both[] = {setting("frequency=max"), setting("max-frequency=max")};
    assert_int_equal(ew_device_settings_apply(s, twice, 2, NULL), EW_ERR_ARGUMENT);
    assert_int_equal(ew_device_settings_apply(s, both, 2, NULL), EW_ERR_ARGUMENT);
    close_settings(s);
    assert_untouched();
}

/* ---- power modes ---- */

static void test_power_mode(void **state) {
    (void)state;
    char text[128];
    add_jetson();
    ew_device_setting_choices(root, EW_SETTING_POWER_MODE, text, sizeof text);
    assert_string_equal(text, "0 (15W), 1 (25W), 2 (MAXN_SUPER), 3 (7W)");
    struct ew_device_settings *s = open_settings();
    const struct ew_setting list[] = {setting("governor=performance"), setting("power-mode=maxn_super")};
    assert_int_equal(ew_device_settings_apply(s, list, 2, NULL), EW_OK);
    assert_holds("/var/lib/nvpmodel/status", "pmode:0002");
    close_settings(s);
    assert_holds("/var/lib/nvpmodel/status", "pmode:0001");
    assert_untouched();
}

static void test_power_mode_that_wants_a_restart(void **state) {
    (void)state;
    struct ew_error err = {0};
    add_jetson();
    struct ew_device_settings *s = open_settings();
    const struct ew_setting restart = setting("power-mode=15W"), refused = setting("power-mode=3");
    assert_int_equal(ew_device_settings_apply(s, &restart, 1, &err), EW_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "restart"));
    assert_int_equal(ew_device_settings_apply(s, &refused, 1, &err), EW_ERR_IO);
    assert_non_null(strstr(err.message, "optMask"));
    assert_holds("/var/lib/nvpmodel/status", "pmode:0001");
    close_settings(s);
    assert_untouched();
}

/* The mode took, the governor does not exist: nothing stays half done. */
static void test_roll_back(void **state) {
    (void)state;
    struct ew_error err = {0};
    add_jetson();
    struct ew_device_settings *s = open_settings();
    const struct ew_setting list[] = {setting("power-mode=2"), setting("governor=interactive")};
    assert_int_equal(ew_device_settings_apply(s, list, 2, &err), EW_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "interactive"));
    assert_holds("/var/lib/nvpmodel/status", "pmode:0001");
    assert_int_equal(ew_device_settings_count(s), 0);
    assert_untouched();
    close_settings(s);
}

static void test_power_mode_answers(void **state) {
    (void)state;
    int id = -1;
    assert_true(ew_power_mode_parse_answer("NV Power Mode: 25W\n1\n", &id));
    assert_int_equal(id, 1);
    assert_true(ew_power_mode_parse_answer("NVPM WARN: fan mode is not set!\nNV Power Mode: MAXN\n0", &id));
    assert_int_equal(id, 0);
    assert_false(ew_power_mode_parse_answer("NVPM ERROR: Error opening /var/lib/nvpmodel/status: 13\n", &id));
    assert_false(ew_power_mode_parse_answer("", &id));
}

/* ---- kills ---- */

/* A program that changes settings without end. Tells its guardian's number. */
__attribute__((noreturn)) static void set_forever(int tell) {
    struct ew_device_settings *s = NULL;
    if (ew_device_settings_open(&config, &s, NULL) != EW_OK) _exit(1);
    pid_t guardian = ew_device_settings_guardian_pid(s);
    if (write(tell, &guardian, sizeof guardian) != (ssize_t)sizeof guardian) _exit(1);
    const struct ew_setting a[] = {setting("governor=performance"), setting("frequency=max")};
    const struct ew_setting b[] = {setting("max-frequency=408MHz"), setting("governor=powersave")};
    for (;;)
        if (ew_device_settings_apply(s, a, 2, NULL) != EW_OK || ew_device_settings_apply(s, b, 2, NULL) != EW_OK)
            _exit(1);
}

static pid_t start_setting(pid_t *guardian) {
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) set_forever(fds[1]);
    close(fds[1]);
    assert_int_equal(read(fds[0], guardian, sizeof *guardian), sizeof *guardian);
    close(fds[0]);
    return pid;
}

static void end_by(pid_t pid, int number) {
    int status;
    assert_int_equal(kill(pid, number), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == number);
}

static void test_killed_at_any_moment(void **state) {
    (void)state;
    srand(20261125);
    for (int i = 0; i < 40; i++) {
        pid_t guardian, pid = start_setting(&guardian);
        usleep((useconds_t)(rand() % 4000));
        end_by(pid, i % 4 == 3 ? SIGTERM : SIGKILL);
        wait_for_guardian();
        assert_untouched();
    }
}

/* Also where the whole group, or a terminal, sends the signal: the guardian does not listen. */
static void test_guardian_ignores_signals(void **state) {
    (void)state;
    pid_t guardian, pid = start_setting(&guardian);
    assert_int_not_equal(getsid(guardian), getsid(0));
    const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGPIPE};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) assert_int_equal(kill(guardian, numbers[i]), 0);
    end_by(pid, SIGKILL);
    wait_for_guardian();
    assert_untouched();
}

static void test_both_killed_and_the_next_start(void **state) {
    (void)state;
    srand(42);
    for (int i = 0; i < 20; i++) {
        struct ew_settings_report report;
        pid_t guardian, pid = start_setting(&guardian);
        usleep((useconds_t)(rand() % 3000));
        assert_int_equal(kill(pid, SIGSTOP), 0); /* it would start another guardian */
        int status;
        assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
        assert_int_equal(kill(guardian, SIGKILL), 0);
        end_by(pid, SIGKILL);
        wait_for_guardian();
        assert_int_equal(ew_device_settings_recover(&config, &report, NULL), EW_OK);
        assert_int_equal(report.foreign, 0);
        assert_int_equal(report.failed, 0);
        assert_untouched();
    }
}

static void test_opening_recovers_too(void **state) {
    (void)state;
    tree_put(root, POLICY0 "scaling_governor", "performance\n");
    tree_put(root, "/var/lib/edgewise/settings.journal",
             "edgewise settings journal 1\nboot 6f1b1d1e-0000-4000-8000-000000000001\n"
             "governor 0 schedutil performance\ngovernor 4 schedutil performance\nend\n");
    close_settings(open_settings());
    assert_untouched();
}

static void test_an_earlier_boot(void **state) {
    (void)state;
    struct ew_settings_report report;
    add_jetson();
    tree_put(root, POLICY0 "scaling_governor", "performance\n"); /* the system's own choice this time */
    tree_put(root, "/var/lib/nvpmodel/status", "pmode:0002\n");  /* a mode outlives the start */
    tree_put(root, "/var/lib/edgewise/settings.journal",
             "edgewise settings journal 1\nboot 00000000-0000-4000-8000-000000000000\n"
             "power-mode 0 1 2\ngovernor 0 schedutil performance\nend\n");
    assert_int_equal(ew_device_settings_recover(&config, &report, NULL), EW_OK);
    assert_int_equal(report.restored, 1);
    assert_holds(POLICY0 "scaling_governor", "performance");
    assert_holds("/var/lib/nvpmodel/status", "pmode:0001");
    assert_false(has_journal());
}

static void test_damaged_journals(void **state) {
    (void)state;
    static const char head[] = "edgewise settings journal 1\nboot 6f1b1d1e-0000-4000-8000-000000000001\n";
    static const char *const tails[] = {
        "",
        "end",
        "governor 0 schedutil performance\n",
        "governor 0 schedutil\nend\n",
        "governor -1 schedutil performance\nend\n",
        "governor 99999999999999999999 a b\nend\n",
        "../../etc/passwd 0 a b\nend\n",
        "governor 0 a/b performance\nend\n",
        "governor 0 a b c\nend\n",
        "governor 0 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b\nend\n",
        "\nend\n",
        "end\nend\n"};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        char text[512];
        struct ew_error err = {0};
        struct ew_device_settings *s = NULL;
        snprintf(text, sizeof text, "%s%s", head, tails[i]);
        tree_put(root, "/var/lib/edgewise/settings.journal", text);
        assert_int_equal(ew_device_settings_recover(&config, NULL, &err), EW_ERR_FORMAT);
        assert_non_null(strstr(err.message, "settings.journal"));
        assert_int_equal(ew_device_settings_open(&config, &s, &err), EW_ERR_FORMAT);
        assert_true(has_journal());
    }
    tree_put(root, "/var/lib/edgewise/settings.journal", "");
    assert_int_equal(ew_device_settings_recover(&config, NULL, NULL), EW_ERR_FORMAT);
}

/* A journal of somebody else decides nothing. */
static void test_foreign_journal(void **state) {
    (void)state;
    char path[512];
    struct ew_error err = {0};
    if (getuid() != 0) skip();
    tree_put(root, POLICY0 "scaling_governor", "performance\n");
    tree_put(root, "/var/lib/edgewise/settings.journal",
             "edgewise settings journal 1\nboot 6f1b1d1e-0000-4000-8000-000000000001\n"
             "governor 0 schedutil performance\nend\n");
    snprintf(path, sizeof path, "%s/var/lib/edgewise/settings.journal", root);
    assert_int_equal(chown(path, 12345, 12345), 0);
    assert_int_equal(ew_device_settings_recover(&config, NULL, &err), EW_ERR_FORMAT);
    assert_non_null(strstr(err.message, "another user"));
    assert_holds(POLICY0 "scaling_governor", "performance");
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_parsing),
        CASE(test_choices),
        CASE(test_checks),
        CASE(test_no_rights),
        CASE(test_no_policies),
        CASE(test_set_and_put_back),
        CASE(test_fixed_frequency),
        CASE(test_profile_and_preference),
        CASE(test_what_somebody_else_set_stays),
        CASE(test_one_program_at_a_time),
        CASE(test_a_list_that_contradicts_itself),
        CASE(test_power_mode),
        CASE(test_power_mode_that_wants_a_restart),
        CASE(test_roll_back),
        CASE(test_power_mode_answers),
        CASE(test_killed_at_any_moment),
        CASE(test_guardian_ignores_signals),
        CASE(test_both_killed_and_the_next_start),
        CASE(test_opening_recovers_too),
        CASE(test_an_earlier_boot),
        CASE(test_damaged_journals),
        CASE(test_foreign_journal),
    };
    return cmocka_run_group_tests_name("device_settings", tests, NULL, NULL);
}
