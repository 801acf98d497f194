/* Owns the meters of a Raspberry Pi 5's power chip: "pi-pmic" (the sum of its twelve rails), "pi-pmic-corrected" (the
 * same, made to look like the board's input by coefficients of somebody else's board) and "pi-supply" (two voltages
 * whose current nobody measures). Refuses boards without that chip. The form of the answer: pmic_answer.c; how it is
 * asked: machine/pi_mailbox.h. */
#include "meter/pi_pmic.h"
#include "base/error.h"
#include "machine/facts.h"
#include "machine/pi_mailbox.h"
#include "meter/driver.h"
#include "meter/pmic_answer.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The rails that have both a current and a voltage. They are fed from the 5 V input side by side, so their sum counts
 * nothing twice. */
static const char *const rails[] = {"3V7_WL_SW", "3V3_SYS",  "1V8_SYS", "DDR_VDD2", "DDR_VDDQ", "1V1_SYS",
                                    "0V8_SW",    "VDD_CORE", "3V3_DAC", "3V3_ADC",  "0V8_AON",  "HDMI"};
static const char *const supplies[] = {"EXT5V", "BATT"};
enum { RAILS = sizeof rails / sizeof *rails, SUPPLIES = sizeof supplies / sizeof *supplies };
#define COMMAND "pmic_read_adc"

/* A straight line that one owner fitted against a USB-C power meter, github.com/jfikar/RPi5-power. */
static const double correction_gain = 1.1451, correction_offset_w = 0.5879;

struct pmic_state {
    char names[EW_PMIC_MAX_RAILS][EW_PMIC_NAME_BYTES]; /* by channel */
};

bool ew_pi_supply_caveat(double volts, char *buf, size_t capacity) {
    buf[0] = 0;
    if (!(volts < EW_PI_WEAK_SUPPLY_V)) return false;
    ew_meter_text(buf, capacity, "EXT5V is at %.2f V, below %.2f V: the supply or its cable is too weak", volts,
                  EW_PI_WEAK_SUPPLY_V);
    return true;
}

static enum ew_status ask(const char *root, struct ew_pmic_answer *out, struct ew_error *err) {
    char text[EW_PI_ANSWER_BYTES];
    enum ew_status status = ew_pi_mailbox_ask(root, COMMAND, text, err);
    if (status != EW_OK || ew_pmic_parse(text, out)) return status;
    for (char *p = text; *p; p++)
        if (!isprint((unsigned char)*p)) *p = ' ';
    return ew_error_set(err, EW_ERR_FORMAT, "/dev/vcio: the firmware's answer to " COMMAND " is not understood: %.60s",
                        text);
}

/* Asks, and stamps the sample in the middle of what the firmware took. *values NULL: the batch is full. */
static enum ew_status read_answer(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_pmic_answer *answer,
                                  double **values, struct ew_error *err) {
    *values = NULL;
    if (batch->n == batch->capacity) return EW_OK;
    int64_t before = ew_meter_now_ns(meter);
    enum ew_status status = ask(meter->root, answer, err);
    if (status == EW_ERR_NOT_FOUND) {
        meter->info.reason = EW_METER_GONE;
        ew_meter_text(meter->info.reason_text, sizeof meter->info.reason_text, "the firmware's mailbox is gone");
    }
    if (status != EW_OK) return ew_error_prefix(err, status, "meter %s", meter->info.name);
    *values = ew_meter_batch_add(meter, batch);
    int64_t *stamp = &batch->times_ns[batch->n - 1];
    *stamp = before + (*stamp - before) / 2;
    return EW_OK;
}

static enum ew_status read_rails(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    const struct pmic_state *state = meter->state;
    struct ew_pmic_answer answer;
    double *values;
    enum ew_status status = read_answer(meter, batch, &answer, &values, err);
    for (size_t c = 0; values && c < meter->info.n_channels; c++)
        values[c] = ew_pmic_power_w(ew_pmic_find(&answer, state->names[c]));
    return status;
}

static enum ew_status read_corrected(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    struct ew_pmic_answer answer;
    double *values, sum = 0;
    enum ew_status status = read_answer(meter, batch, &answer, &values, err);
    for (size_t i = 0; values && i < RAILS; i++) sum += ew_pmic_power_w(ew_pmic_find(&answer, rails[i]));
    if (values) values[0] = correction_gain * sum + correction_offset_w;
    return status;
}

