/* Owns reading nvpmodel.conf and asking nvpmodel. It is run with an empty standard input, so that its question for a
 * restart of the system gets no answer; modes that ask it are refused. */
#include "machine/power_mode.h"
#include "base/clock.h"
#include "base/error.h"
#include "machine/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_SIZE = 1024, LONGEST_MS = 60000 };

/* "< POWER_MODEL ID=1 NAME=25W >" */
static bool parse_mode(const char *line, struct ew_power_mode *mode) {
    line += strspn(line, " \t");
    char name[40];
    if (sscanf(line, "< POWER_MODEL ID=%d NAME=%39[^ >\n]", &mode->id, name) != 2 &&
        sscanf(line, "<POWER_MODEL ID=%d NAME=%39[^ >\n]", &mode->id, name) != 2)
        return false;
    if (mode->id < 0 || mode->id > 999) return false;
    snprintf(mode->name, sizeof mode->name, "%s", name);
    return true;
}

size_t ew_power_mode_list(const char *root, struct ew_power_mode *modes, size_t capacity) {
    char *text = ew_facts_read_file(root, "/etc/nvpmodel.conf");
    size_t n = 0;
    for (const char *line = text; line && *line && n < capacity; line = strchr(line, '\n'), line += line != NULL)
        if (parse_mode(line, &modes[n])) n++;
    free(text);
    return n;
}

bool ew_power_mode_parse_answer(const char *answer, int *id) {
    bool found = false;
    for (const char *line = answer; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        char *end;
        long value = strtol(line, &end, 10);
        if (end == line || value < 0 || value > 999 || (*end && *end != '\n' && *end != '\r')) continue;
        *id = (int)value;
        found = true;
    }
    return found;
}

/* ---- the program ---- */

/* Reads until the program closes its output; false = it took too long. */
static bool read_output(int fd, char out[OUTPUT_SIZE]) {
    size_t used = 0;
    int64_t until = ew_clock_now_ns() + LONGEST_MS * INT64_C(1000000);
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left_ms = (until - ew_clock_now_ns()) / 1000000;
        if (left_ms <= 0) return false;
        if (poll(&p, 1, (int)left_ms) <= 0) continue;
        char piece[256];
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        size_t take = (size_t)got < OUTPUT_SIZE - 1 - used ? (size_t)got : OUTPUT_SIZE - 1 - used;
        memcpy(out + used, piece, take);
        used += take;
    }
    out[used] = 0;
    return true;
}

static int spawn(const char *program, char *const argv[], int output, pid_t *pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
    int failure = posix_spawn(pid, program, &actions, &attributes, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return failure;
}

/* out: what it printed; *status: as of waitpid. */
static enum ew_status run_nvpmodel(const char *root, const char *option, const char *value, char out[OUTPUT_SIZE],
                                   int *status, struct ew_error *err) {
    char program[PATH_MAX];
    int fds[2];
    pid_t pid;
    snprintf(program, sizeof program, "%s/usr/sbin/nvpmodel", root ? root : "");
    if (pipe2(fds, O_CLOEXEC) != 0) return ew_error_errno(err, EW_ERR_IO, errno, "nvpmodel: cannot make a pipe");
    char *const argv[] = {"nvpmodel", (char *)option, (char *)value, NULL};
    int failure = spawn(program, argv, fds[1], &pid);
    close(fds[1]);
    if (failure) {
        close(fds[0]);
        return ew_error_errno(err, failure == ENOENT ? EW_ERR_NOT_FOUND : EW_ERR_IO, failure, "%s: cannot be started",
                              program);
    }
    bool in_time = read_output(fds[0], out);
    close(fds[0]);
    if (!in_time) kill(pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR) continue;
    return in_time ? EW_OK : ew_error_set(err, EW_ERR_TIMEOUT, "nvpmodel %s: no answer within a minute", option);
}

bool ew_power_mode_now(const char *root, int *id) {
    char text[OUTPUT_SIZE];
    int status;
    if (ew_facts_text(root, text, 64, "/var/lib/nvpmodel/status") && sscanf(text, "pmode:%d", id) == 1) return true;
    return run_nvpmodel(root, "-q", NULL, text, &status, NULL) == EW_OK && ew_power_mode_parse_answer(text, id);
}

static bool asks_for_restart(const char *output) {
    for (const char *p = output; *p; p++)
        if (strncasecmp(p, "reboot", 6) == 0) return true;
    return false;
}

enum ew_status ew_power_mode_set(const char *root, int id, struct ew_error *err) {
    char number[16], output[OUTPUT_SIZE];
    int wait_status = 0, now = -1;
    snprintf(number, sizeof number, "%d", id);
    enum ew_status status = run_nvpmodel(root, "-m", number, output, &wait_status, err);
    if (status != EW_OK) return status;
    bool took = ew_power_mode_now(root, &now) && now == id;
    if (asks_for_restart(output) && !took)
        return ew_error_set(err, EW_ERR_UNSUPPORTED,
                            "power-mode %d: it needs a restart of the system, which Edgewise never asks for; run "
                            "`sudo nvpmodel -m %d`, restart, and leave the setting out",
                            id, id);
    if (took) return EW_OK;
    output[strcspn(output, "\n")] = 0;
    return ew_error_set(err, EW_ERR_IO, "power-mode %d: nvpmodel left mode %d in force (status %d): %.200s", id, now,
                        WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1, output[0] ? output : "it said nothing");
}
