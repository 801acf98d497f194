/* What `edgewise eval --json` prints, as records for the store: the same reading for the command itself (--store) and
 * for a study, which sees no more of it than its output. docs/eval.md, "In a store". */
#ifndef EW_STUDY_EVAL_FIGURES_H
#define EW_STUDY_EVAL_FIGURES_H

#include "edgewise/status.h"
#include "study/quality_record.h"

enum { EW_DATA_HASH = 17, EW_DATA_NAME = 128, EW_TEXT_SETTINGS = 80, EW_EVAL_MOST_FIGURES = 64 };

/* XXH3 over the bytes of a file, as 16 hex digits. Errors: those of ew_file_map_open. */
enum ew_status ew_data_hash(const char *path, char hash[EW_DATA_HASH], struct ew_error *err);

/* A file's name for people: without folder and ending. */
void ew_data_name(const char *path, char name[EW_DATA_NAME]);

/* What must be equal beside the text for two figures to be comparable: "context 512, stride 0"; windows: only the
 * first so many, 0 = all. */
void ew_text_settings(int64_t context, int64_t stride, int64_t windows, char settings[EW_TEXT_SETTINGS]);

/* Tokens of a window where none are asked for: 512, or the trained context where that is less. */
int64_t ew_eval_context(int64_t trained);

struct ew_eval_figures {
    struct ew_quality_record records[EW_EVAL_MOST_FIGURES]; /* [n] */
    size_t n;
    void *root; /* private: behind the texts */
    char *json;
};

/* text [size]: the object. like: ids, KV type, data, hash, settings, time, joules and version of every record; data,
 * hash and settings of a task are what the object says. Intervals: docs/eval.md. Errors: FORMAT (nothing that would be
 * a figure, more than EW_EVAL_MOST_FIGURES), MEMORY. *out lives as long as `like`'s texts: ew_eval_figures_close. */
enum ew_status ew_eval_figures_read(const char *text, size_t size, const struct ew_quality_record *like,
                                    struct ew_eval_figures *out, struct ew_error *err);
void ew_eval_figures_close(struct ew_eval_figures *figures);

#endif
