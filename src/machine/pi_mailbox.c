/* Owns talking to the firmware of a Raspberry Pi, and to recordings of it. Refuses to interpret answers beyond
 * "error="; who asks knows what they mean: pi_firmware.c, src/meter/pi_pmic.c. */
#include "machine/pi_mailbox.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/small_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAILBOX_PROPERTY _IOWR(100, 0, char *)

/* Words of a message: size, code, tag, room for the value, length of the request, error, value, end. */
enum {
    WORD_SIZE,
    WORD_CODE,
    WORD_TAG,
    WORD_ROOM,
    WORD_LENGTH,
    WORD_ERROR,
    HEAD_WORDS,
    VALUE_WORDS = EW_PI_ANSWER_BYTES / 4,
    SMALL_WORDS = 1024 / 4, /* what the firmware's own tool used for long; older firmware takes no more */
    TAG_GENCMD = 0x00030080
};
static const uint32_t answered = 0x80000000u;
static const int64_t min_gap_ns = 20 * 1000000LL;

/* One question. errno, or 0. */
static int exchange(int fd, const char *command, size_t value_words, char *answer) {
    uint32_t message[HEAD_WORDS + VALUE_WORDS + 1] = {0};
    message[WORD_SIZE] = (uint32_t)((HEAD_WORDS + value_words + 1) * sizeof *message);
    message[WORD_TAG] = TAG_GENCMD;
    message[WORD_ROOM] = (uint32_t)(value_words * sizeof *message);
    memcpy(message + HEAD_WORDS, command, strlen(command) + 1);
    if (ioctl(fd, MAILBOX_PROPERTY, message) < 0) return errno;
    if (message[WORD_CODE] != answered) return EIO;
    size_t n = strnlen((const char *)(message + HEAD_WORDS), value_words * sizeof *message - 1);
    memcpy(answer, message + HEAD_WORDS, n);
    answer[n] = 0;
    return 0;
}

/* The narrower device of newer kernels first: its rights are wider. */
static int open_device(void) {
    static const char *const paths[] = {"/dev/vcio_gencmd", "/dev/vcio"};
    int why = ENOENT;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct stat st;
        if (stat(paths[i], &st) != 0 || !S_ISCHR(st.st_mode)) continue;
        int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
        if (fd >= 0) return fd;
        if (why != EACCES) why = errno;
    }
    errno = why;
    return -1;
}

static int ask_device(const char *command, char *answer) {
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    static int64_t last_ns;
    int fd = open_device();
    if (fd < 0) return errno;
    pthread_mutex_lock(&one_at_a_time);
    int64_t wait_ns = last_ns ? last_ns + min_gap_ns - ew_clock_now_ns() : 0;
    if (wait_ns > 0) nanosleep(&(struct timespec){.tv_nsec = (long)wait_ns}, NULL);
    int why = exchange(fd, command, VALUE_WORDS, answer);
    if (why == EINVAL) why = exchange(fd, command, SMALL_WORDS, answer);
    last_ns = ew_clock_now_ns();
    pthread_mutex_unlock(&one_at_a_time);
    close(fd);
    return why;
}

static int ask_recording(const char *root, const char *command, char *answer) {
    char path[64], full[PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "/dev/vcio/%s", command);
    int n = snprintf(full, sizeof full, "%s/dev/vcio", root);
    if (n < 0 || (size_t)n >= sizeof full) return ENAMETOOLONG;
    if (stat(full, &st) != 0) return errno;
    if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) return ENOENT;
    ssize_t got = ew_small_file_read(root, S_ISDIR(st.st_mode) ? path : "/dev/vcio", answer, EW_PI_ANSWER_BYTES);
    return got < 0 ? errno : 0;
}

static bool is_command(const char *command) {
    size_t n = strspn(command, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return n > 0 && n < 48 && !command[n];
}

static enum ew_status explain(int why, const char *command, struct ew_error *err) {
    static const char device[] = "/dev/vcio";
    if (why == ENOENT || why == ENOTDIR || why == ENODEV || why == ENXIO)
        return ew_error_set(err, EW_ERR_NOT_FOUND, "%s: the firmware's mailbox is not here", device);
    if (why == EACCES || why == EPERM)
        return ew_error_set(err, EW_ERR_PERMISSION, "%s: the firmware's mailbox is not open to this user", device);
    return ew_error_set(err, EW_ERR_IO, "%s: the firmware does not answer `%s`: %s", device, command, strerror(why));
}

enum ew_status ew_pi_mailbox_ask(const char *root, const char *command, char *answer, struct ew_error *err) {
    if (!is_command(command))
        return ew_error_set(err, EW_ERR_ARGUMENT, "firmware command `%.40s`: no such name", command);
    char text[EW_PI_ANSWER_BYTES] = "";
    int why = root && *root ? ask_recording(root, command, text) : ask_device(command, text);
    if (why != 0) return explain(why, command, err);
    size_t n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1])) text[--n] = 0;
    if (n == 0) return ew_error_set(err, EW_ERR_IO, "/dev/vcio: the firmware's answer to `%s` is empty", command);
    if (strncmp(text, "error=", 6) == 0) {
        bool unknown = strstr(text, "not registered") != NULL;
        return ew_error_set(err, unknown ? EW_ERR_UNSUPPORTED : EW_ERR_IO,
                            "/dev/vcio: the firmware says of `%s`: %.120s", command, text);
    }
    memcpy(answer, text, n + 1);
    return EW_OK;
}