static enum ew_status read_supplies(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    const struct pmic_state *state = meter->state;
    struct ew_pmic_answer answer;
    double *values;
    enum ew_status status = read_answer(meter, batch, &answer, &values, err);
    for (size_t c = 0; values && c < meter->info.n_channels; c++) {
        const struct ew_pmic_rail *r = ew_pmic_find(&answer, state->names[c]);
        if (r) values[c] = r->volts;
    }
    return status;
}

static struct ew_meter *new_meter(const struct ew_meter_driver *driver, const struct ew_meter_config *config,
                                  size_t n_channels, const char *name) {
    struct ew_meter *m = ew_meter_new(driver, config, n_channels, sizeof(struct pmic_state));
    if (!m) return NULL;
    m->info.quantity = EW_METER_ENERGY;
    m->info.kind = EW_METER_POWER;
    m->info.period_s = 0.1; /* each reading holds the firmware up for milliseconds */
    ew_meter_text(m->info.name, sizeof m->info.name, "%s", name);
    ew_meter_text(m->info.source, sizeof m->info.source, "/dev/vcio, firmware command " COMMAND);
    return m;
}

static void name_channel(struct ew_meter *m, size_t c, const char *rail) {
    struct pmic_state *state = m->state;
    ew_meter_text(state->names[c], sizeof state->names[c], "%s", rail);
    ew_meter_text(m->channels[c].name, sizeof m->channels[c].name, "%s", rail);
}

static void append(char *text, size_t capacity, const char *before, const char *word) {
    size_t used = strlen(text);
    ew_meter_text(text + used, capacity - used, "%s%s", before, word);
}

static bool is_known(const char *name) {
    for (size_t i = 0; i < RAILS; i++)
        if (strcmp(rails[i], name) == 0) return true;
    return false;
}

/* Rails that are not known are shown and not added: another rail might contain them. */
static size_t add_unknown_rails(struct ew_meter *m, const struct ew_pmic_answer *answer, size_t n) {
    for (size_t i = 0; i < answer->n; i++) {
        const struct ew_pmic_rail *r = &answer->rails[i];
        if (is_known(r->name) || isnan(ew_pmic_power_w(r))) continue;
        if (m) {
            name_channel(m, n, r->name);
            append(m->info.leaves_out, sizeof m->info.leaves_out, n == RAILS ? ", unknown rails " : " ", r->name);
        }
        n++;
    }
    return n;
}

/* A rail that is missing from the start is not in the total, and said to be left out; without the processor's own rail
 * there is no meter. */
static struct ew_meter *new_sum(const struct ew_meter_config *config, const struct ew_pmic_answer *answer) {
    static const struct ew_meter_driver driver = {.read = read_rails};
    struct ew_meter *m = new_meter(&driver, config, add_unknown_rails(NULL, answer, RAILS), "pi-pmic");
    if (!m) return NULL;
    struct ew_meter_info *info = &m->info;
    info->boundary = EW_BOUNDARY_MODULE;
    info->grade_ceiling = EW_GRADE_C;
    info->documented = "Raspberry Pi documentation, vcgencmd pmic_read_adc; its error is not documented";
    ew_meter_text(info->leaves_out, sizeof info->leaves_out,
                  "USB ports, HATs, NVMe, the fan, and what the converters lose");
    size_t n_total = 0;
    for (size_t c = 0; c < RAILS; c++) {
        const struct ew_pmic_rail *r = ew_pmic_find(answer, rails[c]);
        name_channel(m, c, rails[c]);
        m->channels[c].in_total = !isnan(ew_pmic_power_w(r));
        if (!m->channels[c].in_total)
            append(info->leaves_out, sizeof info->leaves_out, n_total == c ? ", missing rails " : " ", rails[c]);
        n_total += m->channels[c].in_total;
    }
    add_unknown_rails(m, answer, RAILS);
    ew_meter_text(info->covers, sizeof info->covers,
                  "%zu rails behind the board's power chip: processor, memory, radio", n_total);
    if (isnan(ew_pmic_power_w(ew_pmic_find(answer, "VDD_CORE"))))
        ew_meter_refuse(m, EW_METER_IO_ERROR, "the answer to " COMMAND " lacks VDD_CORE, the processor's own rail", "");
    return m;
}

