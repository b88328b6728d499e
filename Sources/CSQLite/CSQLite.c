// SPDX-License-Identifier: Apache-2.0

#include "CSQLite.h"

#include <sqlite3.h>

int csqlite_set_up(void) {
    // Its arguments are variable, which Swift cannot call.
    int code = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    return code == SQLITE_OK ? sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 1200, 400) : code;
}
