// SPDX-License-Identifier: Apache-2.0

import PerchTriggersSQL
import ProgramTestSupport

extension PostgresCluster {
    /// Its database, as waits name it.
    func database(host: String? = nil, password: SQLPassword? = .secret("PG")) -> SQLDatabase {
        .postgres(host: host ?? folder, port: port, database: "postgres", user: "perch", password: password)
    }
}
