// SPDX-License-Identifier: Apache-2.0

#ifndef CSQLITE_H
#define CSQLITE_H

/// Has SQLite keep no figures of the memory that it uses, which cost a lock at each allocation, and gives each connection
/// room for the values of statements with many rows. To be called before the first database is opened; not 0 where that has
/// been done already, and nothing is changed.
int csqlite_set_up(void);

#endif
