// SPDX-License-Identifier: Apache-2.0
#ifndef CPQ_SHIM_H
#define CPQ_SHIM_H
#include <libpq-fe.h>

static inline void cpq_drop_notice(void *context, const PGresult *result) {
    (void)context;
    (void)result;
}

/// What a server remarks on is written to the standard error output by default.
static inline void cpq_silence_notices(PGconn *connection) {
    PQsetNoticeReceiver(connection, cpq_drop_notice, 0);
}

static inline const char *cpq_state(const PGresult *result) { return PQresultErrorField(result, PG_DIAG_SQLSTATE); }
static inline const char *cpq_message(const PGresult *result) {
    return PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
}
#endif
