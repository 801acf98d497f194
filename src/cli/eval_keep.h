/* edgewise eval --store: figures and answers of a model file, kept beside what studies measured of it. */
#ifndef EW_CLI_EVAL_KEEP_H
#define EW_CLI_EVAL_KEEP_H

#include "edgewise/session.h"
#include "study/quality_record.h"

struct ew_eval_keep;

/* Before anything takes long: describes the model and looks whether the store can be written (it is made where it does
 * not exist), then leaves it to others until the end. The clock of the evaluation begins. Errors: ARGUMENT (random
 * weights: what they say means nothing), those of the store and of opening the model. *out: ew_eval_keep_close. */
enum ew_status ew_eval_keep_open(const char *store, const char *model, enum ew_kv_type kv_k, enum ew_kv_type kv_v,
                                 struct ew_eval_keep **out, struct ew_error *err);
void ew_eval_keep_close(struct ew_eval_keep **keep); /* NULL and *NULL are fine */

/* json: what `edgewise eval --json` prints. data: the file that was read, settings: study/eval_figures.h; both NULL for
 * a task, which says them itself. Errors: those of the store and of reading the file; FORMAT. */
enum ew_status ew_eval_keep_figures(struct ew_eval_keep *keep, const char *json, const char *data, const char *settings,
                                    struct ew_error *err);

/* answers [n] with set, position, prompt, text, n_tokens and n_most. */
enum ew_status ew_eval_keep_answers(struct ew_eval_keep *keep, const struct ew_answer_record *answers, size_t n,
                                    struct ew_error *err);

#endif