static struct ew_meter *new_corrected(const struct ew_meter_config *config, const struct ew_meter *sum) {
    static const struct ew_meter_driver driver = {.read = read_corrected};
    struct ew_meter *m = new_meter(&driver, config, 1, "pi-pmic-corrected");
    if (!m) return NULL;
    struct ew_meter_info *info = &m->info;
    info->boundary = EW_BOUNDARY_BOARD_DC;
    info->grade_ceiling = EW_GRADE_D;
    info->documented = "github.com/jfikar/RPi5-power: a line fitted on one other board; its error is not stated";
    ew_meter_text(info->covers, sizeof info->covers,
                  "an estimate of the board's USB-C input: %.4f x the rails of pi-pmic + %.4f W", correction_gain,
                  correction_offset_w);
    ew_meter_text(info->leaves_out, sizeof info->leaves_out, "whatever hangs on this board and did not on that one");
    name_channel(m, 0, "input-estimate");
    m->channels[0].in_total = true;
    for (size_t c = 0; c < RAILS; c++)
        if (!sum->channels[c].in_total && info->reason == EW_METER_USABLE)
            ew_meter_refuse(m, EW_METER_UNSUPPORTED, "the correction was fitted to all twelve rails; some are missing",
                            "");
    return m;
}

static struct ew_meter *new_supply(const struct ew_meter_config *config, const struct ew_pmic_answer *answer) {
    static const struct ew_meter_driver driver = {.read = read_supplies};
    struct ew_meter *m = new_meter(&driver, config, SUPPLIES, "pi-supply");
    if (!m) return NULL;
    m->info.quantity = EW_METER_VOLTAGE;
    m->info.kind = EW_METER_GAUGE;
    m->info.period_s = 1;
    m->info.documented = "Raspberry Pi documentation, vcgencmd pmic_read_adc";
    ew_meter_text(m->info.covers, sizeof m->info.covers,
                  "voltage of the 5 V input and of the clock's battery; no current of theirs is measured");
    for (size_t c = 0; c < SUPPLIES; c++) name_channel(m, c, supplies[c]);
    char caveat[EW_METER_TEXT_SIZE];
    const struct ew_pmic_rail *input = ew_pmic_find(answer, supplies[0]);
    if (input && ew_pi_supply_caveat(input->volts, caveat, sizeof caveat))
        append(m->info.covers, sizeof m->info.covers, ". ", caveat);
    return m;
}

static bool is_raspberry_pi(const char *root) {
    char model[EW_MACHINE_TEXT];
    return (ew_facts_text(root, model, sizeof model, "/sys/firmware/devicetree/base/model") ||
            ew_facts_text(root, model, sizeof model, "/proc/device-tree/model")) &&
           strncmp(model, "Raspberry Pi", 12) == 0;
}

static enum ew_status add_refused(struct ew_meter_list *list, const struct ew_meter_config *config,
                                  enum ew_status status, const char *why, struct ew_error *err) {
    static const struct {
        enum ew_status status;
        enum ew_meter_reason reason;
        const char *remedy;
    } cases[] = {
        {EW_ERR_NOT_FOUND, EW_METER_ABSENT,
         "run a Raspberry Pi kernel (package linux-image-rpi-2712); in a container: --device /dev/vcio"},
        {EW_ERR_PERMISSION, EW_METER_PERMISSION,
         "sudo usermod -aG video $USER, then log in again. If /dev/vcio belongs to root alone: in "
         "/etc/udev/rules.d/70-edgewise-vcio.rules the line KERNEL==\"vcio*\", GROUP=\"video\", MODE=\"0660\""},
        {EW_ERR_UNSUPPORTED, EW_METER_UNSUPPORTED,
         "only boards of the Raspberry Pi 5 family have such a chip: measure with a USB-C meter or a plug"},
        {EW_ERR_IO, EW_METER_IO_ERROR,
         "kernel and firmware of different releases do not understand each other: sudo apt full-upgrade && sudo "
         "rpi-eeprom-update -a && sudo reboot"},
        {EW_ERR_FORMAT, EW_METER_IO_ERROR, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (cases[i].status == status)
            return ew_meter_list_add_refused(list, config, "pi-pmic", cases[i].reason, why, cases[i].remedy, err);
    return ew_error_set(err, status, "%s", why);
}

enum ew_status ew_meter_probe_pmic(struct ew_meter_list *list, const struct ew_meter_config *config,
                                   struct ew_error *err) {
    const char *root = config ? config->root : NULL;
    struct ew_pmic_answer answer;
    struct ew_error why = {0};
    enum ew_status status = ask(root, &answer, &why);
    if (status == EW_ERR_NOT_FOUND && !is_raspberry_pi(root)) return EW_OK;
    if (status != EW_OK) return add_refused(list, config, status, why.message, err);
    struct ew_meter *sum = new_sum(config, &answer);
    status = ew_meter_list_add(list, sum, err);
    if (status == EW_OK) status = ew_meter_list_add(list, new_corrected(config, sum), err);
    if (status == EW_OK) status = ew_meter_list_add(list, new_supply(config, &answer), err);
    return status;
}
