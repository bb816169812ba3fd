/* Whether an attempt that failed is tried again, decided by a table (requirements Y2, Y3). */
#ifndef CQLUA_CLUSTER_RETRY_H
#define CQLUA_CLUSTER_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

enum retry { RETRY_FAIL, RETRY_NEXT, RETRY_SAME };

/* How certain it is that the failed attempt had no effect. */
enum effect { EFFECT_NONE, EFFECT_POSSIBLE };

/* What a failed attempt says about the statement's effect: `was_sent` is for codes of the client's own. */
enum effect failed_attempt_effect(int code, bool was_sent);
/* The same of one that a server has answered with this error. */
enum effect answered_effect(int code, bool is_conditional);
/* `write_type`: of a write timeout. */
enum retry retry_decide(int code, struct cqlua_slice write_type, bool is_idempotent, enum effect effect);
/* Whether trying again later may succeed, by the code alone. */
bool is_transient(int code);

#endif
